//! Pure. Rules that a test can leave out, one at a time, to show that its checker finds what
//! follows. Without the feature `mutants`, which no product has, none can be left out; the absence
//! of some is also a planted bug.

use planted::Bug;

/// A rule of [`crate::Decisions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rule {
    /// A target owns no point of what it receives.
    ReceiverOwnsNothing = 1,
    /// One open handoff over any point, at each node.
    OneOpenHandoff,
    /// The epoch of a handoff is above all that its arcs ever had here.
    EpochAboveAll,
    /// What a node has seen of a handoff answers a repeated request.
    RepeatFromRecord,
    /// A source owns what it gives.
    GiverOwnsAll,
    /// A target gives nothing on before its source has confirmed.
    SettledBeforeNext,
    /// A retired node takes nothing.
    RetiredTakesNothing,
    /// A node retires only when it owns nothing and takes part in no handoff.
    RetiresEmpty,
    /// What a node owns, or may come to own, cannot be fenced there.
    FenceNeedsNoOwner,
    /// Below its fence nothing is received.
    FenceRefusesBelow,
    /// A grant has the epoch of its fence.
    GrantAtFence,
    /// A grant is of the ring that is recorded.
    GrantOfRecordedRing,
    /// Dead incarnations are not admitted.
    DeadNotAdmitted,
    /// A volume with an old ring document is not admitted.
    BehindNotAdmitted,
    /// Nobody serves before the first ring is complete.
    BootstrappingNotAdmitted,
    /// A node takes one bootstrap grant in its life.
    OneBootstrapGrant,
    /// A request is carried out by the volume that it is for.
    RequestForThisVolume,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::ReceiverOwnsNothing,
        Self::OneOpenHandoff,
        Self::EpochAboveAll,
        Self::RepeatFromRecord,
        Self::GiverOwnsAll,
        Self::SettledBeforeNext,
        Self::RetiredTakesNothing,
        Self::RetiresEmpty,
        Self::FenceNeedsNoOwner,
        Self::FenceRefusesBelow,
        Self::GrantAtFence,
        Self::GrantOfRecordedRing,
        Self::DeadNotAdmitted,
        Self::BehindNotAdmitted,
        Self::BootstrappingNotAdmitted,
        Self::OneBootstrapGrant,
        Self::RequestForThisVolume,
    ];

    pub(crate) fn holds(self) -> bool {
        !self.is_left_out() && !self.planted_bug().is_some_and(planted::is)
    }

    /// The planted bug that is the absence of this rule.
    const fn planted_bug(self) -> Option<Bug> {
        match self {
            Self::EpochAboveAll => Some(Bug::SkipEpochCheckOnNode),
            Self::RetiredTakesNothing => Some(Bug::RetiredDiskRejoins),
            _ => None,
        }
    }

    #[cfg(not(feature = "mutants"))]
    #[allow(clippy::unused_self, reason = "with the feature it is asked")]
    const fn is_left_out(self) -> bool {
        false
    }

    #[cfg(feature = "mutants")]
    fn is_left_out(self) -> bool {
        switch::LEFT_OUT.load(std::sync::atomic::Ordering::Relaxed) == self as u8
    }
}

#[cfg(feature = "mutants")]
pub use switch::leave_out;

#[cfg(feature = "mutants")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    pub(super) static LEFT_OUT: AtomicU8 = AtomicU8::new(0);

    /// From now on this rule is left out in the whole process, or none.
    pub fn leave_out(rule: Option<super::Rule>) {
        LEFT_OUT.store(rule.map_or(0, |rule| rule as u8), Ordering::Relaxed);
    }
}
