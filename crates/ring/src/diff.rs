//! Pure. The difference of two ownerships: what has to move, from whom to whom.

use std::collections::BTreeMap;

use crate::{Arc, ArcMap, ArcSet};

/// Arcs that go from one server to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Who owns them now.
    pub source: String,
    /// Who shall own them.
    pub target: String,
    /// What moves; never empty.
    pub arcs: ArcSet,
}

/// One move for each pair of servers, in the order of their names. Points that only one of the
/// two ownerships knows are no move.
#[must_use]
pub fn diff(from: &ArcMap<String>, to: &ArcMap<String>) -> Vec<Move> {
    let mut moves: BTreeMap<(&str, &str), Vec<Arc>> = BTreeMap::new();
    let mut targets = to.iter().peekable();
    for (arc, source) in from.iter() {
        while let Some((other, target)) = targets.peek().copied() {
            if let Some(both) = arc.intersection(&other)
                && source != target
            {
                moves.entry((source, target)).or_default().push(both);
            }
            if other.last() > arc.last() {
                break;
            }
            targets.next();
        }
    }
    moves
        .into_iter()
        .map(|((source, target), arcs)| Move {
            source: source.to_owned(),
            target: target.to_owned(),
            arcs: arcs.into_iter().collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
