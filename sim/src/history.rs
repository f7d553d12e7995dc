//! Pure. What the clients did and saw, in the order in which the simulation ran it.

use std::collections::{BTreeMap, BTreeSet};

use e2e::register::{self, Action, NIL, Operation, Value};
use ring::{ArcSet, Point};

/// A history of registers, of keys that were deleted, and of counters.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Grows with each call and each answer.
    time: u64,
    last_value: Value,
    registers: BTreeMap<String, Vec<Operation>>,
    deleted: BTreeSet<String>,
    expiring: BTreeSet<String>,
    lasting: BTreeSet<String>,
    lost: ArcSet,
    counters: BTreeMap<String, Counter>,
    pub(crate) n_operations: u64,
    pub(crate) n_errors: u64,
    violations: Vec<String>,
}

/// The bounds within which a counter of one client may be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counter {
    /// The last value that was answered.
    answered: i64,
    /// Increments of which nobody knows whether they were, or will be, applied, and which are not
    /// in that value.
    uncertain: i64,
}

impl History {
    /// The present, after all that was noted before.
    pub(crate) fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    /// A value that was never written.
    pub(crate) fn new_value(&mut self) -> Value {
        self.last_value += 1;
        NIL + self.last_value
    }

    /// Notes an operation on a register that was called at `called` and is answered now.
    pub(crate) fn note(&mut self, key: &str, action: Action, called: u64) {
        let now = self.tick();
        let answered = if matches!(action, Action::Uncertain(_)) { u64::MAX } else { now };
        let operation = Operation { action, called, answered };
        self.registers.entry(key.to_owned()).or_default().push(operation);
        self.n_operations += 1;
    }

    /// Notes that a key was deleted for good.
    pub(crate) fn note_deleted(&mut self, key: &str) {
        self.deleted.insert(key.to_owned());
        self.n_operations += 1;
    }

    /// Notes a key that expires soon, or long after the end.
    pub(crate) fn note_expiry(&mut self, key: &str, is_soon: bool) {
        let keys = if is_soon { &mut self.expiring } else { &mut self.lasting };
        keys.insert(key.to_owned());
        self.n_operations += 1;
    }

    /// Keys that are to have expired at the end, and keys that are not.
    pub(crate) fn with_expiry(&self) -> Vec<String> {
        self.expiring.iter().chain(&self.lasting).cloned().collect()
    }

    /// Notes what is left of the life of such a key, at the very end: nothing where it is absent.
    pub(crate) fn note_life(&mut self, key: &str, left_ms: Option<i64>) {
        self.n_operations += 1;
        let is_right = match left_ms {
            None => self.expiring.contains(key),
            Some(left_ms) => self.lasting.contains(key) && left_ms > 0,
        };
        if !is_right && !self.is_lost(key) {
            self.violations.push(format!("{key} has {left_ms:?} ms to live"));
        }
    }

    /// What was on these arcs is lost with a volume, and nothing is claimed about it any more.
    pub(crate) fn note_lost(&mut self, arcs: &ArcSet) {
        self.lost = self.lost.union(arcs);
    }

    fn is_lost(&self, key: &str) -> bool {
        self.lost.contains(Point::of(key.as_bytes()))
    }

    /// Keys that were deleted for good.
    pub(crate) fn deleted(&self) -> Vec<String> {
        self.deleted.iter().cloned().collect()
    }

    /// Keys of registers.
    pub(crate) fn registers(&self) -> Vec<String> {
        self.registers.keys().cloned().collect()
    }

    /// Keys of counters.
    pub(crate) fn counters(&self) -> Vec<String> {
        self.counters.keys().cloned().collect()
    }

    /// Notes a read of a key that may be one of those.
    pub(crate) fn note_absent(&mut self, key: &str, is_absent: bool) {
        self.n_operations += 1;
        if !is_absent && self.deleted.contains(key) && !self.is_lost(key) {
            self.violations.push(format!("NoResurrection: {key} was deleted and is back"));
        }
    }

    /// Notes an increment by the one client that owns the counter, or a read: by 0.
    pub(crate) fn note_counter(&mut self, key: &str, by: i64, outcome: Outcome) {
        self.n_operations += 1;
        let is_lost = self.is_lost(key);
        let counter = self.counters.entry(key.to_owned()).or_default();
        match outcome {
            Outcome::Answered(value) => {
                let least = counter.answered + by;
                let is_possible = (least..=least + counter.uncertain).contains(&value);
                if !is_possible && !is_lost {
                    let text = format!("counter {key} is {value}, {counter:?} + {by} before");
                    self.violations.push(text);
                }
                // What is uncertain may be on its way still, and be applied later.
                let uncertain = (counter.uncertain - (value - least).max(0)).max(0);
                *counter = Counter { answered: value, uncertain };
            }
            Outcome::Refused => {}
            Outcome::Uncertain => counter.uncertain += by,
        }
    }

    /// Everything that cannot be.
    pub(crate) fn violations(&self) -> Vec<String> {
        let judged = self.registers.iter().filter(|(key, _)| !self.is_lost(key));
        let judged = judged.filter_map(|(key, operations)| {
            let violation = register::check(operations).err()?;
            Some(format!("NoLostAck: key {key}: {violation}"))
        });
        self.violations.iter().cloned().chain(judged).collect()
    }
}

/// What came of an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has this value now.
    Answered(i64),
    /// It was not applied.
    Refused,
    /// Nobody knows.
    Uncertain,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_may_be_higher_by_what_is_uncertain_only() {
        let mut history = History::default();
        history.note_counter("c", 1, Outcome::Answered(1));
        history.note_counter("c", 1, Outcome::Uncertain);
        history.note_counter("c", 1, Outcome::Refused);
        history.note_counter("c", 1, Outcome::Answered(3));
        assert_eq!(history.violations(), Vec::<String>::new());
        history.note_counter("c", 1, Outcome::Answered(3));
        assert_eq!(history.violations().len(), 1);
    }

    #[test]
    fn an_uncertain_increment_may_be_applied_late_and_once() {
        let mut history = History::default();
        history.note_counter("c", 1, Outcome::Uncertain);
        history.note_counter("c", 1, Outcome::Answered(1));
        history.note_counter("c", 1, Outcome::Answered(3));
        assert_eq!(history.violations(), Vec::<String>::new());
        history.note_counter("c", 1, Outcome::Answered(5));
        assert_eq!(history.violations().len(), 1);
    }

    #[test]
    fn what_was_deleted_stays_deleted() {
        let mut history = History::default();
        history.note_absent("d", false);
        history.note_deleted("d");
        history.note_absent("d", true);
        assert_eq!(history.violations(), Vec::<String>::new());
        history.note_absent("d", false);
        assert_eq!(history.violations().len(), 1);
    }
}
