//! Shell. The software of each host.

pub(crate) mod client;
pub(crate) mod coordinator;
pub(crate) mod directory;
pub(crate) mod router;
pub(crate) mod server;

/// RESP of servers and routers.
pub(crate) const RESP_PORT: u16 = 6379;
/// HTTP of everything.
pub(crate) const HTTP_PORT: u16 = 5000;
/// Handoffs between servers.
pub(crate) const PEER_PORT: u16 = 6400;

/// An address on which a simulated host listens.
pub(crate) fn any(port: u16) -> std::net::SocketAddr {
    (std::net::Ipv4Addr::UNSPECIFIED, port).into()
}
