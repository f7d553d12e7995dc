//! Shell. A look at the engine's journal before the engine reads it.
//!
//! The engine checks what a batch holds, but not the sequence number in front of it: with one bit
//! of that flipped, a later write counts as an earlier one, and the value that it replaced comes
//! back. Batches stand in the order of their numbers, so that damage shows.
//!
//! Where the form of a batch is broken the look ends: that may be a torn end; the engine decides.
//!
//! Form, numbers little-endian: a batch begins with 1, the count of its items (4 bytes) and its
//! number (8). An item is 2, kind, compression, table (8), length of the key (2), length of the
//! value before and after compression (4 each), key and value; or 4 and a table (8), which it
//! clears. A batch ends with 3, a checksum (8) and four more bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

const BUFFER_BYTES: usize = 64 << 10;
const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TAG_CLEAR: u8 = 4;
/// Further apart two neighbours never are: it is more writes than a disk takes in its life.
const MAX_GAP: u64 = 1 << 40;

/// Checks that the numbers of batches grow, from the last number of the journal before. Returns
/// the last one of this journal; what is wrong is inside.
pub(crate) fn check_order(path: &Path, before: u64) -> io::Result<Result<u64, String>> {
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let mut last = before;
    loop {
        match next_batch(&mut reader) {
            Ok(Some(number)) if number <= last && last > 0 => {
                return Ok(Err(format!("batch {number} comes after batch {last}")));
            }
            Ok(Some(number)) if last > 0 && number - last > MAX_GAP => {
                return Ok(Err(format!("batch {number} cannot follow batch {last}")));
            }
            Ok(Some(number)) => last = number,
            Ok(None) => return Ok(Ok(last)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Ok(last)),
            Err(error) => return Err(error),
        }
    }
}

/// The number of the next whole batch; `None` where there is none.
fn next_batch(reader: &mut impl BufRead) -> io::Result<Option<u64>> {
    if byte(reader)? != TAG_START {
        return Ok(None);
    }
    let n_items = u32::from_le_bytes(bytes(reader)?);
    let number = u64::from_le_bytes(bytes(reader)?);
    for _ in 0..n_items {
        match byte(reader)? {
            TAG_ITEM => {
                let [_kind, _compression] = bytes(reader)?;
                let _table: [u8; 8] = bytes(reader)?;
                let key_bytes = u64::from(u16::from_le_bytes(bytes(reader)?));
                let _length: [u8; 4] = bytes(reader)?;
                let value_bytes = u64::from(u32::from_le_bytes(bytes(reader)?));
                skip(reader, key_bytes + value_bytes)?;
            }
            TAG_CLEAR => skip(reader, 8)?,
            _ => return Ok(None),
        }
    }
    if byte(reader)? != TAG_END {
        return Ok(None);
    }
    skip(reader, 12)?;
    Ok(Some(number))
}

fn byte(reader: &mut impl BufRead) -> io::Result<u8> {
    bytes::<1>(reader).map(|[byte]| byte)
}

fn bytes<const N: usize>(reader: &mut impl BufRead) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(reader: &mut impl BufRead, n_bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut reader.take(n_bytes), &mut io::sink())?;
    if skipped < n_bytes { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
