//! Pure. Judges the history of one counter that clients only increment: did every acknowledged
//! increment count once, every other one at most once, and is there an order of all operations in
//! which each took place between its call and its answer?
//!
//! An acknowledged increment says which number it made, so its place in the order is known, and so
//! is that of a read. What lies between must have been made by increments of which nobody knows
//! the outcome; the one that was called first is taken first.

use std::fmt;

use crate::order::{self, Gap, Span, Step, inversion, require_steps};

/// What a client did and what came of it.
pub type Operation = order::Operation<Action>;

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
    let step = |(place, is_read, operation): &(u64, bool, &Operation)| Step {
        place: *place,
        makes: !is_read,
        answered: operation.answered,
    };
    let steps: Vec<Step> = ordered.iter().map(step).collect();
    require_steps(&steps, &uncertain).map_err(|gap| match gap {
        Gap::MadeTwice(number) => Violation::MadeTwice(number),
        Gap::NobodyMade { place, seen } => Violation::NobodyMade { number: place, seen },
    })
}

#[cfg(test)]
mod tests;
