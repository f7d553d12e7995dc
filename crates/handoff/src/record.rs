//! Pure. The durable records of one node about handoffs, and what is to be deleted after them.

use ring::ArcSet;
use serde::{Deserialize, Serialize};

use crate::source::SourceState;
use crate::target::TargetState;
use crate::{Epoch, HandoffId, Server, Version};

/// Where an arc went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The epoch at which the target owns it.
    pub epoch: Epoch,
    /// The new owner.
    pub target: Server,
}

/// Which side a node is, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Gives.
    Source(SourceState),
    /// Receives.
    Target(TargetState),
}

impl Side {
    /// Whether no other handoff over its arcs may start here.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Source(state) => state.is_open(),
            Self::Target(state) => state.is_open(),
        }
    }

    /// Whether it binds nobody any more.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        match self {
            Self::Source(state) => state.is_finished(),
            Self::Target(state) => state.is_finished(),
        }
    }
}

/// What one node durably knows of one handoff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// Which side, and how far.
    pub side: Side,
    /// The other side.
    pub peer: Server,
    /// What moves.
    pub arcs: ArcSet,
    /// The epoch at which the target will own it.
    pub epoch: Epoch,
    /// In which order this node learnt of it; the oldest finished ones are forgotten first.
    pub order: u64,
    /// Live keys and their bytes moved; final once decided, 0 before.
    #[serde(default)]
    pub moved: Moved,
}

/// What a handoff has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Live keys; each counts once, however often it was sent.
    pub keys: u64,
    /// Bytes of these keys and their values.
    pub bytes: u64,
}

/// What a trim deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrimKind {
    /// Every record: the arcs belong to somebody else.
    Records,
    /// Tombstones that an ended handoff left in arcs that this node owns.
    Tombstones,
}

/// Records to delete in the background, durably remembered until it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trim {
    /// After which handoff.
    pub id: HandoffId,
    /// Which records.
    pub kind: TrimKind,
    /// Where. Shrinks where a later handoff brings the arcs back.
    pub arcs: ArcSet,
    /// Only records up to this version.
    pub max_version: Version,
}
