//! Pure. What answers say about keys of each kind.

use crate::resp::Answer;
use crate::torture::history::{Key, Operation};
use crate::{append, counter, register, sequence};

/// Bytes of a token in a list: eight digits, and a mark of its end.
const TOKEN_BYTES: usize = 9;

/// The read of a key with this answer; `None` where the answer is none of such a key.
pub(super) fn read_of(key: Key, answer: &Answer, called: u64, answered: u64) -> Option<Operation> {
    Some(match key {
        Key::Register(_) => {
            let action = register::Action::Read(value_of(answer)?);
            Operation::Register(register::Operation { action, called, answered })
        }
        Key::List(..) => {
            let action = append::Action::Read(tokens_of(answer));
            Operation::List(append::Operation { action, called, answered })
        }
        Key::Counter(_) => {
            let action = counter::Action::Read(number_of(answer)?);
            Operation::Counter(counter::Operation { action, called, answered })
        }
        Key::Sequence(..) => {
            let action = sequence::Action::Read(value_of(answer)?);
            Operation::Sequence(sequence::Operation { action, called, answered })
        }
    })
}

/// The value in an answer to GET; `None` where it is something else.
pub(super) fn value_of(answer: &Answer) -> Option<u64> {
    match answer {
        Answer::Bulk(None) => Some(register::NIL),
        Answer::Bulk(Some(bytes)) => {
            let digits = std::str::from_utf8(bytes.get(..16)?).ok()?;
            u64::from_str_radix(digits, 16).ok()
        }
        _ => None,
    }
}

/// The number in an answer to INCR, APPEND, or GET of a counter.
pub(super) fn number_of(answer: &Answer) -> Option<u64> {
    match answer {
        Answer::Integer(number) => u64::try_from(*number).ok(),
        Answer::Bulk(None) => Some(0),
        Answer::Bulk(Some(bytes)) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

/// The tokens of a list; what is none is one that nobody has appended.
pub(super) fn tokens_of(answer: &Answer) -> Vec<append::Token> {
    let Answer::Bulk(Some(bytes)) = answer else { return Vec::new() };
    let token = |bytes: &[u8]| {
        let digits = bytes.strip_suffix(b";").filter(|digits| digits.len() == TOKEN_BYTES - 1)?;
        append::Token::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    bytes.chunks(TOKEN_BYTES).map(|bytes| token(bytes).unwrap_or(append::Token::MAX)).collect()
}

/// How many tokens the answer to APPEND speaks of; where it is no whole number of them, one that
/// cannot be.
pub(super) fn list_length(answer: &Answer) -> u64 {
    let bytes = number_of(answer).unwrap_or(u64::MAX);
    let token = TOKEN_BYTES as u64;
    if bytes.is_multiple_of(token) { bytes / token } else { u64::MAX }
}
