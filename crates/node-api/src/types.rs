//! Pure. Requests and answers of a node's administration API, as JSON over HTTP.
//!
//! Paths are under `/admin/v1`. Every change has one head, [`Request`]: the coordinator's term and
//! the volume that it is for.

use std::collections::BTreeMap;
use std::ops::AddAssign;

pub use handoff::Given;
use handoff::{
    ClusterId, Decisions, Epoch, Handoff, HandoffId, Head, Incarnation, Server, Side, SourceState,
    TargetState, Terms,
};
use ring::{ArcMap, ArcSet, RingDocument};
use serde::{Deserialize, Serialize};

/// `GET /state`: everything that a coordinator plans from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    /// The cluster whose volume this is.
    pub cluster: ClusterId,
    /// This server.
    pub server: Server,
    /// The highest coordinator term seen.
    pub term: u64,
    /// The epoch of the ring document that is durably recorded; 0 before the first.
    pub ring_epoch: Epoch,
    /// Whether it may serve: recovered, admitted by its own read of the ring document.
    pub admitted: bool,
    /// Why it is not admitted.
    pub admission_error: Option<String>,
    /// The ring epoch at which it retired.
    pub retired: Option<Epoch>,
    /// Whether it has taken the one bootstrap grant of its life.
    pub granted: bool,
    /// What it owns and since which epoch, frozen arcs included.
    pub owned: ArcMap<Epoch>,
    /// Arcs that it has given away: the epoch and to whom. Kept until a later epoch replaces it.
    pub given: ArcMap<Given>,
    /// Arcs that it refuses below an epoch.
    pub fences: ArcMap<Epoch>,
    /// The highest epoch of anything on its disk.
    pub highest_epoch: Epoch,
    /// Handoffs that are not finished on both sides, and the latest finished ones.
    pub handoffs: Vec<HandoffStatus>,
    /// Free bytes on the volume, without the reserve.
    pub disk_free_bytes: u64,
    /// The peer addresses that it was last told, by server name.
    pub peers: BTreeMap<String, String>,
    /// The bound on its streams that it was last told.
    pub max_bytes_per_second: Option<u64>,
}

impl NodeState {
    /// What follows from a node's record alone; progress, addresses and the disk are not in it.
    #[must_use]
    pub fn of(decisions: &Decisions, admitted: bool) -> Self {
        let mut handoffs: Vec<(u64, HandoffStatus)> = decisions
            .handoffs()
            .iter()
            .map(|(id, handoff)| (handoff.order, HandoffStatus::of(*id, handoff)))
            .collect();
        handoffs.sort_by_key(|(order, _)| *order);
        Self {
            cluster: decisions.cluster(),
            server: decisions.server().clone(),
            term: decisions.term(),
            ring_epoch: decisions.ring_epoch(),
            admitted,
            admission_error: None,
            retired: decisions.retired(),
            granted: decisions.granted(),
            owned: decisions.owned().clone(),
            given: decisions.given().clone(),
            fences: decisions.fences().clone(),
            highest_epoch: decisions.highest_epoch(),
            handoffs: handoffs.into_iter().map(|(_, status)| status).collect(),
            disk_free_bytes: 0,
            peers: BTreeMap::new(),
            max_bytes_per_second: None,
        }
    }
}

/// One handoff as one of its two sides sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandoffStatus {
    /// Its name.
    pub id: HandoffId,
    /// Which side this node is.
    pub role: Role,
    /// The other side.
    pub peer: Server,
    /// What moves.
    pub arcs: ArcSet,
    /// The epoch at which the target will own it.
    pub epoch: Epoch,
    /// How far it is.
    pub phase: Phase,
    /// Whether both sides are known here to be done; such an entry no longer binds anybody.
    pub finished: bool,
    /// Records of live keys moved: at the target each key counts once, however often it was sent.
    pub keys_moved: u64,
    /// Estimate of the keys to move, counted by the source at the start.
    pub keys_total: u64,
    /// Bytes of keys and values moved.
    pub bytes_moved: u64,
    /// Estimate of the bytes to move.
    pub bytes_total: u64,
    /// The last trouble on the way, if it is still there.
    pub error: Option<String>,
}

