//! Pure. A command over several keys: split into one part a server, and its answers merged in the
//! order of the keys.

use bytes::{Bytes, BytesMut};
use resp::commands::{CommandSpec, Kind, Spread};
use resp::{Command, Protocol, Value, encode};
use ring::Point;

/// A key's place in [`Gather`].
pub(crate) type KeyIndex = u32;

/// One command over several keys, under way.
#[derive(Debug)]
pub(crate) struct Gather {
    spec: &'static CommandSpec,
    command: Command,
    keys: Vec<Key>,
    /// The keys of each part that was sent.
    parts: Vec<Vec<KeyIndex>>,
    under_way: usize,
    applied: usize,
    sum: i64,
    error: Option<Bytes>,
}

#[derive(Debug)]
struct Key {
    place: usize,
    point: Point,
    state: KeyState,
}

#[derive(Debug)]
enum KeyState {
    Unsent,
    Sent,
    Answered(Option<Value>),
}

impl Gather {
    /// The command with nothing sent yet.
    pub(crate) fn new(spec: &'static CommandSpec, command: Command) -> Self {
        let key = |place| {
            let point = Point::of(command.arg(place).unwrap_or_default());
            Key { place, point, state: KeyState::Unsent }
        };
        let keys = spec.key_places(command.len()).map(key).collect();
        Self {
            spec,
            command,
            keys,
            parts: Vec::new(),
            under_way: 0,
            applied: 0,
            sum: 0,
            error: None,
        }
    }

    /// Whether it may change something.
    pub(crate) fn writes(&self) -> bool {
        self.spec.kind == Kind::Write
    }

    /// The keys that have to be sent, in order.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = (KeyIndex, Point)> {
        let unsent = |key: &Key| matches!(key.state, KeyState::Unsent);
        (0..).zip(&self.keys).filter(move |(_, key)| unsent(key)).map(|(i, key)| (i, key.point))
    }

    /// Where these keys are.
    pub(crate) fn points(&self, keys: &[KeyIndex]) -> impl Iterator<Item = Point> {
        keys.iter().filter_map(|index| self.keys.get(*index as usize)).map(|key| key.point)
    }

    /// The command for a part with these keys: the client's own where they are all.
    pub(crate) fn frame(&self, keys: &[KeyIndex]) -> Bytes {
        if keys.len() == self.keys.len() {
            return self.command.raw().clone();
        }
        let mut words = Vec::with_capacity(1 + keys.len() * self.spec.keys.step);
        words.push(self.command.name());
        for key in keys.iter().filter_map(|index| self.keys.get(*index as usize)) {
            let of_key = key.place..key.place + self.spec.keys.step.max(1);
            words.extend(of_key.filter_map(|place| self.command.arg(place)));
        }
        Command::new(&words).into_raw()
    }

    /// These keys were sent; answers the number of the part.
    pub(crate) fn sent(&mut self, keys: Vec<KeyIndex>) -> u32 {
        self.set(&keys, || KeyState::Sent);
        self.under_way += 1;
        self.parts.push(keys);
        u32::try_from(self.parts.len() - 1).unwrap_or(u32::MAX)
    }

    /// The part was not executed; its keys are to be sent again.
    pub(crate) fn give_back(&mut self, part: u32) {
        let keys = self.take_part(part);
        self.set(&keys, || KeyState::Unsent);
    }

    /// Gives the keys that were not sent an error.
    pub(crate) fn fail_unsent(&mut self, error: &Bytes) {
        for key in &mut self.keys {
            if matches!(key.state, KeyState::Unsent) {
                key.state = KeyState::Answered(None);
            }
        }
        self.error.get_or_insert_with(|| error.clone());
    }

    /// The answer of a server, or an error in place of it.
    pub(crate) fn answer(&mut self, part: u32, reply: &Bytes) {
        let keys = self.take_part(part);
        self.set(&keys, || KeyState::Answered(None));
        let parsed = Value::parse(reply);
        match (self.spec.spread, parsed) {
            (_, Ok(Value::Error(_))) => {
                self.error.get_or_insert_with(|| reply.clone());
                return;
            }
            (Spread::Ok, Ok(Value::Simple(_))) => {}
            (Spread::Sum, Ok(Value::Integer(n))) => self.sum += n,
            (Spread::Elements, Ok(Value::Array(Some(values)))) if values.len() == keys.len() => {
                for (index, value) in keys.iter().zip(values) {
                    if let Some(key) = self.keys.get_mut(*index as usize) {
                        key.state = KeyState::Answered(Some(value));
                    }
                }
            }
            _ => {
                let odd = b"-ERR a server gave an answer that is not understood\r\n";
                self.error.get_or_insert(Bytes::from_static(odd));
                return;
            }
        }
        self.applied += keys.len();
    }

    /// Whether every key has its answer.
    pub(crate) fn is_done(&self) -> bool {
        self.under_way == 0
            && self.keys.iter().all(|key| matches!(key.state, KeyState::Answered(_)))
    }

    /// Writes the answer for the client.
    pub(crate) fn finish(self, protocol: Protocol, out: &mut BytesMut) {
        if let Some(error) = &self.error {
            self.encode_error(error, out);
            return;
        }
        match self.spec.spread {
            Spread::Elements => {
                encode::array_header(out, self.keys.len());
                for key in &self.keys {
                    match &key.state {
                        KeyState::Answered(Some(value)) => value.encode(out, protocol),
                        _ => encode::null(out, protocol),
                    }
                }
            }
            Spread::Sum => encode::integer(out, self.sum),
            Spread::Ok | Spread::One | Spread::Together => encode::ok(out),
        }
    }

    fn encode_error(&self, error: &Bytes, out: &mut BytesMut) {
        let line = error.strip_suffix(b"\r\n").unwrap_or(error);
        out.extend_from_slice(line);
        if self.writes() && self.applied > 0 {
            let name = self.spec.name.to_ascii_uppercase();
            let (applied, all) = (self.applied, self.keys.len());
            let note = format!(" ({name} was applied to {applied} of its {all} keys)");
            out.extend_from_slice(note.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    fn take_part(&mut self, part: u32) -> Vec<KeyIndex> {
        self.under_way = self.under_way.saturating_sub(1);
        self.parts.get_mut(part as usize).map(std::mem::take).unwrap_or_default()
    }

    fn set(&mut self, keys: &[KeyIndex], state: impl Fn() -> KeyState) {
        for index in keys {
            if let Some(key) = self.keys.get_mut(*index as usize) {
                key.state = state();
            }
        }
    }
}

#[cfg(test)]
mod tests;
