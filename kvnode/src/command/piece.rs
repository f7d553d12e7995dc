//! Pure. Pieces of cluster-wide commands: a router goes around the ring with RINGKV.COUNT,
//! RINGKV.SCAN and RINGKV.FLUSH, each inside one owned arc.

use resp::commands::Id;
use resp::{Command, is_keyword};
use ring::{Arc, Point};

use super::{Failure, Glob, NOT_AN_INTEGER, Reply, SYNTAX_ERROR, parse_integer};

/// How many keys SCAN looks at where the client does not say.
const DEFAULT_COUNT: usize = 10;

/// Work on the records of an arc, as far as it comes within its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) arc: Arc,
    /// How many records to look at. More are looked at where they share a point's upper half.
    pub(crate) limit: usize,
    pub(crate) kind: PieceKind,
}

/// What to do with the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    Count,
    Keys(ScanOptions),
    Flush,
}

/// Which keys SCAN returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScanOptions {
    pub(crate) pattern: Option<Glob>,
    /// A TYPE other than `string` was asked for, and there is none.
    pub(crate) no_type: bool,
}

impl ScanOptions {
    pub(crate) fn fit(&self, key: &[u8]) -> bool {
        !self.no_type && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(key))
    }

    /// Reads `[MATCH p] [COUNT n] [TYPE t]` from a word on; gives the count too.
    pub(crate) fn parse(command: &Command, first: usize) -> Result<(Self, usize), Failure> {
        let (mut options, mut count) = (Self::default(), DEFAULT_COUNT);
        let mut words = command.args().skip(first);
        while let Some(word) = words.next() {
            let value = words.next().ok_or(SYNTAX_ERROR)?;
            if is_keyword(word, "MATCH") {
                options.pattern = (value != b"*").then(|| Glob::new(value));
            } else if is_keyword(word, "TYPE") {
                options.no_type = !is_keyword(value, "string");
            } else if is_keyword(word, "COUNT") {
                count = parse_count(value)?;
            } else {
                return Err(SYNTAX_ERROR.into());
            }
        }
        Ok((options, count))
    }
}

fn parse_count(word: &[u8]) -> Result<usize, Failure> {
    let count = parse_integer(word).ok_or(NOT_AN_INTEGER)?;
    usize::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| SYNTAX_ERROR.into())
}

impl Piece {
    /// Reads one of the three commands.
    pub(crate) fn parse(id: Id, command: &Command) -> Result<Self, Failure> {
        let arc = parse_arc(command)?;
        let limit = parse_count(command.arg(3).unwrap_or_default())?;
        let kind = match id {
            Id::RingkvCount => PieceKind::Count,
            Id::RingkvFlush => PieceKind::Flush,
            _ => PieceKind::Keys(ScanOptions::parse(command, 4)?.0),
        };
        Ok(Self { arc, limit, kind })
    }
}

/// The arc that words 1 and 2 name.
pub(crate) fn parse_arc(command: &Command) -> Result<Arc, Failure> {
    let point = |place: usize| -> Option<Point> {
        std::str::from_utf8(command.arg(place)?).ok()?.parse().ok()
    };
    let arc = point(1).zip(point(2)).and_then(|(start, last)| Arc::new(start, last));
    arc.ok_or_else(|| "ERR an arc is two points of 32 hexadecimal digits, in order".into())
}

/// The point at which a SCAN with this cursor goes on.
pub(crate) fn parse_cursor(word: &[u8]) -> Result<Point, Failure> {
    std::str::from_utf8(word)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse::<u64>().ok())
        .map(|cursor| Point(u128::from(cursor) << 64))
        .ok_or_else(|| "ERR invalid cursor".into())
}

/// The cursor for a point at which to go on; 0 at the end. Pieces end where the upper half of the
/// point changes, so nothing is lost with the lower half.
pub(crate) fn cursor_reply(next: Option<Point>) -> Reply {
    let cursor = next.map_or(0, |point| point.0 >> 64);
    Reply::text(cursor.to_string())
}

/// `next` in the answer of a piece.
pub(crate) fn next_reply(next: Option<Point>) -> Reply {
    next.map_or(Reply::Null, |point| Reply::text(point.to_string()))
}
