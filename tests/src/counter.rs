//! Pure. Judges the history of one counter that clients only increment: did every acknowledged
//! increment count once, every other one at most once, and is there an order of all operations in
//! which each took place between its call and its answer?
//!
//! An acknowledged increment says which number it made, so its place in the order is known, and so
//! is that of a read. What lies between must have been made by increments of which nobody knows
//! the outcome; the one that was called first is taken first.

use std::collections::BTreeMap;
use std::fmt;

use crate::order::{Span, inversion};

/// What a client did and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it was.
    pub action: Action,
    /// When it was called, on a clock that all clients share.
    pub called: u64,
    /// When the answer was there.
    pub answered: u64,
}

/// What an operation was, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An increment that was acknowledged, with the number that it made.
    Incremented(u64),
    /// An increment of which nobody knows whether it was applied.
    Uncertain,
    /// An increment that was refused with the promise that it was not applied.
    Refused,
    /// A read and what it returned; 0 where there is no key.
    Read(u64),
}

/// Why a history cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two increments made the same number.
    MadeTwice(u64),
    /// A number that no increment can have made: there are too few that may have been applied.
    NobodyMade {
        /// The number.
        number: u64,
        /// When it had been seen, or a higher one.
        seen: u64,
    },
    /// An operation that shows less than there was when it was called, or more than when it was
    /// answered.
    OutOfOrder {
        /// The operation that was over first, and shows more.
        later: Operation,
        /// The other one.
        earlier: Operation,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MadeTwice(number) => write!(f, "two increments made {number}"),
            Self::NobodyMade { number, seen } => {
                write!(f, "{number} had been reached at {seen}, and nobody can have made it")
            }
            Self::OutOfOrder { later, earlier } => {
                write!(f, "{later:?} was over before {earlier:?} began, and shows more")
            }
        }
    }
}

/// Judges the operations of one counter, given in any order.
///
/// # Errors
/// The first violation that was found.
pub fn check(operations: &[Operation]) -> Result<(), Violation> {
    let mut ordered: Vec<(u64, bool, &Operation)> = Vec::with_capacity(operations.len());
    let mut uncertain = Vec::new();
    for operation in operations {
        match operation.action {
            Action::Incremented(number) => ordered.push((number, false, operation)),
            Action::Read(number) => ordered.push((number, true, operation)),
            Action::Uncertain => uncertain.push(operation.called),
            Action::Refused => {}
        }
    }
    ordered.sort_by_key(|(number, is_read, operation)| (*number, *is_read, operation.called));
    let spans = ordered.iter().map(|(_, _, Operation { called, answered, .. })| Span {
        called: *called,
        answered: *answered,
    });
    if let Some((later, earlier)) = inversion(spans) {
        let operation = |index: usize| ordered.get(index).map(|(_, _, operation)| **operation);
        if let (Some(later), Some(earlier)) = (operation(later), operation(earlier)) {
            return Err(Violation::OutOfOrder { later, earlier });
        }
    }
    uncertain.sort_unstable();
    fill_gaps(&ordered, &uncertain)
}

/// Every number up to the highest that was seen was made: by whom it was acknowledged to, or else
/// by the uncertain increments, the earliest call for the lowest number.
fn fill_gaps(ordered: &[(u64, bool, &Operation)], uncertain: &[u64]) -> Result<(), Violation> {
    // By number: when it, or a higher one, had been seen at the latest.
    let mut seen_by: BTreeMap<u64, u64> = BTreeMap::new();
    let mut earliest = u64::MAX;
    for (number, _, operation) in ordered.iter().rev() {
        earliest = earliest.min(operation.answered);
        seen_by.insert(*number, earliest);
    }
    let mut made = 0;
    let mut spare = uncertain.iter();
    for (number, is_read, _) in ordered {
        let seen = seen_by.get(number).copied().unwrap_or(u64::MAX);
        let missing_to = if *is_read { *number } else { number.saturating_sub(1) };
        if !*is_read && *number <= made {
            return Err(Violation::MadeTwice(*number));
        }
        while made < missing_to {
            made += 1;
            if spare.next().is_none_or(|called| *called > seen) {
                return Err(Violation::NobodyMade { number: made, seen });
            }
        }
        made = made.max(*number);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
