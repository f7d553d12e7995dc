//! Pure. Operations, the orders that explain them, and whether the times of their calls and answers
//! allow an order that is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a client did and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation<A> {
    /// What it was.
    #[serde(flatten)]
    pub action: A,
    /// When it was called, in nanoseconds on a clock that all clients share; above 0.
    pub called: u64,
    /// When the answer was there; [`u64::MAX`] where none came.
    pub answered: u64,
}

/// When an operation was called and when its answer was there ([`u64::MAX`] where none came).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The call.
    pub called: u64,
    /// The answer.
    pub answered: u64,
}

/// The first operation, by its index, that had been answered before one called that comes earlier
/// in the order; with the index of that one.
#[must_use]
pub fn inversion(spans: impl IntoIterator<Item = Span>) -> Option<(usize, usize)> {
    let (mut latest, mut latest_index) = (0, 0);
    for (index, span) in spans.into_iter().enumerate() {
        if span.answered < latest {
            return Some((index, latest_index));
        }
        if span.called > latest {
            (latest, latest_index) = (span.called, index);
        }
    }
    None
}

/// An operation that shows how far something had grown, step by step, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How far.
    pub place: u64,
    /// Whether the operation itself has made this step; else it has only seen it.
    pub makes: bool,
    /// When the answer was there.
    pub answered: u64,
}

/// Steps that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Two operations made this step.
    MadeTwice(u64),
    /// No operation can have made this step, which had been seen at a time, or a later one had.
    NobodyMade {
        /// The step.
        place: u64,
        /// The time.
        seen: u64,
    },
}

/// Requires that every step was made once: by the operation of which it is known, or else by one of
/// those whose outcome nobody knows, the earliest call for the lowest step. Takes the operations in
/// the order of their places, and at each place those first that make it; and the calls in order.
///
/// # Errors
/// A step that cannot be.
pub fn require_steps(ordered: &[Step], uncertain_calls: &[u64]) -> Result<(), Gap> {
    // By place: when it, or a later one, had been seen at the latest.
    let mut seen_by: BTreeMap<u64, u64> = BTreeMap::new();
    let mut earliest = u64::MAX;
    for step in ordered.iter().rev() {
        earliest = earliest.min(step.answered);
        seen_by.insert(step.place, earliest);
    }
    let mut made = 0;
    let mut spare = uncertain_calls.iter();
    for step in ordered {
        let seen = seen_by.get(&step.place).copied().unwrap_or(u64::MAX);
        if step.makes && step.place <= made {
            return Err(Gap::MadeTwice(step.place));
        }
        let missing_to = if step.makes { step.place - 1 } else { step.place };
        while made < missing_to {
            made += 1;
            if spare.next().is_none_or(|called| *called > seen) {
                return Err(Gap::NobodyMade { place: made, seen });
            }
        }
        made = made.max(step.place);
    }
    Ok(())
}

/// Whether some order of the operations explains them all: tries every one. `apply` gives what an
/// operation makes of the state before it, where it fits that.
#[cfg(test)]
pub(crate) fn has_an_order<A: Clone, S>(
    operations: &[Operation<A>],
    state: &S,
    may_be_missing: impl Fn(&A) -> bool + Copy,
    apply: impl Fn(&A, &S) -> Option<S> + Copy,
) -> bool {
    if operations.iter().all(|operation| may_be_missing(&operation.action)) {
        return true;
    }
    (0..operations.len()).any(|index| {
        let mut rest = operations.to_vec();
        let next = rest.remove(index);
        let is_first =
            rest.iter().all(|other| may_be_missing(&other.action) || other.answered >= next.called);
        let after = apply(&next.action, state).filter(|_| is_first);
        after.is_some_and(|after| has_an_order(&rest, &after, may_be_missing, apply))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spans: &[(u64, u64)]) -> Option<(usize, usize)> {
        inversion(spans.iter().map(|&(called, answered)| Span { called, answered }))
    }

    #[test]
    fn only_what_was_answered_before_the_call_of_another_must_come_before_it() {
        assert_eq!(check(&[(1, 2), (3, 4), (5, 6)]), None);
        assert_eq!(check(&[(1, 9), (2, 3), (4, 5)]), None);
        assert_eq!(check(&[(4, 5), (1, 4)]), None);
        assert_eq!(check(&[(4, 5), (1, 3)]), Some((1, 0)));
        assert_eq!(check(&[(4, 5), (6, u64::MAX), (1, 5)]), Some((2, 1)));
    }
}
