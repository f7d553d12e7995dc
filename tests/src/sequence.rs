//! Pure. Judges the history of a key that one client writes, one write after the other, and all
//! clients read: values, values that expire, and deletions.
//!
//! The order of the writes is known, so it is enough to find for each read the earliest version
//! that it can have seen: one that fits its times and is not before what a read saw that was over
//! earlier. Taking the earliest leaves the most room for all others, so this decides. A writer
//! whose write has an unknown outcome leaves the key alone afterwards.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;

use crate::order;

/// A value. [`NIL`] is the absence of a key; every write of a value has another one.
pub type Value = u64;

/// What a read returns where there is no key.
pub const NIL: Value = 0;

/// How far an expiry may be off: servers count in milliseconds, and look at their clock before
/// they do what was asked.
const EXPIRY_TOLERANCE: u64 = 100_000_000;

/// What a client did and what came of it.
pub type Operation = order::Operation<Action>;

/// What an operation was, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The writer's next write, and how it ended.
    Write(Write, Outcome),
    /// A read and what it returned.
    Read(Value),
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// A value that stays.
    Set(Value),
    /// A value that expires after so many nanoseconds.
    SetExpiring(Value, u64),
    /// No value.
    Delete,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged. Of a deletion: whether there had been a key.
    Done(bool),
    /// Nobody knows whether it was applied.
    Uncertain,
    /// Refused with the promise that it was not applied.
    Refused,
}

/// Why a history cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A read that saw no version that was there between its call and its answer, or one older
    /// than what had been seen before.
    Stale {
        /// The read.
        read: Operation,
        /// The number of the oldest version that it could have seen.
        oldest: usize,
    },
    /// A deletion found a key where there was none, or the other way round.
    WrongDeletion(Operation),
    /// The writer went on after a write of unknown outcome: nothing can be judged.
    WriterWentOn(Operation),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { read, oldest } => {
                write!(f, "{read:?} saw nothing that it could; version {oldest} was there before")
            }
            Self::WrongDeletion(write) => write!(f, "{write:?} found the wrong thing"),
            Self::WriterWentOn(write) => write!(f, "{write:?} follows one of unknown outcome"),
        }
    }
}

/// A state of the key: by a write, or by an expiry.
#[derive(Clone, Copy, Debug)]
struct Version {
    value: Value,
    is_expiry: bool,
    /// It can be there from here on.
    from: u64,
    /// It, or a later one, is there from here on.
    surely_from: u64,
}

/// Judges the operations of one key; the writes in the order in which they were made.
///
/// # Errors
/// The first violation that was found.
pub fn check(operations: &[Operation]) -> Result<(), Violation> {
    let versions = versions(operations)?;
    let mut of_value: BTreeMap<Value, Vec<usize>> = BTreeMap::new();
    for (index, version) in versions.iter().enumerate() {
        of_value.entry(version.value).or_default().push(index);
    }
    let mut by_certainty: Vec<(u64, usize)> =
        versions.iter().enumerate().map(|(index, it)| (it.surely_from, index)).collect();
    by_certainty.sort_unstable();
    let mut certain = by_certainty.into_iter().peekable();

    let mut reads: Vec<(&Operation, Value)> = operations.iter().filter_map(read_of).collect();
    reads.sort_by_key(|(read, _)| read.called);
    // Reads that are not known to be over yet, by the time of their answer, with what they saw.
    let mut open = BinaryHeap::new();
    let mut oldest = 0;
    for (read, value) in reads {
        while let Some((_, index)) = certain.next_if(|(surely, _)| *surely < read.called) {
            oldest = oldest.max(index);
        }
        while let Some(Reverse((answered, index))) = open.peek().copied()
            && answered < read.called
        {
            oldest = oldest.max(index);
            open.pop();
        }
        let candidates = of_value.get(&value).map(Vec::as_slice).unwrap_or_default();
        let can_be = |index: &&usize| {
            **index >= oldest
                && versions.get(**index).is_some_and(|version| version.from <= read.answered)
        };
        let Some(seen) = candidates.iter().find(can_be) else {
            return Err(Violation::Stale { read: *read, oldest });
        };
        open.push(Reverse((read.answered, *seen)));
    }
    Ok(())
}

fn read_of(operation: &Operation) -> Option<(&Operation, Value)> {
    match operation.action {
        Action::Read(value) => Some((operation, value)),
        Action::Write(..) => None,
    }
}

fn versions(operations: &[Operation]) -> Result<Vec<Version>, Violation> {
    let mut versions = vec![Version { value: NIL, is_expiry: false, from: 0, surely_from: 0 }];
    let mut open_end = false;
    for operation in operations {
        let Action::Write(write, outcome) = operation.action else { continue };
        let answered = match outcome {
            Outcome::Refused => continue,
            _ if open_end => return Err(Violation::WriterWentOn(*operation)),
            Outcome::Done(_) => operation.answered,
            Outcome::Uncertain => u64::MAX,
        };
        if let (Write::Delete, Outcome::Done(found)) = (write, outcome) {
            require_possible(&versions, operation, found)?;
        }
        open_end = outcome == Outcome::Uncertain;
        let (value, lives) = match write {
            Write::Set(value) => (value, None),
            Write::SetExpiring(value, lives) => (value, Some(lives)),
            Write::Delete => (NIL, None),
        };
        let from = operation.called;
        versions.push(Version { value, is_expiry: false, from, surely_from: answered });
        if let Some(lives) = lives {
            let end = operation.called.saturating_add(lives);
            versions.push(Version {
                value: NIL,
                is_expiry: true,
                from: end.saturating_sub(EXPIRY_TOLERANCE),
                surely_from: answered.saturating_add(lives).saturating_add(EXPIRY_TOLERANCE),
            });
        }
    }
    Ok(versions)
}

/// What a deletion may have found, by what was there before it.
fn require_possible(
    versions: &[Version],
    deletion: &Operation,
    found: bool,
) -> Result<(), Violation> {
    let possible = match versions.last() {
        Some(expiry) if expiry.is_expiry && found => deletion.called <= expiry.surely_from,
        Some(expiry) if expiry.is_expiry => expiry.from <= deletion.answered,
        last => found == last.is_some_and(|last| last.value != NIL),
    };
    if possible { Ok(()) } else { Err(Violation::WrongDeletion(*deletion)) }
}

#[cfg(test)]
mod tests;
