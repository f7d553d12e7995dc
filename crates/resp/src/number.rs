//! Pure. Lengths and counts in frame headers.

/// 19 decimal digits cannot overflow a u64.
const MAX_DIGITS: usize = 19;
/// 9 cannot overflow a u32, and are enough for nearly every length.
const SHORT_DIGITS: usize = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberLine {
    /// More bytes are needed.
    Partial,
    /// No number in canonical form (as Redis: no `+`, no leading zero), or no CRLF after it.
    Invalid,
    /// A number whose line, CRLF included, takes `size` bytes.
    Number { value: i64, size: usize },
}

/// Reads the number at the start of `bytes`, up to and including its CRLF.
#[inline]
pub(crate) fn read_line(bytes: &[u8]) -> NumberLine {
    let mut value = 0_u32;
    for (count, byte) in bytes.iter().take(SHORT_DIGITS + 1).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 && count < SHORT_DIGITS {
            value = value * 10 + u32::from(digit);
            continue;
        }
        let canonical = count == 1 || (count > 1 && bytes.first() != Some(&b'0'));
        if canonical && *byte == b'\r' && bytes.get(count + 1) == Some(&b'\n') {
            return NumberLine::Number { value: i64::from(value), size: count + 2 };
        }
        break;
    }
    read_long_line(bytes)
}

/// Whatever is not short, positive and whole.
#[cold]
fn read_long_line(bytes: &[u8]) -> NumberLine {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let count = digits.iter().take(MAX_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = match digits.split_at_checked(count) {
        Some(parts) if count <= MAX_DIGITS => parts,
        _ => return NumberLine::Invalid,
    };
    match (number, rest) {
        (_, []) | ([_, ..], [b'\r']) => return NumberLine::Partial,
        ([], _) | ([b'0', _, ..], _) => return NumberLine::Invalid,
        (_, [b'\r', b'\n', ..]) => {}
        _ => return NumberLine::Invalid,
    }
    let magnitude = number.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    let value = match negative {
        false => i64::try_from(magnitude).ok(),
        true if magnitude == 0 => None,
        true => 0_i64.checked_sub_unsigned(magnitude),
    };
    let size = usize::from(negative) + count + 2;
    value.map_or(NumberLine::Invalid, |value| NumberLine::Number { value, size })
}
