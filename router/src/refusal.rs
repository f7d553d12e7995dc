//! Pure. What a server says when it did not execute a command because of where its key lives.

use ring::{Arc, Point};

/// Why a server refused; nothing of the command was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The range is held until a handoff is decided, or its writers are slowed.
    Frozen(Arc),
    /// The server does not own the range.
    Moved(Arc),
    /// The server does not serve at all yet; why.
    Loading(String),
}

impl Refusal {
    /// Reads an error answer; `None` where it is an ordinary answer for the client.
    pub(crate) fn parse(reply: &[u8]) -> Option<Self> {
        let line = reply.strip_prefix(b"-")?.strip_suffix(b"\r\n")?;
        let line = std::str::from_utf8(line).ok()?;
        let (code, rest) = line.split_once(' ')?;
        match code {
            "FROZEN" => Some(Self::Frozen(parse_arc(rest)?)),
            "MOVED" => Some(Self::Moved(parse_arc(rest)?)),
            "LOADING" => Some(Self::Loading(rest.to_owned())),
            _ => None,
        }
    }

    /// The points of the connection that the server refuses until it is told to resume.
    pub(crate) fn arc(&self) -> Arc {
        match self {
            Self::Frozen(arc) | Self::Moved(arc) => *arc,
            Self::Loading(_) => Arc::FULL,
        }
    }
}

fn parse_arc(text: &str) -> Option<Arc> {
    let mut words = text.split(' ');
    let start: Point = words.next()?.parse().ok()?;
    let last: Point = words.next()?.parse().ok()?;
    Arc::new(start, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &str, expected: impl Into<Option<Refusal>>) {
        assert_eq!(Refusal::parse(reply.as_bytes()), expected.into(), "{reply:?}");
    }

    #[test]
    fn refusals_are_told_from_ordinary_errors() {
        let low = "00000000000000000000000000000000";
        let high = "ffffffffffffffffffffffffffffffff";
        check(&format!("-FROZEN {low} {high}\r\n"), Some(Refusal::Frozen(Arc::FULL)));
        check(&format!("-MOVED {low} {high} 7 kv-1\r\n"), Some(Refusal::Moved(Arc::FULL)));
        check(&format!("-MOVED {low} {high} 7 ?\r\n"), Some(Refusal::Moved(Arc::FULL)));
        check("-LOADING recovering\r\n", Some(Refusal::Loading("recovering".to_owned())));
        check("-MOVED key belongs to kv-1; connect to the router\r\n", None);
        check(&format!("-FROZEN {high} {low}\r\n"), None);
        check("-ERR value is not an integer or out of range\r\n", None);
        check("$6\r\n-ERR x\r\n", None);
        check("-\r\n", None);
        check("", None);
    }
}
