mod expiry;
mod model;
mod number;
mod piece;
mod string;
mod versioned;

use std::collections::BTreeMap;

use bytes::Bytes;
use handoff::Version;
use resp::Command;
use resp::commands::lookup;

use super::{Context, Entry, Failure, Keyspace, Reply, run};
use crate::store::{RecordKey, StoreError};

/// The wall clock at which each test starts.
const START_MS: u64 = 1_000_000;

/// Records in memory, with a clock that the test moves.
#[derive(Debug)]
struct MemorySpace {
    entries: BTreeMap<Vec<u8>, Entry>,
    now_ms: u64,
    version: Version,
    max_value_bytes: usize,
}

impl Default for MemorySpace {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), now_ms: START_MS, version: 0, max_value_bytes: 64 }
    }
}

impl Keyspace for MemorySpace {
    fn get(&mut self, key: &RecordKey) -> Result<Option<Entry>, StoreError> {
        let entry = self.entries.get(key.key()).cloned();
        Ok(entry.filter(|entry| entry.expiry_ms.is_none_or(|expiry| expiry > self.now_ms)))
    }

    fn put(
        &mut self,
        key: &RecordKey,
        value: Bytes,
        expiry_ms: Option<u64>,
    ) -> Result<Version, StoreError> {
        self.version += 1;
        let entry = Entry { value, expiry_ms, version: self.version };
        self.entries.insert(key.key().to_vec(), entry);
        Ok(self.version)
    }

    fn remove(&mut self, key: &RecordKey) -> Result<(), StoreError> {
        assert!(self.get(key)?.is_some(), "removal of an absent key");
        self.entries.remove(key.key());
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.now_ms
    }
}

impl MemorySpace {
    fn run(&mut self, command: &Command) -> Reply {
        let spec = lookup(command.name()).expect("a known command");
        assert!(spec.takes(command.len()), "arity of {command:?}");
        let keys: Vec<_> = spec
            .key_places(command.len())
            .map(|place| RecordKey::new(command.arg(place).expect("a key")))
            .collect();
        let max_value_bytes = self.max_value_bytes;
        let key = keys.first().expect("a command with keys");
        let mut ctx = Context {
            command,
            key,
            keys: &keys,
            space: self,
            max_value_bytes,
            max_reply_bytes: 200,
        };
        match run(spec.id, &mut ctx) {
            Ok(reply) => reply,
            Err(Failure::Refused(text)) => Reply::Error(text),
            Err(Failure::Store(error)) => panic!("{error}"),
        }
    }
}

/// Splits at spaces; `''` is an empty word.
fn command(line: &str) -> Command {
    let words: Vec<_> = line.split(' ').map(|word| word.trim_matches('\'')).collect();
    Command::new(&words)
}

/// `OK`, `(nil)`, `3`, `"bytes"`, `[1, (nil)]`; errors begin with their code.
fn show(reply: &Reply) -> String {
    match reply {
        Reply::Ok => "OK".to_owned(),
        Reply::Simple(text) => (*text).to_owned(),
        Reply::Error(text) => text.clone().into_owned(),
        Reply::Integer(value) => value.to_string(),
        Reply::Bulk(value) => format!("\"{}\"", value.escape_ascii()),
        Reply::Null => "(nil)".to_owned(),
        Reply::NullArray => "(nil array)".to_owned(),
        Reply::Array(values) | Reply::Set(values) => {
            format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Reply::Map(_) | Reply::Verbatim(_) => panic!("no command on keys answers so"),
    }
}

/// Runs lines `command -> reply`; a line `+n` moves the clock by n milliseconds.
fn check(script: &str) {
    check_in(&mut MemorySpace::default(), script);
}

fn check_in(space: &mut MemorySpace, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(ms) = line.strip_prefix('+') {
            space.now_ms += ms.parse::<u64>().expect("milliseconds");
            continue;
        }
        let (sent, expected) = line.split_once(" -> ").expect("command -> reply");
        assert_eq!(show(&space.run(&command(sent))), expected, "{sent}");
    }
}
