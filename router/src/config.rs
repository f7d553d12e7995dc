//! Pure. What a router is told at its start, every bound included.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Uri;
use kubernetes::ClusterName;

use crate::Access;

/// Bytes in a mebibyte.
const MIB: usize = 1024 * 1024;

/// Where a router learns of the ring and of the servers.
#[derive(Clone, Debug)]
pub enum Source {
    /// The coordinator, as `http://host:port`; administration goes to it, too.
    Coordinator(String),
    /// A KvCluster, and the endpoints of its servers.
    Kubernetes {
        /// Which one.
        cluster: ClusterName,
        /// The API server, for tests and tools; else that of the pod or of KUBECONFIG.
        api_server: Option<Uri>,
    },
}

/// The configuration of one router process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where RESP clients connect. Port 0 takes any free port.
    pub resp_address: SocketAddr,
    /// Where HTTP clients connect. Port 0 takes any free port.
    pub http_address: SocketAddr,
    /// Where the ring and the addresses of the servers come from.
    pub source: Source,
    /// Who may talk to it, and what it shows servers.
    pub access: Access,
    /// Data threads. Each has its own listener and its own connection to every server.
    pub threads: usize,
    /// RESP clients at a time, over all threads; one more is told so and disconnected.
    pub clients_max: usize,
    /// Commands of one client that are read and not yet answered; then reading pauses.
    pub pipeline_commands_max: usize,
    /// Bytes of such commands of one client; then reading pauses. One command always fits.
    pub pipeline_bytes_max: usize,
    /// Unsent answer bytes of one client from which on no more is read from it.
    pub output_bytes_pause: usize,
    /// Unsent answer bytes of one client at which it is disconnected.
    pub output_bytes_max: usize,
    /// Unsent command bytes for one server, per data thread, from which on commands for it wait.
    pub upstream_queue_bytes_max: usize,
    /// The longest value, in bytes, over RESP and HTTP.
    pub value_bytes_max: usize,
    /// The longest answer of a server, in bytes.
    pub reply_bytes_max: usize,
    /// The most bytes of keys that one KEYS may answer.
    pub keys_reply_bytes_max: usize,
    /// How long to wait for a connection to a server, or for its next answer.
    pub server_wait: Duration,
    /// How long a command may wait for a range that is being handed over or has no known owner.
    pub refusal_wait: Duration,
    /// How long new clients are still taken at the end of the process, while `/readyz` says that
    /// it is leaving: until nobody sends any more.
    pub drain_delay: Duration,
    /// How long clients' unfinished commands may take at the end of the process.
    pub drain_wait: Duration,
}

impl Config {
    /// The documented defaults for these addresses, with as many threads as there are processors.
    #[must_use]
    pub fn new(resp_address: SocketAddr, http_address: SocketAddr, source: Source) -> Self {
        Self {
            resp_address,
            http_address,
            source,
            access: Access::default(),
            threads: crate::app::processors(),
            clients_max: 10_000,
            pipeline_commands_max: 4_096,
            pipeline_bytes_max: 32 * MIB,
            output_bytes_pause: 4 * MIB,
            output_bytes_max: 256 * MIB,
            upstream_queue_bytes_max: 64 * MIB,
            value_bytes_max: 16 * MIB,
            reply_bytes_max: 256 * MIB,
            keys_reply_bytes_max: 64 * MIB,
            server_wait: Duration::from_secs(5),
            refusal_wait: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            drain_wait: Duration::from_secs(8),
        }
    }
}
