//! Pure. What an operator is told at its start.

use std::net::SocketAddr;

/// The configuration of one operator process.
#[derive(Clone, Debug)]
pub struct Config {
    /// The image of servers and routers whose cluster names none.
    pub image: String,
    /// The namespaces whose clusters it cares for; all if empty.
    pub namespaces: Vec<String>,
    /// Where health and metrics are served.
    pub http_address: SocketAddr,
    /// The name of this process, unique among the operators: its pod's.
    pub identity: String,
    /// The namespace of this process, where the lease of the leader is.
    pub own_namespace: String,
}
