//! Shell. The network types to use everywhere, so that a simulated network can take their place.

pub use tokio::net::{TcpListener, TcpSocket, TcpStream};
