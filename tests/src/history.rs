//! Pure. Histories of single keys as lines of JSON, for another judge: tests/porcupine. And made-up
//! ones, on which both judges have to agree.

use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::register::{self, Action, NIL, Operation, Value};

/// One line: what happened to one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Where it comes from.
    pub name: String,
    /// What [`register::check`] says of it, where the other judge is to be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_linearizable: Option<bool>,
    /// In any order.
    pub operations: Vec<Operation>,
}

/// A value that nobody writes.
const NEVER_WRITTEN: Value = 1 << 40;
/// Before the first call; above the time of [`NIL`].
const BEGIN: u64 = 100;
/// Most histories are small, so that ties and overlaps are many; one in so many is not.
const ONE_LONG_IN: u32 = 50;
const MUTATIONS_MAX: u32 = 8;
/// A write that may take effect at any time doubles the work of a judge that searches.
const UNCERTAIN_MAX: u32 = 6;

/// A history that a register could have, or that is a little beside one that it could have.
#[must_use]
pub fn invent(random: &mut Random) -> Vec<Operation> {
    let n_operations =
        if random.below(ONE_LONG_IN) == 0 { 50 + random.below(150) } else { 1 + random.below(12) };
    let mut operations = happen(random, n_operations);
    for _ in 0..random.below(MUTATIONS_MAX + 1) {
        mutate(random, &mut operations);
    }
    operations
}

/// As [`invent`], as a line that says what our judge makes of it.
#[must_use]
pub fn invent_line(seed: u64, number: u64) -> History {
    let operations = invent(&mut Random::new(seed ^ (number << 20)));
    History {
        name: format!("seed {seed}, history {number}"),
        is_linearizable: Some(register::check(&operations).is_ok()),
        operations,
    }
}

/// What a register does: each operation takes effect at a moment between its call and its answer.
fn happen(random: &mut Random, n_operations: u32) -> Vec<Operation> {
    let mut register = NIL;
    let mut moment = BEGIN;
    let mut operations = Vec::new();
    let mut n_uncertain = 0;
    for value in 1..=u64::from(n_operations) {
        moment += u64::from(random.below(4));
        let (called, answered) =
            (moment - u64::from(random.below(8)), moment + u64::from(random.below(8)));
        let operation = match random.below(100) {
            0..40 => {
                register = value;
                Operation { action: Action::Write(value), called, answered }
            }
            40..55 if n_uncertain < UNCERTAIN_MAX => {
                n_uncertain += 1;
                let is_applied = random.below(2) == 0;
                register = if is_applied { value } else { register };
                Operation { action: Action::Uncertain(value), called, answered: u64::MAX }
            }
            55..60 => Operation { action: Action::Refused(value), called, answered },
            _ => Operation { action: Action::Read(register), called, answered },
        };
        operations.push(operation);
    }
    operations
}

/// One small change; every value is still written once at most.
fn mutate(random: &mut Random, operations: &mut Vec<Operation>) {
    let written: Vec<Value> = operations
        .iter()
        .filter_map(|operation| match operation.action {
            Action::Write(value) | Action::Uncertain(value) | Action::Refused(value) => Some(value),
            Action::Read(_) => None,
        })
        .chain([NIL, NIL, NEVER_WRITTEN])
        .collect();
    let pick = |random: &mut Random, count: usize| {
        usize::try_from(random.below(u32::try_from(count).unwrap_or(u32::MAX))).unwrap_or(0)
    };
    let at = pick(random, operations.len());
    let other = written.get(pick(random, written.len())).copied().unwrap_or(NIL);
    let Some(operation) = operations.get_mut(at) else { return };
    match random.below(6) {
        0 | 1 => {
            if let Action::Read(value) = &mut operation.action {
                *value = other;
            }
        }
        2 => {
            let by = u64::from(random.below(20));
            let is_later = random.below(2) == 0;
            let moved = |time: u64| {
                if is_later { time.saturating_add(by) } else { time - by.min(time - 1) }
            };
            operation.called = moved(operation.called);
            if operation.answered != u64::MAX {
                operation.answered = moved(operation.answered);
            }
        }
        3 if operation.answered != u64::MAX => operation.called = operation.answered,
        4 => {
            operation.action = match operation.action {
                Action::Write(value) => Action::Refused(value),
                Action::Uncertain(value) | Action::Refused(value) => Action::Write(value),
                Action::Read(value) => Action::Read(value),
            };
            if operation.answered == u64::MAX {
                operation.answered = operation.called + u64::from(random.below(20));
            }
        }
        _ => {
            operations.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back() {
        let line = invent_line(1, 2);
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), line);
        let read = Operation { action: Action::Read(7), called: 1, answered: 2 };
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(text, r#"{"action":"read","value":7,"called":1,"answered":2}"#);
    }

    #[test]
    fn histories_of_both_kinds_are_invented_and_without_mutation_all_are_fine() {
        let n_fine =
            (0..1_000).filter(|number| invent_line(3, *number).is_linearizable == Some(true));
        assert!((300..700).contains(&n_fine.count()));
        let mut random = Random::new(4);
        for _ in 0..1_000 {
            assert_eq!(register::check(&happen(&mut random, 12)), Ok(()));
        }
    }
}
