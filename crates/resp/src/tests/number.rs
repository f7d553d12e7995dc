//! Behaviour of [`read_line`].

use proptest::prelude::*;

use crate::number::{NumberLine, read_line};

/// A line is invalid, or stays partial until all of it is there.
fn check(text: &str, expected: NumberLine) {
    let line = format!("{text}\r\n");
    assert_eq!(read_line(line.as_bytes()), expected, "{text}");
    if let NumberLine::Number { size, .. } = expected {
        for cut in 0..size {
            assert_eq!(read_line(line.as_bytes().split_at(cut).0), NumberLine::Partial, "{text}");
        }
    }
}

#[test]
fn numbers_are_canonical() {
    for text in ["", "-", "-0", "00", "01", "-01", "+1", " 1", "1 ", "1.0", "0x1", "a"] {
        check(text, NumberLine::Invalid);
    }
    for text in ["9223372036854775808", "-9223372036854775809", "10000000000000000000"] {
        check(text, NumberLine::Invalid);
    }
    assert_eq!(read_line(b"1\n"), NumberLine::Invalid);
    assert_eq!(read_line(b"1\rx"), NumberLine::Invalid);
    assert_eq!(read_line(b"\r"), NumberLine::Invalid);
    assert_eq!(read_line(&[b'1'; 20]), NumberLine::Invalid);
}

#[test]
fn numbers_of_every_length() {
    for digits in 0..19_u32 {
        for value in [10_i64.pow(digits) - 1, 10_i64.pow(digits), i64::MAX, i64::MIN] {
            for value in [value, value.wrapping_neg()] {
                let text = value.to_string();
                check(&text, NumberLine::Number { value, size: text.len() + 2 });
            }
        }
    }
}

proptest! {
    #[test]
    fn only_canonical_numbers_are_read(text in "[-0-9]{0,21}") {
        let parsed = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
        let read = read_line(format!("{text}\r\n").as_bytes());
        let expected = parsed.map_or(NumberLine::Invalid, |value| {
            NumberLine::Number { value, size: text.len() + 2 }
        });
        prop_assert_eq!(read, expected);
    }
}
