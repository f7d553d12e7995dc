//! Pure. The values that are written: random bytes, or such that tell whose they are.

use crate::keys::KEY_BYTES;
use crate::random::Random;

/// A value that can be verified has at least so many bytes.
pub(crate) const VERIFIED_BYTES_MIN: usize = 64;
/// Values start at different places of the pool, so that few are alike.
const POOL_STARTS: usize = 4 * 1024;
const HEX: usize = 16;
const CHECKSUM: usize = 8;

/// Bytes that do not compress, to cut values from.
#[derive(Debug)]
pub(crate) struct Pool {
    bytes: Vec<u8>,
}

impl Pool {
    pub(crate) fn new(seed: u64, value_bytes: usize) -> Self {
        let mut random = Random::new(seed, u64::MAX);
        let mut bytes = Vec::with_capacity(value_bytes + POOL_STARTS + 8);
        while bytes.len() < value_bytes + POOL_STARTS {
            bytes.extend_from_slice(&random.next_u64().to_le_bytes());
        }
        Self { bytes }
    }

    /// So many bytes; which ones follows from the number.
    #[inline]
    pub(crate) fn slice(&self, number: u64, bytes: usize) -> &[u8] {
        let start = (number % POOL_STARTS as u64) as usize;
        self.bytes.get(start..start + bytes).unwrap_or_default()
    }
}

/// What a verifiable value says of itself besides its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which run of this program wrote it.
    pub(crate) run: u64,
    /// The how-manieth write to its key in that run, from 1.
    pub(crate) counter: u64,
}

/// What is wrong with a value by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Not what any client of this kind has written.
    Damaged,
    /// Written for another key.
    OtherKey,
}

/// Appends a value of `filler` and some 60 bytes: key, stamp, filler, checksum.
pub(crate) fn stamped(out: &mut Vec<u8>, key: &[u8; KEY_BYTES], stamp: Stamp, filler: &[u8]) {
    let start = out.len();
    out.extend_from_slice(key);
    out.push(b':');
    push_hex(out, stamp.run, HEX);
    push_hex(out, stamp.counter, HEX);
    out.push(b':');
    out.extend_from_slice(filler);
    let sum = crc32fast::hash(out.get(start..).unwrap_or_default());
    push_hex(out, u64::from(sum), CHECKSUM);
}

/// How much filler makes a stamped value of so many bytes.
pub(crate) const fn filler_bytes(value_bytes: usize) -> usize {
    value_bytes.saturating_sub(KEY_BYTES + 2 + 2 * HEX + CHECKSUM)
}

/// Reads a value's stamp if the value is whole and this key's.
pub(crate) fn check(key: &[u8; KEY_BYTES], value: &[u8]) -> Result<Stamp, Flaw> {
    let body = value.len().checked_sub(CHECKSUM).ok_or(Flaw::Damaged)?;
    let (body, sum) = value.split_at_checked(body).ok_or(Flaw::Damaged)?;
    if read_hex(sum) != Some(u64::from(crc32fast::hash(body))) {
        return Err(Flaw::Damaged);
    }
    let (owner, rest) = body.split_at_checked(KEY_BYTES).ok_or(Flaw::Damaged)?;
    if owner != key {
        return Err(Flaw::OtherKey);
    }
    let hex = |start: usize| rest.get(start..start + HEX).and_then(read_hex).ok_or(Flaw::Damaged);
    Ok(Stamp { run: hex(1)?, counter: hex(1 + HEX)? })
}

fn push_hex(out: &mut Vec<u8>, number: u64, digits: usize) {
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place)) as u8 & 15;
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}

fn read_hex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(number << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Flaw, Pool, Stamp, VERIFIED_BYTES_MIN, check, filler_bytes, stamped};
    use crate::keys::{Space, key};

    fn value(number: u64, stamp: Stamp, bytes: usize) -> Vec<u8> {
        let (pool, mut out) = (Pool::new(1, bytes), Vec::new());
        let filler = pool.slice(stamp.counter, filler_bytes(bytes));
        stamped(&mut out, &key(Space::Values, number), stamp, filler);
        out
    }

    proptest! {
        #[test]
        fn a_value_tells_its_stamp_to_its_key_alone(
            number in 0_u64..1_000, run: u64, counter: u64,
            bytes in VERIFIED_BYTES_MIN..500, at: prop::sample::Index, flip in 1_u8..=255,
        ) {
            let stamp = Stamp { run, counter };
            let mut value = value(number, stamp, bytes);
            prop_assert_eq!(value.len(), bytes);
            prop_assert_eq!(check(&key(Space::Values, number), &value), Ok(stamp));
            prop_assert_eq!(check(&key(Space::Values, number + 1), &value), Err(Flaw::OtherKey));
            let torn = &value[..at.index(bytes)];
            prop_assert_eq!(check(&key(Space::Values, number), torn), Err(Flaw::Damaged));
            value[at.index(bytes)] ^= flip;
            // Only the case of a hexadecimal digit of the checksum may change unnoticed.
            if let Ok(read) = check(&key(Space::Values, number), &value) {
                prop_assert!(flip == 0x20 && read == stamp);
            }
        }
    }

    #[test]
    fn bytes_of_the_pool_do_not_repeat() {
        let pool = Pool::new(1, 100);
        assert_eq!(pool.slice(3, 100).len(), 100);
        assert_ne!(pool.slice(3, 100), pool.slice(4, 100));
        assert_eq!(Pool::new(1, 0).slice(u64::MAX, 0), b"");
    }
}
