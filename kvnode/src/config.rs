//! Pure. What a node is told at its start, every bound included.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use handoff::ClusterId;

use crate::Access;
use crate::handoff::HandoffLimits;
use crate::store::{Durability, StoreConfig};

/// Bytes in a mebibyte.
const MIB: usize = 1024 * 1024;

/// Where a node reads the committed ring document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingSource {
    /// The coordinator, as `http://host:port`.
    Coordinator(String),
    /// The status of this KvCluster.
    Kubernetes(kubernetes::ClusterName),
    /// A file, for tests and tools.
    File(PathBuf),
}

/// The configuration of one node process.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name in the ring, such as `kv-1`.
    pub name: String,
    /// The cluster that the server belongs to.
    pub cluster: ClusterId,
    /// Where everything is kept. A directory of another cluster or server is refused.
    pub data_dir: PathBuf,
    /// Where routers and other RESP clients connect.
    pub resp_address: SocketAddr,
    /// Where health, metrics and administration are served.
    pub http_address: SocketAddr,
    /// Where other servers connect for handoffs.
    pub peer_address: SocketAddr,
    /// Where the committed ring document is read.
    pub ring_source: RingSource,
    /// Who may talk to it.
    pub access: Access,
    /// Whether the end of standard input ends the process, as of a child that must not outlive its
    /// parent.
    pub exit_with_stdin: bool,
    /// When a write may be answered, and how much memory and journal storage takes.
    pub store: StoreConfig,
    /// The longest value, in bytes.
    pub value_bytes_max: usize,
    /// The longest reply to one command, in bytes.
    pub reply_bytes_max: usize,
    /// RESP connections at a time; one more is told so and disconnected.
    pub clients_max: usize,
    /// Unsent answer bytes of one client from which on no more is read from it.
    pub output_bytes_pause: usize,
    /// Bytes of writes that are not committed yet from which on commands wait.
    pub pending_bytes_max: usize,
    /// The bounds of handoffs.
    pub handoff: HandoffLimits,
    /// How long a direct client's command may wait for a handoff.
    pub hold_wait: Duration,
    /// How long the end of the process may take.
    pub drain_wait: Duration,
}

impl Config {
    /// The documented defaults for this server: names, addresses and the directory have none.
    #[must_use]
    pub fn new(name: String, cluster: ClusterId, data_dir: PathBuf, addresses: Addresses) -> Self {
        let Addresses { resp, http, peer, ring_source } = addresses;
        Self {
            name,
            cluster,
            data_dir,
            resp_address: resp,
            http_address: http,
            peer_address: peer,
            ring_source,
            access: Access::default(),
            exit_with_stdin: false,
            store: StoreConfig::small(Durability::Always),
            value_bytes_max: 16 * MIB,
            reply_bytes_max: 256 * MIB,
            clients_max: 10_000,
            output_bytes_pause: MIB,
            pending_bytes_max: 64 * MIB,
            handoff: HandoffLimits::USUAL,
            hold_wait: Duration::from_secs(10),
            drain_wait: Duration::from_secs(8),
        }
    }

    /// What the decoder of commands takes.
    pub(crate) fn decoder_limits(&self) -> resp::Limits {
        let limits = resp::Limits::default();
        resp::Limits {
            max_bulk_bytes: self.value_bytes_max.max(crate::store::MAX_KEY_BYTES),
            max_command_bytes: limits.max_command_bytes.max(self.value_bytes_max + MIB),
            ..limits
        }
    }
}

/// Where a node listens, and where it reads the ring.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// See [`Config::resp_address`].
    pub resp: SocketAddr,
    /// See [`Config::http_address`].
    pub http: SocketAddr,
    /// See [`Config::peer_address`].
    pub peer: SocketAddr,
    /// See [`Config::ring_source`].
    pub ring_source: RingSource,
}
