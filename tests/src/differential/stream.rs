//! Pure. What is sent to both servers, step by step.

use std::fmt;
use std::fmt::Write as _;

use crate::resp::frame;

/// How much of a word is printed.
const WORD_BYTES_SHOWN: usize = 120;

/// The words of one command, its name first.
pub type Words = Vec<Vec<u8>>;

/// One command, in one of its two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The words.
    pub words: Words,
    /// As a line of text, quoted where it has to be.
    pub inline: bool,
}

/// What is sent at once, and compared before anything else is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Commands, sent together.
    Pipeline(Vec<Request>),
    /// Commands that give keys a short time to live; commands after it is over.
    Fleeting {
        /// Before.
        before: Vec<Request>,
        /// For how long nothing is sent.
        wait_ms: u64,
        /// After.
        after: Vec<Request>,
    },
    /// `SCAN` with these words behind its cursor, over all keys.
    Scan(Words),
    /// Bytes on a connection of their own, which ends with them.
    Raw(Vec<u8>),
}

impl Step {
    /// How many commands it has.
    #[must_use]
    pub fn commands(&self) -> usize {
        match self {
            Self::Pipeline(requests) => requests.len(),
            Self::Fleeting { before, after, .. } => before.len() + after.len(),
            Self::Scan(_) | Self::Raw(_) => 1,
        }
    }

    /// The same without something, in every way that may still mean something.
    #[must_use]
    pub fn smaller(&self) -> Vec<Self> {
        let Self::Pipeline(requests) = self else { return Vec::new() };
        let without = |index: usize| {
            let mut requests = requests.clone();
            requests.remove(index);
            Self::Pipeline(requests)
        };
        let cut = (1..requests.len()).rev().map(|length| Self::Pipeline(requests[..length].into()));
        let single = (0..requests.len()).filter(|_| requests.len() > 1).map(without);
        cut.chain(single).collect()
    }
}

impl Request {
    /// As an array of strings.
    #[must_use]
    pub fn new(words: Words) -> Self {
        Self { words, inline: false }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        if !self.inline {
            let words: Vec<&[u8]> = self.words.iter().map(Vec::as_slice).collect();
            return frame(&words);
        }
        let mut line: Vec<u8> = Vec::new();
        for word in &self.words {
            line.extend(quoted(word).as_bytes());
            line.push(b' ');
        }
        line.extend(b"\r\n");
        line
    }

    /// Its name in upper case.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        self.words.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default()
    }
}

/// A word as redis-cli and inline commands take it.
fn quoted(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:*+{}[]^?".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let mut text = String::from("\"");
    for byte in word {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('"');
    text
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, word) in self.words.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            match word.get(..WORD_BYTES_SHOWN) {
                Some(shown) => write!(f, "{gap}{}...({} bytes)", quoted(shown), word.len())?,
                None => write!(f, "{gap}{}", quoted(word))?,
            }
        }
        if self.inline { write!(f, "   (inline)") } else { Ok(()) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, requests: &[Request]| {
            requests.iter().try_for_each(|request| writeln!(f, "    {request}"))
        };
        match self {
            Self::Pipeline(requests) => {
                writeln!(f, "  at once:")?;
                list(f, requests)
            }
            Self::Fleeting { before, wait_ms, after } => {
                writeln!(f, "  at once:")?;
                list(f, before)?;
                writeln!(f, "  after {wait_ms} ms, at once:")?;
                list(f, after)
            }
            Self::Scan(words) => {
                let words = [vec![b"SCAN".to_vec(), b"0".to_vec()], words.clone()].concat();
                writeln!(f, "  over all keys: {}", Request::new(words))
            }
            Self::Raw(bytes) => writeln!(f, "  bytes: {}", bytes.escape_ascii()),
        }
    }
}