/// Which side of a handoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Gives.
    Source,
    /// Receives.
    Target,
}

impl From<Side> for Role {
    fn from(side: Side) -> Self {
        match side {
            Side::Source(_) => Self::Source,
            Side::Target(_) => Self::Target,
        }
    }
}

impl HandoffStatus {
    /// What follows from the record of a handoff alone.
    #[must_use]
    pub fn of(id: HandoffId, handoff: &Handoff) -> Self {
        Self {
            id,
            role: handoff.side.into(),
            peer: handoff.peer.clone(),
            arcs: handoff.arcs.clone(),
            epoch: handoff.epoch,
            phase: handoff.side.into(),
            finished: handoff.side.is_finished(),
            keys_moved: handoff.moved.keys,
            keys_total: handoff.moved.keys,
            bytes_moved: handoff.moved.bytes,
            bytes_total: handoff.moved.bytes,
            error: None,
        }
    }
}

/// How far a handoff is, on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Target: accepted, applying what comes.
    Receiving,
    /// Source: streaming, still serving.
    Copying,
    /// Source: commands on the arcs are held until the target decides.
    Frozen,
    /// Target: owns the arcs.
    Owned,
    /// Source: knows that the target owns the arcs.
    Given,
    /// Source: given up before the freeze.
    Dropped,
    /// Target: will never own by this handoff.
    Refused,
}

impl From<Side> for Phase {
    fn from(side: Side) -> Self {
        match side {
            Side::Source(SourceState::Copying) => Self::Copying,
            Side::Source(SourceState::Frozen) => Self::Frozen,
            Side::Source(SourceState::Given | SourceState::GivenSettled) => Self::Given,
            Side::Source(SourceState::Dropped | SourceState::DroppedSettled) => Self::Dropped,
            Side::Target(TargetState::Receiving) => Self::Receiving,
            Side::Target(TargetState::Owned | TargetState::OwnedSettled) => Self::Owned,
            Side::Target(TargetState::Refused | TargetState::Unknown) => Self::Refused,
        }
    }
}

/// `POST /change`: a change that a coordinator asks for, of one volume.
///
/// A request goes to an address. Whatever volume is there carries it out only where it is the one
/// that is meant, and no coordinator of a higher term has asked it for anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The coordinator's term.
    pub term: u64,
    /// The volume that it is for, as the coordinator saw it when it planned.
    pub incarnation: Incarnation,
    /// What to do.
    pub change: Change,
}

impl Request {
    /// What decides whether it is carried out at all.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head { term: self.term, incarnation: self.incarnation }
    }
}

/// What a coordinator may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing but to record the term.
    Term,
    /// Record this document durably. Refused where its epoch is below the recorded one.
    Ring(RingDocument),
    /// Own these empty arcs. At epoch 1 once in a life (bootstrap); later only after an accepted
    /// loss, at the epoch of a fence that every living server has recorded.
    Grant {
        /// What to own.
        arcs: ArcSet,
        /// Since which epoch.
        epoch: Epoch,
        /// The epoch of the ring document that it follows from; refused where another is recorded.
        ring_epoch: Epoch,
    },
    /// Refuse these arcs below this epoch; only where the node owns no point of them.
    Fence {
        /// Which arcs.
        arcs: ArcSet,
        /// Below which epoch.
        epoch: Epoch,
    },
    /// Be the target of a handoff (step 1 of the protocol).
    Receive {
        /// The handoff.
        id: HandoffId,
        /// Who gives, what, and at which epoch it is owned here.
        terms: Terms,
    },
    /// Be the source of a handoff that the target has accepted (step 2).
    Give {
        /// The handoff.
        id: HandoffId,
        /// Who receives, what, and at which epoch it is owned there.
        terms: Terms,
    },
    /// To the source: drop the handoff where it still may be dropped, else ask the target to
    /// decide; a source whose target is declared dead keeps the arcs. To the target, where the
    /// source is not known to have begun: refuse it.
    Cancel {
        /// The handoff.
        id: HandoffId,
    },
    /// Own nothing from this ring epoch on (`RETIRED`). Refused while it owns something, has an
    /// unfinished handoff, or holds records that it gave and has not deleted.
    Retire {
        /// The committed ring epoch without this server.
        ring_epoch: Epoch,
    },
    /// Learn where the other servers are now, and how fast to move data.
    Peers(Peers),
}

