//! What is on its way between the nodes. Anything may be lost, doubled or overtaken; only within
//! one connection a receiver takes the stream in order, or not at all.

use ring::ArcSet;

use crate::invariants::Stored;
use crate::{Cursor, HandoffId, Terms, Version};

#[derive(Clone, Debug)]
pub(super) enum Message {
    Receive(HandoffId, Terms),
    Give(HandoffId, Terms),
    Cancel(HandoffId),
    /// From the source; the terms are as the target sees them.
    Stream {
        id: HandoffId,
        connection: u64,
        number: u64,
        terms: Terms,
        frame: Frame,
    },
    /// From the target.
    Answer {
        id: HandoffId,
        connection: u64,
        answer: Answer,
    },
}

#[derive(Clone, Debug)]
pub(super) enum Frame {
    Hello,
    Record(u128, Stored),
    Passed(Cursor),
    End { watermark: Version, version_clock: Version },
    Decide,
    DecideNow,
    Given,
    Dropped,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Yes,
    No,
    NotYet(Cursor),
    Settled,
}

/// A small deterministic generator (xorshift64*), so that a seed replays everywhere.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % bound.max(1)
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A random sub-arc of the small ring.
pub(super) fn part_of(arcs: &ArcSet, dice: &mut Dice) -> ArcSet {
    let all: Vec<_> = arcs.iter().collect();
    let arc = all[dice.below(all.len())];
    let (start, last) = (arc.start().0, arc.last().0);
    let width = usize::try_from(last - start).unwrap() + 1;
    let from = start + dice.below(width) as u128;
    let to = from + dice.below(usize::try_from(last - from).unwrap() + 1) as u128;
    super::super::arcs(from, to)
}
