//! Shell. Messages over a connection.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Chunk, MAX_FRAME_BYTES, MAX_GREETING_BYTES, Message, WireError, decode, encode};

/// The buffer for messages that are about to be written keeps at most this.
const KEPT_BYTES: usize = 64 * 1024;

/// Why a message did not come, or did not go out.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The other side closed the connection between two messages.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The two sides do not understand each other.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// The reading half. The first message may have [`MAX_GREETING_BYTES`], later ones
/// [`MAX_FRAME_BYTES`].
#[derive(Debug)]
pub struct Receiver<R> {
    reader: R,
    buffer: BytesMut,
    max_bytes: usize,
}

impl<R: AsyncRead + Unpin> Receiver<R> {
    /// Nothing is read yet.
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: BytesMut::new(), max_bytes: MAX_GREETING_BYTES }
    }

    /// The next message. Cancel safe: what was read of it is kept.
    ///
    /// # Errors
    /// The connection has ended or is of no more use.
    pub async fn receive<M: Message>(&mut self) -> Result<M, StreamError> {
        loop {
            if let Some(message) = decode(&mut self.buffer, self.max_bytes)? {
                self.max_bytes = MAX_FRAME_BYTES;
                return Ok(message);
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
                let is_clean = self.buffer.is_empty();
                return Err(if is_clean { StreamError::Closed } else { cut.into() });
            }
        }
    }
}

/// The writing half. Not cancel safe: a message that was cut off ends the connection.
#[derive(Debug)]
pub struct Sender<W> {
    writer: W,
    buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> Sender<W> {
    /// Nothing is written yet.
    pub fn new(writer: W) -> Self {
        Self { writer, buffer: BytesMut::new() }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The connection broke, or the message breaks a bound of the protocol.
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), StreamError> {
        encode(message, &mut self.buffer)?;
        self.writer.write_all(&self.buffer).await?;
        self.buffer.clear();
        if self.buffer.capacity() > KEPT_BYTES {
            self.buffer = BytesMut::new();
        }
        Ok(self.writer.flush().await?)
    }

    /// Sends the records of the chunk, which is empty then; the answer is the length of the frame,
    /// 0 where there was nothing to send.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send_chunk(&mut self, chunk: &mut Chunk) -> Result<usize, StreamError> {
        let Some(frame) = chunk.take_frame()? else { return Ok(0) };
        self.writer.write_all(&frame).await?;
        self.writer.flush().await?;
        Ok(frame.len())
    }
}
