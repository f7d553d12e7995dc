//! Pure. Arcs of the ring, sets of arcs, and maps from arcs to values.
//!
//! An [`Arc`] is inclusive at both ends and never wraps: what wraps around zero is two arcs.
//! So the whole ring is one arc, no arc is empty, and set algebra needs no special case.

use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::Point;

/// The points `start ..= last`. `start <= last` always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "ArcText")]
pub struct Arc {
    start: Point,
    last: Point,
}

#[derive(Deserialize)]
struct ArcText {
    start: Point,
    last: Point,
}

/// An arc whose start lies after its last point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an arc starts at or before its last point")]
pub struct InvalidArc;

impl TryFrom<ArcText> for Arc {
    type Error = InvalidArc;

    fn try_from(text: ArcText) -> Result<Self, InvalidArc> {
        Self::new(text.start, text.last).ok_or(InvalidArc)
    }
}

impl Arc {
    /// The whole ring.
    pub const FULL: Self = Self { start: Point::MIN, last: Point::MAX };

    /// `start ..= last`, or `None` where `start > last`.
    #[must_use]
    pub fn new(start: Point, last: Point) -> Option<Self> {
        (start <= last).then_some(Self { start, last })
    }

    /// The first point.
    #[must_use]
    pub const fn start(&self) -> Point {
        self.start
    }

    /// The last point, which belongs to the arc.
    #[must_use]
    pub const fn last(&self) -> Point {
        self.last
    }

    /// Whether the point lies in the arc.
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        self.start <= point && point <= self.last
    }

    /// The points in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.last.min(other.last))
    }

    /// The share of the ring that the arc covers, in `0.0 ..= 1.0`.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn share(&self) -> f64 {
        ((self.last.0 - self.start.0) as f64 + 1.0) / (u128::MAX as f64 + 1.0)
    }
}

/// Values over disjoint arcs, in point order; neighbours of equal value are one arc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ArcEntry<V>>", into = "Vec<ArcEntry<V>>")]
#[serde(bound(
    serialize = "V: Serialize + Clone + PartialEq",
    deserialize = "V: serde::de::DeserializeOwned + Clone + PartialEq"
))]
pub struct ArcMap<V: Clone + PartialEq>(Vec<(Arc, V)>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ArcEntry<V> {
    start: Point,
    last: Point,
    value: V,
}

/// Entries that overlap or hold an invalid arc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the arcs of a map are valid, in point order and disjoint")]
pub struct InvalidArcMap;

impl<V: Clone + PartialEq> TryFrom<Vec<ArcEntry<V>>> for ArcMap<V> {
    type Error = InvalidArcMap;

    fn try_from(entries: Vec<ArcEntry<V>>) -> Result<Self, InvalidArcMap> {
        let mut map = Self::default();
        let mut previous: Option<Point> = None;
        for entry in entries {
            let arc = Arc::new(entry.start, entry.last).ok_or(InvalidArcMap)?;
            if previous.is_some_and(|last| last >= arc.start) {
                return Err(InvalidArcMap);
            }
            previous = Some(arc.last);
            map.push(arc, entry.value);
        }
        Ok(map)
    }
}

impl<V: Clone + PartialEq> From<ArcMap<V>> for Vec<ArcEntry<V>> {
    fn from(map: ArcMap<V>) -> Self {
        map.0
            .into_iter()
            .map(|(arc, value)| ArcEntry { start: arc.start, last: arc.last, value })
            .collect()
    }
}

impl<V: Clone + PartialEq> Default for ArcMap<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V: Clone + PartialEq> FromIterator<(Arc, V)> for ArcMap<V> {
    /// Arcs in any order; of overlapping ones the later entry has the points.
    fn from_iter<I: IntoIterator<Item = (Arc, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (arc, value) in entries {
            if map.0.last().is_none_or(|(last, _)| last.last < arc.start) {
                map.push(arc, value);
            } else {
                map.insert(arc, value);
            }
        }
        map
    }
}

impl<V: Clone + PartialEq> ArcMap<V> {
    /// Arcs in any order; of overlapping ones the greatest value has the points.
    #[must_use]
    pub fn of_greatest(mut entries: Vec<(Arc, V)>) -> Self
    where
        V: Ord,
    {
        entries.sort_unstable_by_key(|(arc, _)| arc.start);
        let mut entries = entries.into_iter().peekable();
        let mut open: BinaryHeap<(V, Point)> = BinaryHeap::new();
        let mut map = Self::default();
        let mut at = entries.peek().map(|(arc, _)| arc.start);
        while let Some(start) = at {
            while let Some((arc, value)) = entries.next_if(|(arc, _)| arc.start <= start) {
                open.push((value, arc.last));
            }
            let next_start = entries.peek().map(|(arc, _)| arc.start);
            let Some((value, last)) = open.peek() else {
                at = next_start;
                continue;
            };
            if *last < start {
                open.pop();
                continue;
            }
            let last = next_start.and_then(Point::previous).map_or(*last, |end| end.min(*last));
            map.push(Arc { start, last }, value.clone());
            at = last.next();
        }
        map
    }

    /// The value of the arc that holds the point.
    #[must_use]
    pub fn get(&self, point: Point) -> Option<&V> {
        self.entry(point).map(|(_, value)| value)
    }

    /// The arc that holds the point, and its value.
    #[must_use]
    pub fn entry(&self, point: Point) -> Option<(Arc, &V)> {
        let after = self.0.partition_point(|(arc, _)| arc.start <= point);
        let (arc, value) = self.0.get(after.checked_sub(1)?)?;
        arc.contains(point).then_some((*arc, value))
    }

    /// The arcs and values in point order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Arc, &V)> + DoubleEndedIterator {
        self.0.iter().map(|(arc, value)| (*arc, value))
    }

    /// How many arcs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no point has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives every point of the arc this value, whatever it had before.
    pub fn insert(&mut self, arc: Arc, value: V) {
        let mut next = Self(Vec::with_capacity(self.0.len() + 2));
        let mut value = Some(value);
        for (old, old_value) in self.0.drain(..) {
            if old.last < arc.start {
                next.push(old, old_value);
                continue;
            }
            if let Some(before) = arc.start.previous().and_then(|last| Arc::new(old.start, last)) {
                next.push(before, old_value.clone());
            }
            if old.last >= arc.last
                && let Some(value) = value.take()
            {
                next.push(arc, value);
            }
            if let Some(after) =
                arc.last.next().and_then(|start| Arc::new(start.max(old.start), old.last))
            {
                if let Some(value) = value.take() {
                    next.push(arc, value);
                }
                next.push(after, old_value);
            }
        }
        if let Some(value) = value {
            next.push(arc, value);
        }
        *self = next;
    }

    /// Takes the value from every point of the set.
    pub fn remove(&mut self, arcs: &ArcSet) {
        let kept = self.arcs().subtract(arcs);
        *self = self.restrict(&kept);
    }

    /// The part of the map that lies in the set.
    #[must_use]
    pub fn restrict(&self, arcs: &ArcSet) -> Self {
        let mut result = Self::default();
        let mut others = arcs.iter().peekable();
        for (arc, value) in self.iter() {
            while let Some(other) = others.peek().copied() {
                if let Some(both) = arc.intersection(&other) {
                    result.push(both, value.clone());
                }
                if other.last > arc.last {
                    break;
                }
                others.next();
            }
        }
        result
    }

    /// The points that have a value.
    #[must_use]
    pub fn arcs(&self) -> ArcSet {
        self.iter().map(|(arc, _)| arc).collect()
    }

    /// The points whose value fits.
    pub fn arcs_where(&self, mut fits: impl FnMut(&V) -> bool) -> ArcSet {
        self.iter().filter(|(_, value)| fits(value)).map(|(arc, _)| arc).collect()
    }

    /// Appends an arc that lies after all others.
    fn push(&mut self, arc: Arc, value: V) {
        if let Some((last, last_value)) = self.0.last_mut()
            && last.last.next() == Some(arc.start)
            && *last_value == value
        {
            last.last = arc.last;
            return;
        }
        self.0.push((arc, value));
    }
}

