//! Shell. turmoil's network, with the methods of tokio's types that it lacks.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use turmoil::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Sharing;

/// How many bytes one look at a connection takes at most.
const READ_BYTES: usize = 16 << 10;

/// An address at which a simulated host is about to listen.
#[derive(Debug)]
pub struct Listening(SocketAddr);

/// Takes the address; it is bound when a runtime has the listener.
///
/// # Errors
/// None; as in the system's network.
pub fn listen(address: SocketAddr, _sharing: Sharing) -> io::Result<Listening> {
    Ok(Listening(address))
}

impl Listening {
    /// Where it listens.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0)
    }

    /// Nothing blocks here.
    ///
    /// # Errors
    /// None.
    pub fn set_nonblocking(&self, _nonblocking: bool) -> io::Result<()> {
        Ok(())
    }
}

/// A listener of a simulated host.
pub struct TcpListener(turmoil::net::TcpListener);

impl TcpListener {
    /// Binds the address.
    ///
    /// # Errors
    /// The host has a listener there.
    pub fn from_std(listening: Listening) -> io::Result<Self> {
        match poll_once(turmoil::net::TcpListener::bind(listening.0)) {
            Poll::Ready(bound) => bound.map(Self),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// None.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = self.0.accept().await?;
        Ok((TcpStream::new(stream), address))
    }

    /// The next connection, if there is one.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        pin!(self.accept()).poll(cx)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl axum::serve::Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        match Self::accept(self).await {
            Ok(accepted) => accepted,
            Err(_) => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

/// A connection between simulated hosts.
#[derive(Debug)]
pub struct TcpStream(Mutex<turmoil::net::TcpStream>);

impl TcpStream {
    fn new(stream: turmoil::net::TcpStream) -> Self {
        Self(Mutex::new(stream))
    }

    /// Connects to `host:port`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(address: impl turmoil::ToSocketAddrs) -> io::Result<Self> {
        turmoil::net::TcpStream::connect(address).await.map(Self::new)
    }

    /// Nothing is delayed for the sake of fewer packets.
    ///
    /// # Errors
    /// None.
    pub fn set_nodelay(&self, _nodelay: bool) -> io::Result<()> {
        Ok(())
    }

    /// The own end.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream().local_addr()
    }

    /// The other end.
    ///
    /// # Errors
    /// None.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream().peer_addr()
    }

    /// Ready when something can be written.
    ///
    /// # Errors
    /// The connection was shut down.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(self.stream().writable()).poll(cx)
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// There is no room, or the connection ended.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.stream().try_write(bytes)
    }

    /// Reads what has arrived.
    ///
    /// # Errors
    /// Nothing has, or the connection was reset.
    pub fn try_read_buf(&self, into: &mut impl BufMut) -> io::Result<usize> {
        let mut bytes = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut bytes[..READ_BYTES.min(into.remaining_mut())]);
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut *self.stream()).poll_read(&mut cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                into.put_slice(buffer.filled());
                Ok(buffer.filled().len())
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Both directions apart.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).into_split()
    }

    fn stream(&self) -> MutexGuard<'_, turmoil::net::TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_shutdown(cx)
    }
}

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
