//! Pure. Reads a server's files of decisions by their documented form, with no code of the server:
//! version byte, length and CRC-32 of the JSON (4 bytes each, big-endian), the JSON, zeros.

use serde_json::Value;

/// The names of both files.
pub const FILES: [&str; 2] = ["decisions.a", "decisions.b"];
const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 9;

/// The newest whole decisions of two files, and their number; `None` where neither is whole.
#[must_use]
pub fn newest(files: &[Vec<u8>]) -> Option<(u64, Value)> {
    let whole = files.iter().filter_map(|bytes| parse(bytes));
    whole.max_by_key(|(stamp, _)| *stamp)
}

fn parse(bytes: &[u8]) -> Option<(u64, Value)> {
    let head = bytes.first_chunk::<HEAD_BYTES>()?;
    let length = u32::from_be_bytes(*head[1..].first_chunk()?);
    let checksum = u32::from_be_bytes(*head[5..].first_chunk()?);
    let end = HEAD_BYTES.checked_add(usize::try_from(length).ok()?)?;
    let json = bytes.get(HEAD_BYTES..end)?;
    if head[0] != FORMAT || crc32(json) != checksum {
        return None;
    }
    let value: Value = serde_json::from_slice(json).ok()?;
    Some((value.get("stamp")?.as_u64()?, value.get("decisions")?.clone()))
}

/// The sides of handoffs that are on the way, such as `source copying`.
#[must_use]
pub fn open_sides(decisions: &Value) -> Vec<String> {
    let handoffs = decisions.get("handoffs").and_then(Value::as_object);
    let sides = handoffs.into_iter().flatten().filter_map(|(_, handoff)| {
        let (side, state) = handoff.get("side")?.as_object()?.iter().next()?;
        Some(format!("{side} {}", state.as_str()?))
    });
    sides.filter(|side| OPEN_SIDES.contains(&side.as_str())).collect()
}

const OPEN_SIDES: [&str; 5] =
    ["source copying", "source frozen", "source given", "target receiving", "target owned"];

/// CRC-32 as of zip and Ethernet, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(stamp: u64) -> Vec<u8> {
        let json = format!("{{\"stamp\":{stamp},\"decisions\":{{}}}}").into_bytes();
        let length = u32::try_from(json.len()).unwrap_or_default().to_be_bytes();
        [&[FORMAT][..], &length, &crc32(&json).to_be_bytes(), &json, &[0; 100]].concat()
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn the_newest_whole_file_counts() {
        let stamp = |files: &[Vec<u8>]| newest(files).map(|(stamp, _)| stamp);
        assert_eq!(stamp(&[file(3), file(4)]), Some(4));
        let mut torn = file(4);
        torn[20] ^= 1;
        assert_eq!(stamp(&[file(3), torn.clone()]), Some(3));
        assert_eq!(stamp(&[torn, Vec::new()]), None);
    }
}
