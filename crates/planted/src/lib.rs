//! Pure. Bugs that others have shipped, to be planted into a test build one at a time: each has to
//! be caught by the tests.
//!
//! The product asks [`is`] where a careless engineer would have made the mistake. Without the
//! feature `planted` the answer is a constant, and the compiler leaves nothing of the question.
//! With it the environment variable [`VARIABLE`] names the bug of the whole process, and
//! [`within`] that of a piece of code.

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "planted")]
mod chosen;

#[cfg(feature = "planted")]
pub use chosen::{chosen, is, within};

/// Names the bug in a build that has them.
pub const VARIABLE: &str = "RINGKV_PLANTED_BUG";

/// Whether this build has bugs to choose from.
pub const IS_ENABLED: bool = cfg!(feature = "planted");

/// A known mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// A write is answered when it is committed, not when it is on disk.
    AckBeforeFsync,
    /// The source deletes what it has sent when it has sent it, not when the target owns it.
    DeleteSourceAtStreamEnd,
    /// The target owns the arcs as soon as something of them is on its disk.
    TargetServesOnFirstBatch,
    /// What is written to an arc while it is copied is not sent.
    DropWritesDuringCopy,
    /// The target keeps the record that comes last, not the newest one.
    DeltaNewestByArrival,
    /// A node takes handoffs and grants of any epoch.
    SkipEpochCheckOnNode,
    /// A router never takes another ring than its first one.
    RouterKeepsOldRing,
    /// Before lost arcs are granted anew, one node only has promised not to claim them.
    FenceOnlyFirstNode,
    /// The operator deletes whatever claim has the name at that time.
    OperatorDeletesPvcByName,
    /// The operator lowers the StatefulSet before servers have given away what they own.
    ScaleSetBeforeDrainReport,
    /// A server that has retired takes arcs again without being listed.
    RetiredDiskRejoins,
    /// The record that arrives has no expiry.
    TtlLostInTransfer,
    /// That a key was deleted while its arc was copied is not sent.
    DelNotTransferred,
}

impl Bug {
    /// Every bug, for tables.
    pub const ALL: [Self; 13] = [
        Self::AckBeforeFsync,
        Self::DeleteSourceAtStreamEnd,
        Self::TargetServesOnFirstBatch,
        Self::DropWritesDuringCopy,
        Self::DeltaNewestByArrival,
        Self::SkipEpochCheckOnNode,
        Self::RouterKeepsOldRing,
        Self::FenceOnlyFirstNode,
        Self::OperatorDeletesPvcByName,
        Self::ScaleSetBeforeDrainReport,
        Self::RetiredDiskRejoins,
        Self::TtlLostInTransfer,
        Self::DelNotTransferred,
    ];

    /// Its name, as [`VARIABLE`] has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeFsync => "ack-before-fsync",
            Self::DeleteSourceAtStreamEnd => "delete-source-at-stream-end",
            Self::TargetServesOnFirstBatch => "target-serves-on-first-batch",
            Self::DropWritesDuringCopy => "drop-writes-during-copy",
            Self::DeltaNewestByArrival => "delta-newest-by-arrival",
            Self::SkipEpochCheckOnNode => "skip-epoch-check-on-node",
            Self::RouterKeepsOldRing => "router-keeps-old-ring",
            Self::FenceOnlyFirstNode => "fence-only-first-node",
            Self::OperatorDeletesPvcByName => "operator-deletes-pvc-by-name",
            Self::ScaleSetBeforeDrainReport => "scale-set-before-drain-report",
            Self::RetiredDiskRejoins => "retired-disk-rejoins",
            Self::TtlLostInTransfer => "ttl-lost-in-transfer",
            Self::DelNotTransferred => "del-not-transferred",
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no bug has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownBug(pub String);

impl fmt::Display for UnknownBug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        write!(f, "no planted bug is called {:?}; there are {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownBug {}

impl FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|bug| bug.name() == name).ok_or_else(|| UnknownBug(name.to_owned()))
    }
}

/// Whether the bug is there. It is not: this build has none.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}

#[cfg(test)]
mod tests;
