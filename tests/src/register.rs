//! Pure. Judges the history of one register (the value of one key): is there an order of all
//! operations, in which each took place between its call and its answer and every read returns
//! the value of the latest write?
//!
//! Every write has a value of its own, so it is known which write a read saw, and the question is
//! decided in n log n (Gibbons and Korach, "Testing Shared Memories", 1997): a write and the reads
//! that saw it must be adjacent in the order. So of two such groups X and Y it is impossible that
//! an operation of X ends before one of Y begins and also one of Y ends before one of X begins.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::order;

/// A value. [`NIL`] is the absence of a key; every write has another one.
pub type Value = u64;

/// The value before the first write.
pub const NIL: Value = 0;

/// What a client did and what came of it; it was called after 0, the time of [`NIL`].
pub type Operation = order::Operation<Action>;

/// What an operation was, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "value", rename_all = "snake_case")]
pub enum Action {
    /// A write that was acknowledged.
    Write(Value),
    /// A write of which nobody knows whether it was applied, such as when the connection broke.
    Uncertain(Value),
    /// A write that was refused with the promise that it was not applied.
    Refused(Value),
    /// A read and what it returned.
    Read(Value),
}

/// Why a history cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A read returned a value that nobody wrote.
    NeverWritten(Operation),
    /// A read returned the value of a write that had been refused.
    Refused(Operation),
    /// A read returned a value before its write began.
    FromTheFuture(Operation),
    /// The reads and writes of two values contradict each other: the latest read of the first
    /// value began after the second value was there, and the other way round.
    Contradiction {
        /// The value that came back, or that is older.
        first: Value,
        /// The latest call of an operation with the first value.
        first_seen: u64,
        /// The other value.
        second: Value,
        /// When the first operation with the other value had been answered.
        second_there: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverWritten(read) => write!(f, "a read of what nobody wrote: {read:?}"),
            Self::Refused(read) => write!(f, "a read of a refused write: {read:?}"),
            Self::FromTheFuture(read) => write!(f, "a read before its write: {read:?}"),
            Self::Contradiction { first, first_seen, second, second_there } => write!(
                f,
                "value {first:x} was seen by an operation called at {first_seen}, \
                 although value {second:x} had been there at {second_there}"
            ),
        }
    }
}

/// One write and the reads that saw it.
#[derive(Clone, Copy)]
struct Group {
    value: Value,
    /// When the first of its operations had been answered.
    there: u64,
    /// When the last of its operations was called.
    seen: u64,
}

/// Judges the operations of one key, given in any order.
///
/// # Errors
/// The first contradiction that was found.
pub fn check(operations: &[Operation]) -> Result<(), Violation> {
    let groups = group(operations)?;
    let (mut forward, backward): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| group.there < group.seen);
    forward.sort_by_key(|group| group.there);
    for pair in forward.windows(2) {
        if let [first, second] = pair
            && second.there < first.seen
        {
            return Err(contradiction(first, second));
        }
    }
    for group in &backward {
        // The forward groups are disjoint by now: only the last that began before can contain it.
        let before = forward.partition_point(|other| other.there < group.seen);
        if let Some(around) = before.checked_sub(1).and_then(|index| forward.get(index))
            && group.there < around.seen
        {
            return Err(contradiction(around, group));
        }
    }
    Ok(())
}

fn contradiction(first: &Group, second: &Group) -> Violation {
    Violation::Contradiction {
        first: first.value,
        first_seen: first.seen,
        second: second.value,
        second_there: second.there,
    }
}

fn group(operations: &[Operation]) -> Result<Vec<Group>, Violation> {
    let mut groups = BTreeMap::from([(NIL, (Group { value: NIL, there: 0, seen: 0 }, 0))]);
    let mut refused = Vec::new();
    for operation in operations {
        let (value, there) = match operation.action {
            Action::Write(value) => (value, operation.answered),
            Action::Uncertain(value) => (value, u64::MAX),
            Action::Refused(value) => {
                refused.push(value);
                continue;
            }
            Action::Read(_) => continue,
        };
        let seen = operation.called;
        groups.insert(value, (Group { value, there, seen }, seen));
    }
    for operation in operations {
        let Action::Read(value) = operation.action else { continue };
        if refused.contains(&value) {
            return Err(Violation::Refused(*operation));
        }
        let Some((group, written)) = groups.get_mut(&value) else {
            return Err(Violation::NeverWritten(*operation));
        };
        if operation.answered < *written {
            return Err(Violation::FromTheFuture(*operation));
        }
        group.there = group.there.min(operation.answered);
        group.seen = group.seen.max(operation.called);
    }
    Ok(groups.into_values().map(|(group, _)| group).collect())
}

#[cfg(test)]
mod tests;
