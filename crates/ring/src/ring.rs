//! Pure. The ring of one document: who owns which point.

use std::collections::BTreeMap;

use crate::{Arc, ArcMap, ArcSet, DocumentError, Point, RingDocument};

/// Tokens a bucket of the lookup index holds on average, at most.
const TOKENS_PER_BUCKET: usize = 2;

/// Tokens in point order with their owners.
///
/// Token t owns the points from the previous token up to t, without t itself: a point that equals
/// a token belongs to the next one. Of two members with the same token the earlier one has it.
#[derive(Clone, Debug)]
pub struct Ring {
    members: Vec<String>,
    /// Distinct, in order, never empty.
    tokens: Vec<Point>,
    /// The member of each token.
    owners: Vec<u32>,
    /// By the highest bits of a point: how many tokens lie before the bucket.
    buckets: Vec<u32>,
    /// How far a point is shifted to find its bucket.
    shift: u32,
}

impl Ring {
    /// The ring that the document describes.
    pub fn from_document(document: &RingDocument) -> Result<Self, DocumentError> {
        document.validate()?;
        let tokens = (0..).zip(&document.members).flat_map(|(number, member): (u32, _)| {
            document.tokens(member).map(move |token| (token, number))
        });
        let names = document.members.iter().map(|member| member.name.clone()).collect();
        Ok(Self::from_tokens(names, tokens))
    }

    /// Members by number; at least one token.
    pub(crate) fn from_tokens(
        members: Vec<String>,
        tokens: impl IntoIterator<Item = (Point, u32)>,
    ) -> Self {
        let mut sorted: Vec<(Point, u32)> = tokens.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|(token, _)| *token);
        let (tokens, owners): (Vec<Point>, Vec<u32>) = sorted.into_iter().unzip();
        assert!(!tokens.is_empty(), "a valid document has tokens");

        let bits = (tokens.len() / TOKENS_PER_BUCKET).max(2).ilog2();
        let shift = u128::BITS - bits;
        let before = |start: u128| tokens.partition_point(|token| token.0 < start) as u32;
        let buckets = (0..1_u128 << bits)
            .map(|bucket| before(bucket << shift))
            .chain([tokens.len() as u32])
            .collect();
        Self { members, tokens, owners, buckets, shift }
    }

    /// The members in the order in which they joined.
    #[must_use]
    pub fn members(&self) -> &[String] {
        &self.members
    }

    /// Who owns the point, as an index of [`Ring::members`].
    #[must_use]
    pub fn owner_index(&self, point: Point) -> usize {
        self.owners[self.token_after(point)] as usize
    }

    /// Who owns the point.
    #[must_use]
    pub fn owner(&self, point: Point) -> &str {
        &self.members[self.owner_index(point)]
    }

    /// The first `count` distinct members clockwise from the point, its owner first; fewer where
    /// the ring has fewer.
    #[must_use]
    pub fn owners(&self, point: Point, count: usize) -> Vec<&str> {
        let first = self.token_after(point);
        let mut found: Vec<u32> = Vec::new();
        for owner in self.owners[first..].iter().chain(&self.owners[..first]) {
            if found.len() >= count.min(self.members.len()) {
                break;
            }
            if !found.contains(owner) {
                found.push(*owner);
            }
        }
        found.into_iter().map(|owner| self.members[owner as usize].as_str()).collect()
    }

    /// The owner of every point.
    #[must_use]
    pub fn assignment(&self) -> ArcMap<String> {
        self.pieces().map(|(arc, owner)| (arc, self.members[owner].clone())).collect()
    }

    /// What the member owns; nothing if there is no such member.
    #[must_use]
    pub fn arcs_of(&self, name: &str) -> ArcSet {
        self.pieces()
            .filter(|(_, owner)| self.members[*owner] == name)
            .map(|(arc, _)| arc)
            .collect()
    }

    /// The share of the ring that each member owns, in `0.0 ..= 1.0`.
    #[must_use]
    pub fn shares(&self) -> BTreeMap<String, f64> {
        let mut shares = vec![0.0; self.members.len()];
        for (arc, owner) in self.pieces() {
            shares[owner] += arc.share();
        }
        self.members.iter().cloned().zip(shares).collect()
    }

    /// Index of the first token strictly greater than the point, wrapping.
    fn token_after(&self, point: Point) -> usize {
        let bucket = (point.0 >> self.shift) as usize;
        let (from, to) = (self.buckets[bucket] as usize, self.buckets[bucket + 1] as usize);
        let after = from + self.tokens[from..to].partition_point(|token| *token <= point);
        if after == self.tokens.len() { 0 } else { after }
    }

    /// Every point once, in point order: the arc before each token, and what follows the last one.
    fn pieces(&self) -> impl Iterator<Item = (Arc, usize)> {
        let starts = std::iter::once(Point::MIN).chain(self.tokens.iter().copied());
        let lasts = self.tokens.iter().map(|token| token.previous()).chain([Some(Point::MAX)]);
        let owners = self.owners.iter().chain(self.owners.first());
        starts
            .zip(lasts)
            .zip(owners)
            .filter_map(|((start, last), owner)| Some((Arc::new(start, last?)?, *owner as usize)))
    }
}

#[cfg(test)]
mod tests;
