//! Shell. One connection to the target.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use resp::{Limits, ReplyDecoder};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

use crate::plan::Password;

/// How much is read at a time.
const READ_BYTES: usize = 16 * 1024;
/// A larger reply than that is none of a server: values are at most 16 MiB.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where to connect, and how.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) password: Option<Password>,
    pub(crate) timeout: Duration,
}

/// A connection, and what has come of the next reply.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    decoder: ReplyDecoder,
    input: BytesMut,
}

impl Address {
    /// Connects and gives the password.
    ///
    /// # Errors
    /// None of the addresses takes it, or the password is refused
    /// ([`io::ErrorKind::PermissionDenied`], with the reply).
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        let connecting = async {
            let stream = TcpStream::connect(&self.addresses[..]).await?;
            stream.set_nodelay(true)?;
            let mut connection = Connection::new(stream);
            if let Some(password) = &self.password {
                connection.log_in(password).await?;
            }
            Ok(connection)
        };
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let limits = Limits { max_reply_bytes: REPLY_BYTES_MAX, ..Limits::default() };
        Self {
            stream,
            decoder: ReplyDecoder::new(limits),
            input: BytesMut::with_capacity(READ_BYTES),
        }
    }

    async fn log_in(&mut self, password: &Password) -> io::Result<()> {
        let mut out = BytesMut::new();
        resp::encode::command(&mut out, &[b"AUTH", password.reveal()]);
        let mut sent = 0;
        while !self.write(&out, &mut sent).await? {}
        let reply = loop {
            match self.next_reply()? {
                Some(reply) => break reply,
                None => self.fill().await?,
            }
        };
        if reply.starts_with(b"+") {
            return Ok(());
        }
        let text = String::from_utf8_lossy(reply.trim_ascii()).into_owned();
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    }

    /// Writes from `sent` on until all is written (true), or until something has arrived that
    /// should be taken in first (false): a server may write before it reads on.
    #[inline]
    pub(crate) async fn write(&mut self, out: &[u8], sent: &mut usize) -> io::Result<bool> {
        loop {
            let rest = out.get(*sent..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(true);
            }
            match self.stream.try_write(rest) {
                Ok(count) => *sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ready = self.stream.ready(Interest::READABLE | Interest::WRITABLE).await?;
                    if ready.is_readable() {
                        self.input.reserve(READ_BYTES);
                        match self.stream.try_read_buf(&mut self.input) {
                            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                            Ok(_) => return Ok(false),
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                            Err(error) => return Err(error),
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for more bytes.
    #[inline]
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        if self.input.capacity() - self.input.len() < READ_BYTES / 4 {
            self.input.reserve(READ_BYTES);
        }
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The next reply that is whole.
    #[inline]
    pub(crate) fn next_reply(&mut self) -> io::Result<Option<Bytes>> {
        self.decoder.decode(&mut self.input).map_err(io::Error::other)
    }
}