/// A set of points as disjoint arcs in point order; neighbours are one arc.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Arc>", into = "Vec<Arc>")]
pub struct ArcSet(Vec<Arc>);

impl From<Vec<Arc>> for ArcSet {
    fn from(arcs: Vec<Arc>) -> Self {
        arcs.into_iter().collect()
    }
}

impl From<ArcSet> for Vec<Arc> {
    fn from(set: ArcSet) -> Self {
        set.0
    }
}

impl From<Arc> for ArcSet {
    fn from(arc: Arc) -> Self {
        Self(vec![arc])
    }
}

impl FromIterator<Arc> for ArcSet {
    /// Arcs in any order; overlaps and neighbours are merged.
    fn from_iter<I: IntoIterator<Item = Arc>>(arcs: I) -> Self {
        let mut arcs: Vec<Arc> = arcs.into_iter().collect();
        arcs.sort_unstable();
        let mut merged: Vec<Arc> = Vec::with_capacity(arcs.len());
        for arc in arcs {
            match merged.last_mut() {
                Some(last) if last.last.next().is_none_or(|next| next >= arc.start) => {
                    last.last = last.last.max(arc.last);
                }
                _ => merged.push(arc),
            }
        }
        Self(merged)
    }
}

impl ArcSet {
    /// Every point.
    #[must_use]
    pub fn full() -> Self {
        Arc::FULL.into()
    }

    /// The arcs in point order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Arc> + DoubleEndedIterator {
        self.0.iter().copied()
    }

    /// How many arcs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set holds no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the set holds the point.
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        self.arc_of(point).is_some()
    }

    /// The arc that holds the point.
    #[must_use]
    pub fn arc_of(&self, point: Point) -> Option<Arc> {
        let after = self.0.partition_point(|arc| arc.start <= point);
        let arc = self.0.get(after.checked_sub(1)?)?;
        arc.contains(point).then_some(*arc)
    }

    /// Whether every point of the other set is in this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.subtract(self).is_empty()
    }

    /// The points in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// The points in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.0.as_slice(), other.0.as_slice());
        let mut result = Vec::new();
        while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
            result.extend(a.intersection(b));
            if a.last <= b.last {
                left = left_rest;
            } else {
                right = right_rest;
            }
        }
        Self(result)
    }

    /// The points in this set and not in the other.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        self.intersection(&other.complement())
    }

    /// The points not in this set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut result = Vec::with_capacity(self.0.len() + 1);
        let mut start = Some(Point::MIN);
        for arc in &self.0 {
            if let (Some(start), Some(last)) = (start, arc.start.previous()) {
                result.extend(Arc::new(start, last));
            }
            start = arc.last.next();
        }
        result.extend(start.and_then(|start| Arc::new(start, Point::MAX)));
        Self(result)
    }

    /// The share of the ring that the set covers, in `0.0 ..= 1.0`.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.iter().map(|arc| arc.share()).fold(0.0, |sum, share| sum + share)
    }
}

#[cfg(test)]
mod tests;
