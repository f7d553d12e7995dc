//! Pure. What `GET /status` answers, read as a stranger would read it.

use serde::{Deserialize, Serialize};

/// The state of a cluster.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The epoch of the committed ring document.
    pub epoch: u64,
    /// The servers of the ring, and leavers that still own something.
    pub servers: Vec<Server>,
    /// The change that is going on.
    pub rebalance: Option<Rebalance>,
    /// The latest change that is over.
    pub last_rebalance: Option<Rebalance>,
    /// What keeps the cluster from being as it was asked to be.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Volumes that are gone with what they owned.
    pub lost: Vec<Lost>,
    /// What the router that answers says of itself.
    pub router: Router,
}

/// A volume that is gone.
#[derive(Clone, Debug, Deserialize)]
pub struct Lost {
    /// Whose it was.
    pub server: Volume,
    /// The share of the ring that it owned.
    pub share: f64,
}

/// A server on one volume.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Volume {
    /// The server's name.
    pub name: String,
    /// Which volume under that name.
    pub incarnation: String,
}

/// A router.
#[derive(Clone, Debug, Deserialize)]
pub struct Router {
    /// How long writes waited because their range changed its server.
    pub write_pause: WritePause,
}

/// Figures of a router's life, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct WritePause {
    /// How many writes waited.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// 99 of 100 were shorter.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// One server.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Where it speaks RESP, `host:port`.
    pub address: String,
    /// Whether it serves.
    pub ready: bool,
    /// Live keys on it.
    pub keys: u64,
    /// Bytes of those keys and their values.
    pub bytes: u64,
    /// The share of the ring that it owns.
    pub arc_share: f64,
}

/// A change of the ring that is going on.
#[derive(Clone, Debug, Deserialize)]
pub struct Rebalance {
    /// How many servers the ring had.
    pub from: usize,
    /// How many it will have.
    pub to: usize,
    /// What moves.
    pub handoffs: Vec<Handoff>,
}

/// One server gives arcs to another.
#[derive(Clone, Debug, Deserialize)]
pub struct Handoff {
    /// Its name.
    pub id: String,
    /// Who gives.
    pub source: String,
    /// Who receives.
    pub target: String,
    /// How far it is.
    pub state: String,
    /// Keys that have arrived.
    pub keys_moved: u64,
    /// Keys that there are to move.
    pub keys_total: u64,
    /// Bytes that have arrived.
    pub bytes_moved: u64,
}

impl Status {
    /// Whether nothing moves and every server of `count` serves.
    #[must_use]
    pub fn is_settled(&self, count: usize) -> bool {
        self.rebalance.is_none()
            && self.servers.len() == count
            && self.servers.iter().all(|server| server.ready)
    }

    /// The names of the servers.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.name.clone()).collect()
    }

    /// A handoff whose data is on the way: some of it has arrived, and much is still to come.
    #[must_use]
    pub fn handoff_half_way(&self) -> Option<&Handoff> {
        self.rebalance.as_ref()?.handoffs.iter().find(|handoff| {
            handoff.keys_moved > 0 && handoff.keys_moved * 10 < handoff.keys_total * 9
        })
    }
}
