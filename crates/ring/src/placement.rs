//! Pure. Where the tokens of a member lie.
//!
//! Classic: token i is MD5("{name}-{i}"). Balanced: token i is one of [`CANDIDATES`] salted MD5
//! outputs, MD5("{name}-{i}~{salt}"), chosen when the member joins:
//! - pace: token by token the newcomer takes the candidate whose arc is nearest to an even split
//!   of what it still lacks over the tokens it has left, from a member that has too much;
//! - refinement: then each token is chosen again, with all others in place, by the sum of the
//!   squared shares, until nothing changes.
//!
//! Only the newcomer's arcs move, and the salts make the ring a function of its document.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::{Placement, Point};

/// How many salts a token of balanced placement chooses from.
pub const CANDIDATES: u8 = 8;
/// How often all tokens of a newcomer are chosen again at most.
const REFINEMENTS: usize = 8;
/// Up to which largest share over the mean a server gets the tokens back that it had.
const EVEN_ENOUGH: f64 = 1.03;

/// Token `index` of the member.
#[must_use]
pub fn token(placement: Placement, name: &str, index: u16, salt: u8) -> Point {
    match placement {
        Placement::Classic => Point::of(format!("{name}-{index}").as_bytes()),
        Placement::Balanced => Point::of(format!("{name}-{index}~{salt}").as_bytes()),
    }
}

/// The share of the ring that a token owns whose predecessor is `previous`.
fn share_between(previous: Point, token: Point) -> f64 {
    let width = token.0.wrapping_sub(previous.0);
    if width == 0 { 1.0 } else { width as f64 / (u128::MAX as f64 + 1.0) }
}

/// The tokens of the members so far, for choosing those of the next one.
#[derive(Clone, Default)]
pub(crate) struct Landscape {
    /// Token to member, which is a number by the order of joining.
    tokens: BTreeMap<Point, usize>,
    /// Share of the ring by member.
    shares: Vec<f64>,
}

impl Landscape {
    /// Adds a member whose tokens are known.
    pub(crate) fn add(&mut self, tokens: impl IntoIterator<Item = Point>) {
        let member = self.begin();
        for point in tokens {
            self.insert(point, member);
        }
    }

    /// Adds a member and chooses its salts.
    pub(crate) fn add_balanced(&mut self, name: &str, virtual_nodes: u16) -> Vec<u8> {
        let member = self.begin();
        let candidates: Vec<Vec<Point>> = (0..virtual_nodes)
            .map(|index| {
                (0..CANDIDATES).map(|salt| token(Placement::Balanced, name, index, salt)).collect()
            })
            .collect();
        let mut chosen = self.pace(member, &candidates);
        for _ in 0..REFINEMENTS {
            if !self.refine(member, &candidates, &mut chosen) {
                break;
            }
        }
        chosen.into_iter().map(|(salt, _)| salt).collect()
    }

    /// Whether the ring is about even after adding a member with these tokens.
    pub(crate) fn stays_even_with(&self, tokens: impl IntoIterator<Item = Point>) -> bool {
        let mut next = self.clone();
        next.add(tokens);
        let most = next.shares.iter().copied().fold(0.0, f64::max);
        most * next.shares.len() as f64 <= EVEN_ENOUGH
    }

    fn begin(&mut self) -> usize {
        self.shares.push(0.0);
        self.shares.len() - 1
    }

    /// Takes the best candidate of each token by the newcomer's pace.
    fn pace(&mut self, member: usize, candidates: &[Vec<Point>]) -> Vec<(u8, Point)> {
        let target = 1.0 / self.shares.len() as f64;
        let mut chosen = Vec::with_capacity(candidates.len());
        for (index, points) in candidates.iter().enumerate() {
            let pace = (target - self.shares[member]) / (candidates.len() - index) as f64;
            let best = best_of(points, |point| self.distance(point, member, target, pace));
            self.insert(best.1, member);
            chosen.push(best);
        }
        chosen
    }

    /// Chooses each token again; says whether that changed anything.
    fn refine(
        &mut self,
        member: usize,
        candidates: &[Vec<Point>],
        chosen: &mut [(u8, Point)],
    ) -> bool {
        let mut changed = false;
        for (points, chosen) in candidates.iter().zip(chosen) {
            self.remove(chosen.1, member);
            let best = best_of(points, |point| self.unevenness(point, member));
            if self.unevenness(best.1, member) < self.unevenness(chosen.1, member) {
                *chosen = best;
                changed = true;
            }
            self.insert(chosen.1, member);
        }
        changed
    }

    /// How far a token would be from the pace. One that takes from a member below the target, or
    /// nothing at all, comes after all others.
    fn distance(&self, point: Point, member: usize, target: f64, pace: f64) -> f64 {
        match self.would_take(point) {
            None => 0.0,
            Some((_, 0.0)) => 4.0,
            Some((donor, _)) if donor == member => 3.0,
            Some((donor, width)) if self.shares[donor] <= target => 2.0 + (width - pace).abs(),
            Some((_, width)) => (width - pace).abs(),
        }
    }

    /// By how much one more token would raise the sum of the squared shares (half of it).
    fn unevenness(&self, point: Point, member: usize) -> f64 {
        match self.would_take(point) {
            Some((donor, width)) if donor != member => {
                width * (width + self.shares[member] - self.shares[donor])
            }
            _ => 0.0,
        }
    }

    /// From whom a new token would take which share; `None` in an empty ring.
    fn would_take(&self, point: Point) -> Option<(usize, f64)> {
        if let Some(holder) = self.tokens.get(&point) {
            return Some((*holder, 0.0));
        }
        let after = (Bound::Excluded(point), Bound::Unbounded);
        let next = self.tokens.range(after).next().or_else(|| self.tokens.iter().next())?;
        let before =
            self.tokens.range(..point).next_back().or_else(|| self.tokens.iter().next_back())?;
        Some((*next.1, share_between(*before.0, point)))
    }

    fn insert(&mut self, point: Point, member: usize) {
        match self.would_take(point) {
            None => self.shares[member] += 1.0,
            // Of two members with the same token the earlier one keeps it.
            Some((_, 0.0)) => return,
            Some((donor, width)) => {
                self.shares[donor] -= width;
                self.shares[member] += width;
            }
        }
        self.tokens.insert(point, member);
    }

    fn remove(&mut self, point: Point, member: usize) {
        if self.tokens.get(&point) != Some(&member) {
            return;
        }
        self.tokens.remove(&point);
        match self.would_take(point) {
            None => self.shares[member] -= 1.0,
            Some((heir, width)) => {
                self.shares[heir] += width;
                self.shares[member] -= width;
            }
        }
    }
}

/// The candidate of the least cost, the first one of several, and its salt.
fn best_of(points: &[Point], cost: impl Fn(Point) -> f64) -> (u8, Point) {
    let mut best = (f64::INFINITY, (0, Point::MIN));
    for (salt, point) in (0..CANDIDATES).zip(points.iter().copied()) {
        let cost = cost(point);
        if cost < best.0 {
            best = (cost, (salt, point));
        }
    }
    best.1
}

#[cfg(test)]
mod tests;
