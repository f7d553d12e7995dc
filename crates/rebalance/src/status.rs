//! Pure. What people and programs are told about a cluster. Everything has a JSON form.

use handoff::{HandoffId, Server};
use ring::ArcSet;
use serde::{Deserialize, Serialize};

/// `GET /status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The epoch of the committed ring document; 0 before the first.
    pub epoch: u64,
    /// What the coordinator is at.
    pub state: ClusterState,
    /// What is waited for or cannot go on, each with its remedy.
    pub reasons: Vec<String>,
    /// Every server that exists or shall exist: members in the order of joining, then the others.
    pub servers: Vec<ServerStatus>,
    /// The change that is under way.
    pub rebalance: Option<Rebalance>,
    /// The change that ended last, in this life of the coordinator.
    pub last_rebalance: Option<Rebalance>,
    /// Volumes that are gone with arcs that only they had. Nothing is granted anew until that is
    /// accepted by name and incarnation.
    pub lost: Vec<Lost>,
    /// The members that were wished for in the round that this is about: no document with others
    /// is on its way to be committed.
    #[serde(skip)]
    pub wished: Vec<String>,
}

/// What the coordinator is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterState {
    /// No ring document has been read yet.
    #[default]
    Starting,
    /// The first owners are being recorded.
    Bootstrapping,
    /// Ownership equals the ring document.
    Converged,
    /// Arcs are moving.
    Moving,
    /// Something has to happen first; see the reasons.
    Blocked,
    /// Data is lost; see `lost`.
    Lost,
    /// Another coordinator has taken over; this one does nothing any more.
    Superseded,
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its name.
    pub name: String,
    /// Its volume's incarnation, once known.
    pub incarnation: Option<String>,
    /// Where its data is reached, once known: RESP, `host:port`.
    pub address: Option<String>,
    /// Whether it answers and serves what it owns.
    pub ready: bool,
    /// Whether it belongs to the ring, is to belong to it, or is on its way out.
    pub role: ServerRole,
    /// Keys in what it owns; as of the last count.
    pub keys: u64,
    /// Bytes of these keys and their values.
    pub bytes: u64,
    /// The share of the ring that it owns now, in `0.0 ..= 1.0`.
    pub arc_share: f64,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// What a server is to the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerRole {
    /// Wanted, not yet in the committed ring document.
    #[default]
    Joining,
    /// In the ring.
    Member,
    /// Not in the ring any more, or not for long; it may still own something.
    Leaving,
    /// Owns nothing and never will; its process and volume may be removed.
    Retired,
}

/// One change of the ring: all that is moved for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rebalance {
    /// How many servers there were.
    pub from: usize,
    /// How many there will be.
    pub to: usize,
    /// The epoch of the ring document that it leads to.
    pub epoch: u64,
    /// Its handoffs in the order in which they began, cancelled ones included.
    pub handoffs: Vec<HandoffProgress>,
    /// Sums over the handoffs of each pair of servers that were completed, or are under way.
    pub pairs: Vec<PairProgress>,
    /// Keys moved so far, all pairs together.
    pub keys_moved: u64,
    /// Keys to move in the handoffs so far; an estimate until they are done.
    pub keys_total: u64,
    /// Bytes moved so far.
    pub bytes_moved: u64,
    /// Bytes to move in the handoffs so far.
    pub bytes_total: u64,
    /// For how long it has been going on, or how long it took.
    pub duration_ms: u64,
}

/// One handoff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandoffProgress {
    /// Its name.
    pub id: HandoffId,
    /// Who gives.
    pub source: String,
    /// Who receives.
    pub target: String,
    /// How far it is.
    pub state: HandoffState,
    /// The share of the ring that it moves.
    pub arc_share: f64,
    /// Keys moved so far.
    pub keys_moved: u64,
    /// Keys to move; an estimate until it is done.
    pub keys_total: u64,
    /// Bytes moved so far.
    pub bytes_moved: u64,
    /// Bytes to move.
    pub bytes_total: u64,
    /// The last trouble on the way, if it is still there.
    pub error: Option<String>,
}

/// How far a handoff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandoffState {
    /// The target is being asked.
    Starting,
    /// Records are on their way; the source serves.
    Copying,
    /// Commands are held until the target decides.
    Frozen,
    /// The target owns the arcs.
    Done,
    /// It came to nothing; the source owns the arcs.
    Cancelled,
}

impl HandoffState {
    /// Whether nothing of it is left to do.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// What went, and goes, from one server to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairProgress {
    /// Who gives.
    pub source: String,
    /// Who receives.
    pub target: String,
    /// Keys moved.
    pub keys_moved: u64,
    /// Keys to move; an estimate until all is done.
    pub keys_total: u64,
    /// Bytes moved.
    pub bytes_moved: u64,
}

/// A volume that is gone, and what only it had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    /// Whose volume, and which.
    pub server: Server,
    /// The share of the ring that is lost, in `0.0 ..= 1.0`.
    pub share: f64,
    /// What is lost.
    #[serde(skip)]
    pub arcs: ArcSet,
}

/// `ringkv plan --replicas N`: what a change would do, before anything moves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// How many servers there are in the ring.
    pub from: usize,
    /// How many there would be.
    pub to: usize,
    /// Servers that would join.
    pub joining: Vec<String>,
    /// Servers that would leave.
    pub leaving: Vec<String>,
    /// What would move.
    pub moves: Vec<PreviewMove>,
    /// Keys that would move, all together.
    pub keys: u64,
    /// Bytes that would move.
    pub bytes: u64,
    /// Why the change would be refused, or would wait; empty where it would begin at once.
    pub refused: Vec<String>,
}

/// What would go from one server to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreviewMove {
    /// Who gives.
    pub source: String,
    /// Who receives.
    pub target: String,
    /// The share of the ring.
    pub arc_share: f64,
    /// How many keys.
    pub keys: u64,
    /// Bytes of these keys and their values.
    pub bytes: u64,
}

/// The answer to an accepted `POST /add-server`, `POST /remove-server` or `scale`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The members before, in the order of joining.
    pub from: Vec<String>,
    /// The members that are wanted now.
    pub to: Vec<String>,
    /// Servers that join.
    pub joining: Vec<String>,
    /// Servers that leave.
    pub leaving: Vec<String>,
}

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The name is not of a server in the ring.
    #[error("there is no server {name} in the ring; its servers are {}", servers.join(", "))]
    UnknownServer {
        /// What was asked for.
        name: String,
        /// What there is.
        servers: Vec<String>,
    },
    /// The server is in the ring already.
    #[error("the server {0} is in the ring already")]
    AlreadyMember(String),
    /// The server is being removed for good.
    #[error("the server {0} has retired and is being removed; ask again when it is gone")]
    BeingRemoved(String),
    /// No server would be left.
    #[error("the last server cannot leave: it has all the data")]
    LastServer,
    /// More servers than a ring has.
    #[error("a ring has 1 to {max} servers, not {0}", max = ring::MAX_MEMBERS)]
    Replicas(usize),
    /// The name cannot be a server's.
    #[error(transparent)]
    Document(#[from] ring::DocumentError),
    /// The ring is not known yet.
    #[error("the cluster is still starting; ask again in a moment")]
    Starting,
    /// The acceptance names a volume that is not lost.
    #[error(
        "the volume {incarnation} of {name} is not reported lost; `lost` in /status lists those \
         that are"
    )]
    NotLost {
        /// The server.
        name: String,
        /// Its volume.
        incarnation: String,
    },
}
