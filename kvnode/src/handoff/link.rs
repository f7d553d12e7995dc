//! Shell. One connection between source and target: frames in, frames out.
//!
//! Frames are written by a task of their own, so that a peer that does not read never keeps a
//! driver from hearing it. What waits to be written is bounded by the source's window; a target
//! answers in few bytes.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use shell::net::{OwnedReadHalf, OwnedWriteHalf, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::wire::{MAX_FRAME_BYTES, MAX_SHORT_FRAME_BYTES, WireError, frame_len};

const READ_BYTES: usize = 64 << 10;

/// Why a connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the connection ended")]
    Ended,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the peer does not follow the protocol: {0}")]
    Wire(#[from] WireError),
}

/// Both directions of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    from: OwnedReadHalf,
    buffer: BytesMut,
    max_frame_bytes: usize,
    to: mpsc::UnboundedSender<Bytes>,
}

impl Link {
    pub(crate) fn new(stream: TcpStream) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off delays on a peer connection");
        }
        let (from, into) = stream.into_split();
        let (to, frames) = mpsc::unbounded_channel();
        tokio::spawn(write(into, frames));
        Self { from, buffer: BytesMut::new(), max_frame_bytes: MAX_SHORT_FRAME_BYTES, to }
    }

    /// The peer has greeted and may send records, which are long.
    pub(crate) const fn expect_records(&mut self) {
        self.max_frame_bytes = MAX_FRAME_BYTES;
    }

    /// Sends a frame; that it was not sent shows when the link is read.
    pub(crate) fn send(&self, frame: Bytes) {
        let _ = self.to.send(frame);
    }

    /// The next frame without its length. May be dropped at any time and called again.
    pub(crate) async fn next(&mut self) -> Result<Bytes, LinkError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(frame);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), LinkError> {
        self.buffer.reserve(READ_BYTES);
        match self.from.read_buf(&mut self.buffer).await? {
            0 => Err(LinkError::Ended),
            _ => Ok(()),
        }
    }

    /// The next frame, if it has come already.
    pub(crate) fn buffered(&mut self) -> Result<Option<Bytes>, LinkError> {
        let Some(length) = frame_len(&self.buffer, self.max_frame_bytes)? else { return Ok(None) };
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

/// Ends when the link is dropped and everything is written, or the peer is gone.
async fn write(mut into: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<Bytes>) {
    while let Some(frame) = frames.recv().await {
        if let Err(error) = into.write_all(&frame).await {
            tracing::debug!(%error, "a peer connection ended");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use shell::net::TcpListener;

    use super::*;

    /// What comes of a first frame that announces so many bytes and is that long.
    async fn receive(announced: usize, from_a_source: bool) -> Result<usize, LinkError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let peer = TcpStream::connect(listener.local_addr()?).await?;
        let mut link = Link::new(listener.accept().await?.0);
        if from_a_source {
            link.expect_records();
        }
        let length = u32::try_from(announced).expect("a length");
        let peer = Link::new(peer);
        peer.send(Bytes::copy_from_slice(&length.to_be_bytes()));
        peer.send(Bytes::from(vec![0; announced.min(MAX_SHORT_FRAME_BYTES + 1)]));
        link.next().await.map(|frame| frame.len())
    }

    #[tokio::test]
    async fn a_stranger_gets_little_memory() {
        let limit = MAX_SHORT_FRAME_BYTES;
        assert_eq!(receive(limit, false).await.expect("taken"), limit);
        let refused = receive(limit + 1, false).await;
        assert!(matches!(refused, Err(LinkError::Wire(WireError::TooLong { .. }))), "{refused:?}");
        assert_eq!(receive(limit + 1, true).await.expect("taken"), limit + 1);
    }
}
