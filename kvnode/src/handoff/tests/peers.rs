//! One real node against a peer of the test's making, to hold a handoff at any point.

mod source;
mod target;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use bytes::{Buf as _, Bytes, BytesMut};
use handoff::{HandoffId, Incarnation, Server};

use crate::handoff::wire::{MAX_FRAME_BYTES, frame_len};

const ID: HandoffId = HandoffId(7);
const EPOCH: u64 = 5;

fn stranger() -> Server {
    Server { name: "x".to_owned(), incarnation: Incarnation(0x99) }
}

/// The test's end of a connection.
struct Peer {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    fn send(&mut self, frame: &Bytes) {
        // The node may have ended the connection; that shows when it is read.
        let _ = self.stream.write_all(frame);
    }

    /// The next frame, or `None` when the node has ended the connection.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(length) = frame_len(&self.buffer, MAX_FRAME_BYTES).unwrap()
                && self.buffer.len() >= 4 + length
            {
                self.buffer.advance(4);
                return Some(self.buffer.split_to(length).freeze());
            }
            let mut piece = [0; 65_536];
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(n_read) => self.buffer.extend_from_slice(&piece[..n_read]),
            }
        }
    }
}
