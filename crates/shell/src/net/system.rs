//! Shell. The network of the operating system.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

pub use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
pub use tokio::net::{TcpListener, TcpStream};

use super::Sharing;

/// A listener that no runtime has yet; [`TcpListener::from_std`] gives it to one.
pub type Listening = std::net::TcpListener;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Opens a listener that does not block, at an address that a restart can have again at once.
///
/// # Errors
/// The address cannot be had.
pub fn listen(address: SocketAddr, sharing: Sharing) -> io::Result<Listening> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::Shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
