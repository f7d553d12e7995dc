//! Pure. Commands about the whole ring (SCAN, KEYS, DBSIZE, FLUSHALL, RANDOMKEY): piece by piece in
//! point order, each piece inside one segment of the table at the time it is sent.
//!
//! Every point is covered by exactly one piece that was executed, however owners change between.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use dialect::{NOT_AN_INTEGER, parse_integer};
use resp::{Command, Protocol, Value, encode};
use ring::{Arc, Point};

/// Pieces under way at a time, for commands whose answer does not depend on the order of pieces.
const PIECES_AT_ONCE: usize = 16;
/// Answered pieces after which a SCAN answers with what it has.
const SCAN_PIECES_MAX: usize = 64;
/// Keys that one piece of a KEYS lists.
const KEYS_PIECE: &str = "1000";
/// Keys that one piece of a DBSIZE counts.
const COUNT_PIECE: &str = "10000";
/// Keys that one piece of a FLUSHALL removes.
const FLUSH_PIECE: &str = "1000";

/// Bounds of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most bytes of keys that one KEYS may answer.
    pub(crate) keys_reply_bytes_max: usize,
}

/// One command about the whole ring, under way.
#[derive(Debug)]
pub(crate) struct Walk {
    what: What,
    limits: Limits,
    /// What is not covered and not under way, in point order (RANDOMKEY: wrapping).
    todo: VecDeque<Arc>,
    /// Pieces under way, by number.
    pieces: BTreeMap<u32, Arc>,
    started: u32,
    answered: usize,
    keys: Vec<Value>,
    keys_bytes: usize,
    count: i64,
    error: Option<Bytes>,
}

#[derive(Debug)]
enum What {
    Scan { cursor: u64, count: u64, filters: Vec<Bytes> },
    Keys { pattern: Bytes },
    Count,
    Flush,
    RandomKey,
}

impl Walk {
    fn new(what: What, limits: Limits, todo: impl IntoIterator<Item = Arc>) -> Self {
        Self {
            what,
            limits,
            todo: todo.into_iter().collect(),
            pieces: BTreeMap::new(),
            started: 0,
            answered: 0,
            keys: Vec::new(),
            keys_bytes: 0,
            count: 0,
            error: None,
        }
    }

    /// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`.
    pub(crate) fn scan(command: &Command, limits: Limits) -> Result<Self, String> {
        let cursor: u64 = command.arg(1).and_then(parse).ok_or("ERR invalid cursor")?;
        let mut count = 10;
        let mut filters = Vec::new();
        for place in (2..command.len()).step_by(2) {
            let value = command.arg_bytes(place + 1).ok_or("ERR syntax error")?;
            if command.arg_is(place, "COUNT") {
                let number = parse_integer(&value).ok_or(NOT_AN_INTEGER)?;
                count = u64::try_from(number).ok().filter(|n| *n > 0).ok_or("ERR syntax error")?;
            } else if command.arg_is(place, "MATCH") || command.arg_is(place, "TYPE") {
                filters.extend(command.arg_bytes(place));
                filters.push(value);
            } else {
                return Err("ERR syntax error".to_owned());
            }
        }
        let arc = Arc::new(Point(u128::from(cursor) << 64), Point::MAX);
        Ok(Self::new(What::Scan { cursor, count, filters }, limits, arc))
    }

    /// `KEYS pattern`.
    pub(crate) fn keys(pattern: Bytes, limits: Limits) -> Self {
        Self::new(What::Keys { pattern }, limits, [Arc::FULL])
    }

    /// `DBSIZE`.
    pub(crate) fn count(limits: Limits) -> Self {
        Self::new(What::Count, limits, [Arc::FULL])
    }

    /// `FLUSHALL` and `FLUSHDB`.
    pub(crate) fn flush(limits: Limits) -> Self {
        Self::new(What::Flush, limits, [Arc::FULL])
    }

    /// `RANDOMKEY`: the first key from this point on.
    pub(crate) fn random_key(from: Point, limits: Limits) -> Self {
        let after = Arc::new(from, Point::MAX);
        let before = from.previous().and_then(|last| Arc::new(Point::MIN, last));
        Self::new(What::RandomKey, limits, after.into_iter().chain(before))
    }

    /// Whether a piece of it may change something.
    pub(crate) fn writes(&self) -> bool {
        matches!(self.what, What::Flush)
    }

    /// Where the next piece begins, if one may be sent now.
    pub(crate) fn next_start(&self) -> Option<Point> {
        let at_once = match self.what {
            What::Scan { .. } | What::RandomKey => 1,
            What::Keys { .. } | What::Count | What::Flush => PIECES_AT_ONCE,
        };
        if self.pieces.len() >= at_once || self.is_satisfied() {
            return None;
        }
        self.todo.front().map(Arc::start)
    }

    /// Takes the next piece, which begins at [`Self::next_start`] and ends at or before
    /// `segment_last`: its number and the command for it.
    pub(crate) fn take_piece(&mut self, segment_last: Point) -> Option<(u32, Bytes)> {
        let todo = self.todo.pop_front()?;
        let piece = Arc::new(todo.start(), todo.last().min(segment_last))?;
        let rest = piece.last().next().and_then(|start| Arc::new(start, todo.last()));
        if let Some(rest) = rest {
            self.todo.push_front(rest);
        }
        let number = self.started;
        self.started += 1;
        self.pieces.insert(number, piece);
        Some((number, self.frame(piece)))
    }

