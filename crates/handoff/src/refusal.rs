//! Pure. Why a node refuses a request of the coordinator; nothing was changed.

use ring::{Arc, MAX_EPOCH};

use crate::head::MAX_TERM;
use crate::{Epoch, HandoffId, Incarnation, Server};

/// The most handoffs that may be open at one node at a time.
pub const MAX_OPEN_HANDOFFS: usize = 256;

/// A refused request and its reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant says it in its message")]
pub enum Refusal {
    #[error("the term is old: a coordinator of term {seen} has taken over")]
    OldTerm { seen: u64 },
    #[error("the request is for incarnation {asked} of this server; this volume is {own}")]
    OtherIncarnation { asked: Incarnation, own: Incarnation },
    #[error("there is no term {asked}: the highest is {MAX_TERM}")]
    ImpossibleTerm { asked: u64 },
    #[error("there is no epoch {asked}: the highest is {MAX_EPOCH}")]
    ImpossibleEpoch { asked: Epoch },
    #[error("the request names cluster {asked}; this volume belongs to {own}")]
    OtherCluster { asked: String, own: String },
    #[error("the ring document is invalid: {reason}")]
    InvalidRing { reason: String },
    #[error("ring epoch {recorded} is recorded here; {asked} is older")]
    OldRing { asked: Epoch, recorded: Epoch },
    #[error("another ring document of epoch {epoch} is recorded here")]
    OtherRing { epoch: Epoch },
    #[error("the ring document forgets the dead incarnation {incarnation}; they are kept for ever")]
    DeadForgotten { incarnation: String },
    #[error("ring epoch {asked} must be recorded here first; {recorded} is")]
    RingNotRecorded { asked: Epoch, recorded: Epoch },
    #[error("ring epoch {epoch} still lists this server")]
    StillListed { epoch: Epoch },
    #[error("the recorded ring document does not list this server's incarnation {incarnation}")]
    NotListed { incarnation: Incarnation },
    #[error("there are no arcs in the request")]
    NoArcs,
    #[error("this server owns some of the arcs: {} to {}", .arc.start(), .arc.last())]
    Owns { arc: Arc },
    #[error("this server does not own all of the arcs: not {} to {}", .arc.start(), .arc.last())]
    OwnsNot { arc: Arc },
    #[error("handoff {id} is open over some of the arcs")]
    OpenHandoff { id: HandoffId },
    #[error("handoff {id} is known here with other arcs, peer, epoch or role")]
    OtherHandoff { id: HandoffId },
    #[error("handoff {id} is not known here")]
    UnknownHandoff { id: HandoffId },
    #[error("handoff {id} is decided; moving the arcs back is a new handoff")]
    Decided { id: HandoffId },
    #[error("epoch {asked} is not above {highest}, the highest that these arcs had here")]
    EpochTooLow { asked: Epoch, highest: Epoch },
    #[error("the arcs are fenced: refused below epoch {fence}, asked {asked}")]
    Fenced { asked: Epoch, fence: Epoch },
    #[error("all of the arcs must be fenced here at epoch {asked} before they are granted")]
    NotFenced { asked: Epoch },
    #[error("this server has taken the one bootstrap grant of its life")]
    AlreadyGranted,
    #[error("retired at ring epoch {epoch}; only a newer committed ring that lists it ends this")]
    Retired { epoch: Epoch },
    #[error("handoff {id} is not finished on both sides")]
    UnfinishedHandoff { id: HandoffId },
    #[error("records of arcs that were given away are still being deleted")]
    Trimming,
    #[error("old records in some of the arcs are being deleted before the arcs come; ask again")]
    Preparing,
    #[error("{MAX_OPEN_HANDOFFS} handoffs are open here; wait until some are done")]
    TooManyHandoffs,
    #[error("{} is dead in the recorded ring document", .server.name)]
    PeerDead { server: Server },
    #[error("a server hands nothing to itself")]
    OwnPeer,
    #[error("the peer contradicts what is recorded of handoff {id}: {contradiction}")]
    Contradiction { id: HandoffId, contradiction: String },
}
