//! Pure. What the clients of a round did, and the verdict on it, key by key.

use std::collections::BTreeMap;
use std::fmt;

use crate::client_error::ErrorKind;
use crate::{append, counter, register, sequence};

/// A key of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A register.
    Register(u32),
    /// A list: its place, and how many full ones there were at that place.
    List(u32, u32),
    /// A counter.
    Counter(u32),
    /// A key with one writer: who, which of its places, how many given up at that place.
    Sequence(u16, u32, u32),
}

impl Key {
    /// Its name in the cluster.
    #[must_use]
    pub(super) fn name(self, round: u32) -> String {
        match self {
            Self::Register(number) => format!("t{round}:register:{number}"),
            Self::List(place, full) => format!("t{round}:list:{place}:{full}"),
            Self::Counter(number) => format!("t{round}:counter:{number}"),
            Self::Sequence(writer, place, given_up) => {
                format!("t{round}:sequence:{writer}:{place}:{given_up}")
            }
        }
    }
}

/// An operation on a key of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// On a register.
    Register(register::Operation),
    /// On a list.
    List(append::Operation),
    /// On a counter.
    Counter(counter::Operation),
    /// On a key with one writer.
    Sequence(sequence::Operation),
}

/// An error that a client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Of what kind.
    pub(super) kind: ErrorKind,
    /// On which keys; none where there was no connection.
    pub(super) keys: Vec<String>,
    /// When the operation was called, on the clock of the history.
    pub(super) called: u64,
    /// When the error was there.
    pub(super) answered: u64,
    /// What was done and what came of it.
    pub(super) text: String,
}

/// What one client, or all of them, did.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Every operation; those of one client in their order.
    pub(super) entries: Vec<(Key, Operation)>,
    /// Every error.
    pub(super) troubles: Vec<Trouble>,
}

/// A key whose history cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The key.
    pub(super) key: Key,
    /// Why.
    pub(super) text: String,
    /// Everything that was done with it, a line each, by the time of the call.
    pub(super) history: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.key, self.text)
    }
}

impl History {
    /// Adds what another client did.
    pub(super) fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.troubles.extend(other.troubles);
    }

    /// Judges every key; the keys that were judged, and those whose history cannot be.
    #[must_use]
    pub(super) fn judge(&self) -> (usize, Vec<Violation>) {
        let mut keys: BTreeMap<Key, Vec<&Operation>> = BTreeMap::new();
        for (key, operation) in &self.entries {
            keys.entry(*key).or_default().push(operation);
        }
        let violations = keys.iter().filter_map(|(key, operations)| {
            let text = judge_key(operations)?;
            let mut history: Vec<&Operation> = operations.clone();
            history.sort_by_key(|operation| called(operation));
            let history = history.iter().map(|operation| format!("{operation:?}")).collect();
            Some(Violation { key: *key, text, history })
        });
        (keys.len(), violations.collect())
    }
}

/// Why the operations on a key cannot be, if so.
fn judge_key(operations: &[&Operation]) -> Option<String> {
    let (mut registers, mut lists, mut counters, mut sequences) = (vec![], vec![], vec![], vec![]);
    for operation in operations {
        match operation {
            Operation::Register(operation) => registers.push(*operation),
            Operation::List(operation) => lists.push(operation.clone()),
            Operation::Counter(operation) => counters.push(*operation),
            Operation::Sequence(operation) => sequences.push(*operation),
        }
    }
    let texts = [
        register::check(&registers).err().map(|violation| violation.to_string()),
        append::check(&lists).err().map(|violation| violation.to_string()),
        counter::check(&counters).err().map(|violation| violation.to_string()),
        sequence::check(&sequences).err().map(|violation| violation.to_string()),
    ];
    texts.into_iter().flatten().next()
}

const fn called(operation: &Operation) -> u64 {
    match operation {
        Operation::Register(operation) => operation.called,
        Operation::List(operation) => operation.called,
        Operation::Counter(operation) => operation.called,
        Operation::Sequence(operation) => operation.called,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_judged_by_its_own_rules() {
        let register = |action, called| {
            Operation::Register(register::Operation { action, called, answered: called + 1 })
        };
        let counter = |action, called| {
            Operation::Counter(counter::Operation { action, called, answered: called + 1 })
        };
        let list = |action, called| {
            Operation::List(append::Operation { action, called, answered: called + 1 })
        };
        let sequence = |action, called| {
            Operation::Sequence(sequence::Operation { action, called, answered: called + 1 })
        };
        let entries = vec![
            (Key::Register(1), register(register::Action::Write(1), 1)),
            (Key::Counter(1), counter(counter::Action::Incremented(1), 1)),
            (Key::List(1, 0), list(append::Action::Appended(1, 1), 1)),
            (Key::Sequence(0, 0, 0), sequence(sequence::Action::Read(0), 1)),
        ];
        let mut history = History { entries, ..History::default() };
        assert_eq!(history.judge(), (4, vec![]));
        history.entries.extend([
            (Key::Register(1), register(register::Action::Read(0), 5)),
            (Key::Counter(1), counter(counter::Action::Read(0), 5)),
            (Key::List(1, 0), list(append::Action::Read(vec![]), 5)),
            (Key::Sequence(0, 0, 0), sequence(sequence::Action::Read(1), 5)),
        ]);
        let (keys, violations) = history.judge();
        assert_eq!((keys, violations.len()), (4, 4), "{violations:?}");
        assert!(violations.iter().all(|violation| violation.history.len() == 2));
    }
}
