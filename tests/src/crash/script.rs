//! Pure. A fixed sequence of writes, each of which is answered before the next one is sent.

use super::book::{Book, State};
use crate::resp::frame;

/// How many keys it writes.
pub const KEYS: u32 = 24;
/// An expiry that no test lives to see, in seconds.
const EXPIRY_S: &[u8] = b"1000000";

/// A book with the keys of the script.
#[must_use]
pub fn book() -> Book {
    let mut book = Book::default();
    (0..KEYS).for_each(|number| book.add_key(key(number)));
    book
}

fn key(number: u32) -> String {
    format!("s:{}", number % KEYS)
}

/// Write number so and so: its key, the state that it leaves, and the command.
#[must_use]
pub fn write(book: &Book, number: u32) -> (String, State, Vec<u8>) {
    let key = key(number);
    let name = key.as_bytes();
    let token = format!("{number};");
    match (number % 5, book.known(&key).cloned()) {
        (1, Some(State::Value { bytes, expires })) => {
            let command = frame(&[b"APPEND", name, token.as_bytes()]);
            let bytes = [bytes, token.into_bytes()].concat();
            (key, State::Value { bytes, expires }, command)
        }
        (2, Some(State::Value { .. })) => {
            let command = frame(&[b"DEL", name]);
            (key, State::Absent, command)
        }
        (kind, _) => {
            let mut bytes = token.into_bytes();
            let length = bytes.len() + (number * 37 % 700) as usize;
            bytes.resize(length, b'x');
            let expires = kind == 3;
            let command = if expires {
                frame(&[b"SET", name, &bytes, b"EX", EXPIRY_S])
            } else {
                frame(&[b"SET", name, &bytes])
            };
            (key, State::Value { bytes, expires }, command)
        }
    }
}
