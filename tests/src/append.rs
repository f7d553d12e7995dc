//! Pure. Judges the history of one list to which clients append tokens, each of them once: is no
//! token lost, doubled or at another place than it was, and is there an order of all operations in
//! which each took place between its call and its answer?
//!
//! An append that was acknowledged says how long the list was then, so its place is known, and so
//! is that of a read; hence the order is known, and n log n steps decide (as Elle does it for
//! transactions, "Elle: Inferring Isolation Anomalies from Experimental Observations", 2020).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::order::{self, Gap, Span, Step, inversion, require_steps};

/// What is appended. No two appends have the same one.
pub type Token = u32;

/// What a client did and what came of it.
pub type Operation = order::Operation<Action>;

/// What an operation was, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// An append that was acknowledged, with the number of tokens after it.
    Appended(Token, u64),
    /// An append of which nobody knows whether it was applied.
    Uncertain(Token),
    /// An append that was refused with the promise that it was not applied.
    Refused(Token),
    /// A read and what it returned.
    Read(Vec<Token>),
}

/// Why a history cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A read that is no beginning of a longer one.
    NoPrefix {
        /// How many tokens it has.
        length: usize,
        /// Where the first other token is.
        differs_at: usize,
    },
    /// A token that nobody has appended.
    NeverAppended(Token),
    /// A token of an append that had been refused.
    Refused(Token),
    /// A token that is there twice.
    Doubled(Token),
    /// A token that is not where its acknowledgement had put it.
    Misplaced {
        /// The token.
        token: Token,
        /// Its place as acknowledged, from 1.
        place: u64,
        /// What is there.
        found: Option<Token>,
    },
    /// A place that no append can have filled, although more was there at a time.
    NobodyAppended {
        /// The place, from 1.
        place: u64,
        /// The time.
        seen: u64,
    },
    /// An operation that shows less than was there when it was called, or more than when it was
    /// answered.
    OutOfOrder {
        /// The operation that was over first, and comes later by what it shows.
        later: Operation,
        /// The other one.
        earlier: Operation,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrefix { length, differs_at } => {
                write!(f, "a read of {length} tokens differs from a longer one at {differs_at}")
            }
            Self::NeverAppended(token) => write!(f, "nobody has appended {token:08x}"),
            Self::Refused(token) => write!(f, "the append of {token:08x} had been refused"),
            Self::Doubled(token) => write!(f, "{token:08x} is there twice"),
            Self::Misplaced { token, place, found } => {
                write!(
                    f,
                    "{token:08x} had been acknowledged as number {place}; there is {found:08x?}"
                )
            }
            Self::NobodyAppended { place, seen } => {
                write!(
                    f,
                    "more than {place} tokens were there at {seen}, and nobody can have \
                           appended number {place}"
                )
            }
            Self::OutOfOrder { later, earlier } => {
                write!(f, "{later:?} was over before {earlier:?} began, and shows more")
            }
        }
    }
}

/// Judges the operations of one list, given in any order.
///
/// # Errors
/// The first violation that was found.
pub fn check(operations: &[Operation]) -> Result<(), Violation> {
    let list = longest_read(operations)?;
    let places = places(operations, list)?;
    let mut ordered: Vec<(u64, bool, &Operation)> = Vec::with_capacity(operations.len());
    let mut uncertain = Vec::new();
    for operation in operations {
        match &operation.action {
            Action::Read(tokens) => ordered.push((tokens.len() as u64, true, operation)),
            Action::Appended(_, length) => ordered.push((*length, false, operation)),
            Action::Uncertain(token) => match places.get(token) {
                Some(place) => ordered.push((*place, false, operation)),
                None => uncertain.push(operation.called),
            },
            Action::Refused(_) => {}
        }
    }
    ordered.sort_by_key(|(place, is_read, operation)| (*place, *is_read, operation.called));
    require_order(&ordered)?;
    uncertain.sort_unstable();
    let step = |(place, is_read, operation): &(u64, bool, &Operation)| Step {
        place: *place,
        makes: !is_read,
        answered: span(operation).answered,
    };
    let steps: Vec<Step> = ordered.iter().map(step).collect();
    require_steps(&steps, &uncertain).map_err(|gap| match gap {
        Gap::MadeTwice(place) => Violation::NobodyAppended { place, seen: 0 },
        Gap::NobodyMade { place, seen } => Violation::NobodyAppended { place, seen },
    })
}

fn require_order(ordered: &[(u64, bool, &Operation)]) -> Result<(), Violation> {
    let spans = ordered.iter().map(|(_, _, operation)| span(operation));
    let Some((later, earlier)) = inversion(spans) else { return Ok(()) };
    let operation = |index: usize| ordered.get(index).map(|(_, _, operation)| (*operation).clone());
    match (operation(later), operation(earlier)) {
        (Some(later), Some(earlier)) => Err(Violation::OutOfOrder { later, earlier }),
        _ => Ok(()),
    }
}

fn span(operation: &Operation) -> Span {
    let Operation { called, answered, .. } = *operation;
    let open = matches!(operation.action, Action::Uncertain(_));
    Span { called, answered: if open { u64::MAX } else { answered } }
}

/// The longest read, of which every other one must be a beginning.
fn longest_read(operations: &[Operation]) -> Result<&[Token], Violation> {
    let reads = operations.iter().filter_map(|operation| match &operation.action {
        Action::Read(tokens) => Some(tokens.as_slice()),
        _ => None,
    });
    let list = reads.clone().max_by_key(|tokens| tokens.len()).unwrap_or_default();
    for read in reads {
        let differs_at = read.iter().zip(list).position(|(one, other)| one != other);
        if let Some(differs_at) = differs_at {
            return Err(Violation::NoPrefix { length: read.len(), differs_at });
        }
    }
    Ok(list)
}

/// Where each token of the list stands, from 1. Fails where it should not stand there.
fn places(operations: &[Operation], list: &[Token]) -> Result<BTreeMap<Token, u64>, Violation> {
    let mut places = BTreeMap::new();
    for (token, place) in list.iter().zip(1..) {
        if places.insert(*token, place).is_some() {
            return Err(Violation::Doubled(*token));
        }
    }
    let (mut known, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let mut beyond: BTreeMap<u64, Token> = BTreeMap::new();
    for operation in operations {
        match operation.action {
            Action::Appended(token, place) => {
                known.insert(token);
                let index = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
                let found = index.and_then(|index| list.get(index)).copied();
                let is_beyond = index.is_some_and(|index| index >= list.len());
                let other = if is_beyond { beyond.insert(place, token) } else { None };
                let is_there = found == Some(token) || (is_beyond && other.is_none());
                if !is_there || (is_beyond && places.contains_key(&token)) {
                    return Err(Violation::Misplaced { token, place, found: found.or(other) });
                }
            }
            Action::Uncertain(token) => {
                known.insert(token);
            }
            Action::Refused(token) => {
                refused.insert(token);
            }
            Action::Read(_) => {}
        }
    }
    for token in list {
        if refused.contains(token) {
            return Err(Violation::Refused(*token));
        }
        if !known.contains(token) {
            return Err(Violation::NeverAppended(*token));
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests;