    /// The piece was not executed; it is to be sent again.
    pub(crate) fn give_back(&mut self, number: u32) {
        if let Some(piece) = self.pieces.remove(&number) {
            self.put_todo(piece);
        }
    }

    /// The server's answer to a piece.
    pub(crate) fn answer(&mut self, number: u32, reply: &Bytes) {
        let Some(piece) = self.pieces.remove(&number) else { return };
        self.answered += 1;
        match Value::parse(reply) {
            Ok(Value::Error(_)) => self.fail(reply.clone()),
            Ok(Value::Array(Some(values))) => {
                if let [next, found] = &values[..] {
                    self.take_answer(piece, next, found);
                } else {
                    self.fail_odd();
                }
            }
            _ => self.fail_odd(),
        }
    }

    /// Ends the walk with an error reply.
    pub(crate) fn fail(&mut self, reply: Bytes) {
        self.error.get_or_insert(reply);
    }

    /// Whether nothing is under way and nothing has to be sent any more.
    pub(crate) fn is_done(&self) -> bool {
        self.pieces.is_empty() && (self.todo.is_empty() || self.is_satisfied())
    }

    /// Writes the answer for the client.
    pub(crate) fn finish(self, protocol: Protocol, out: &mut BytesMut) {
        if let Some(error) = self.error {
            out.extend_from_slice(&error);
            return;
        }
        match self.what {
            What::Scan { .. } => {
                let next = self.todo.front().map_or(0, |arc| top_bits(arc.start()));
                encode::array_header(out, 2);
                encode::bulk(out, next.to_string().as_bytes());
                Value::Array(Some(self.keys)).encode(out, protocol);
            }
            What::Keys { .. } => Value::Array(Some(self.keys)).encode(out, protocol),
            What::Count => encode::integer(out, self.count),
            What::Flush => encode::ok(out),
            What::RandomKey => match self.keys.into_iter().next() {
                Some(key) => key.encode(out, protocol),
                None => encode::null(out, protocol),
            },
        }
    }

    fn frame(&self, piece: Arc) -> Bytes {
        let (start, last) = (piece.start().to_string(), piece.last().to_string());
        let (start, last) = (start.as_bytes(), last.as_bytes());
        let command = match &self.what {
            What::Scan { count, filters, .. } => {
                let left = count.saturating_sub(self.keys.len() as u64).max(1).to_string();
                let mut words = vec![b"RINGKV.SCAN", start, last, left.as_bytes()];
                words.extend(filters.iter().map(|word| &word[..]));
                return Command::new(&words).into_raw();
            }
            What::Keys { pattern } => {
                let count = KEYS_PIECE.as_bytes();
                let words = [b"RINGKV.SCAN", start, last, count, b"MATCH", pattern];
                return Command::new(&words).into_raw();
            }
            What::RandomKey => [b"RINGKV.SCAN", start, last, b"1"],
            What::Count => [b"RINGKV.COUNT", start, last, COUNT_PIECE.as_bytes()],
            What::Flush => [b"RINGKV.FLUSH", start, last, FLUSH_PIECE.as_bytes()],
        };
        Command::new(&command).into_raw()
    }

    fn take_answer(&mut self, piece: Arc, next: &Value, found: &Value) {
        match (&self.what, found) {
            (What::Count | What::Flush, Value::Integer(n)) => self.count += n,
            (_, Value::Array(Some(keys))) => {
                let bytes: usize = keys.iter().filter_map(Value::as_bytes).map(Bytes::len).sum();
                self.keys_bytes += bytes;
                self.keys.extend(keys.iter().cloned());
            }
            _ => return self.fail_odd(),
        }
        let limit = self.limits.keys_reply_bytes_max;
        if self.keys_bytes > limit && matches!(self.what, What::Keys { .. }) {
            let mut error = BytesMut::new();
            let text =
                format!("ERR the matching keys are over the limit of {limit} bytes; use SCAN");
            encode::error(&mut error, &text);
            self.fail(error.freeze());
        }
        if next.is_null() {
            return;
        }
        let next = next.as_bytes().and_then(|text| parse::<Point>(text));
        match next.filter(|next| *next > piece.start()).map(|next| Arc::new(next, piece.last())) {
            Some(Some(rest)) => self.put_todo(rest),
            // Beyond the piece: it is all covered.
            Some(None) => {}
            None => self.fail_odd(),
        }
    }

    fn put_todo(&mut self, arc: Arc) {
        let wraps = matches!(self.what, What::RandomKey);
        let at =
            if wraps { 0 } else { self.todo.partition_point(|other| other.start() < arc.start()) };
        self.todo.insert(at, arc);
    }

    /// Whether the answer is complete although points are left.
    fn is_satisfied(&self) -> bool {
        if self.error.is_some() {
            return true;
        }
        match &self.what {
            What::RandomKey => !self.keys.is_empty(),
            What::Scan { cursor, count, .. } => {
                let moved = self.todo.front().is_none_or(|arc| top_bits(arc.start()) > *cursor);
                let enough = self.keys.len() as u64 >= *count || self.answered >= SCAN_PIECES_MAX;
                moved && enough
            }
            What::Keys { .. } | What::Count | What::Flush => false,
        }
    }

    fn fail_odd(&mut self) {
        self.fail(Bytes::from_static(b"-ERR a server gave an answer that is not understood\r\n"));
    }
}

/// A cursor: where a point lies, without its lower half. The node never splits the keys of one
/// cursor, so going on from here repeats some at most, and misses none.
fn top_bits(point: Point) -> u64 {
    u64::try_from(point.0 >> 64).unwrap_or(u64::MAX)
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