impl Change {
    /// What it is called in logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Term => "term",
            Self::Ring(_) => "ring",
            Self::Grant { .. } => "grant",
            Self::Fence { .. } => "fence",
            Self::Receive { .. } => "receive",
            Self::Give { .. } => "give",
            Self::Cancel { .. } => "cancel",
            Self::Retire { .. } => "retire",
            Self::Peers(_) => "peers",
        }
    }
}

/// Where the other servers are, and how fast to move data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// Peer address (`host:port`) by server name.
    pub addresses: BTreeMap<String, String>,
    /// Bound on the bytes a second that a source streams, over all its handoffs; `None` is none.
    pub max_bytes_per_second: Option<u64>,
}

/// Records from which it is estimated how many there are: right to about one in a hundred.
pub const SAMPLED_RECORDS: u64 = 10_000;

/// `POST /count`: count what is on disk in these arcs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountRequest {
    /// Which arcs.
    pub arcs: ArcSet,
    /// About so many records, so that the answer comes soon; the rest is asked for anew. `None` is
    /// all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_max: Option<u64>,
}

/// The answer: what was counted, and where nothing was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// What was counted.
    #[serde(flatten)]
    pub count: Count,
    /// The arcs that are still to be counted.
    #[serde(default, skip_serializing_if = "ArcSet::is_empty")]
    pub rest: ArcSet,
}

impl Counted {
    /// What is in these arcs, of which only a part may have been counted: keys lie evenly on the
    /// ring, so what the part holds is taken for its share.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate; a cast from a float saturates"
    )]
    pub fn extrapolated(&self, arcs: &ArcSet) -> Count {
        let seen_share = arcs.subtract(&self.rest).share();
        if self.rest.is_empty() || seen_share <= 0.0 {
            return self.count;
        }
        let factor = arcs.share() / seen_share;
        let scale = |counted: u64| (counted as f64 * factor).round() as u64;
        let Count { keys, bytes, records } = self.count;
        Count { keys: scale(keys), bytes: scale(bytes), records: scale(records) }
    }
}

/// What is on disk in some arcs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Live keys: neither expired nor deleted.
    pub keys: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Records of any kind: live, expired, tombstones.
    pub records: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.keys += other.keys;
        self.bytes += other.bytes;
        self.records += other.records;
    }
}

/// The answer to an accepted change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {}

/// The answer to a refused or failed request (HTTP status 4xx or 5xx), as
/// `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What kind of refusal, in a few words that stay the same.
    pub title: String,
    /// What happened and what to do.
    pub detail: String,
}

/// What a node tells routers, on RESP: the answer to `RINGKV.WATCH <view>` (JSON in a bulk string).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// This server.
    pub server: Server,
    /// The number of this view; it grows with each change and starts anew with the process.
    pub view: u64,
    /// The ring epoch recorded.
    pub ring_epoch: Epoch,
    /// Whether it serves at all.
    pub admitted: bool,
    /// What it claims.
    pub arcs: ArcMap<Claim>,
}

/// A node's claim to an arc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Since which epoch it owns the arc.
    pub epoch: Epoch,
    /// Whether commands on it are held until a handoff is decided.
    pub frozen: bool,
}

/// Where one server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerAddresses {
    /// Data: RESP, `host:port`.
    pub resp: String,
    /// Health, metrics, administration: HTTP, `host:port`.
    pub http: String,
    /// Handoff streams, `host:port`.
    pub peer: String,
}

/// What a router must know: the ring document and where the servers are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// Grows with each change, within one life of who publishes it.
    pub generation: u64,
    /// The committed ring document.
    pub document: RingDocument,
    /// Addresses by server name, of members and of leavers that still own something.
    pub servers: BTreeMap<String, ServerAddresses>,
}

#[cfg(test)]
mod tests;
