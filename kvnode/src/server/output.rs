//! Pure. The replies of one connection on their way out: in order, and none before the batch on
//! which it depends is released.

use std::collections::VecDeque;

use bytes::{Buf as _, BytesMut};

use crate::store::BatchNo;

/// An empty buffer that has grown past this is given back.
const KEPT_CAPACITY_BYTES: usize = 64 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: BytesMut,
    /// How many bytes have left the buffer.
    n_written: u64,
    /// Bytes from `start` on wait for the batch; both rise from gate to gate.
    gates: VecDeque<Gate>,
}

#[derive(Debug)]
struct Gate {
    start: u64,
    batch: BatchNo,
}

impl Output {
    /// Appends what `encode` writes, to go out when the batch is released, and all before it.
    pub(super) fn push(
        &mut self,
        batch: BatchNo,
        released: BatchNo,
        encode: impl FnOnce(&mut BytesMut),
    ) {
        let newest = self.gates.back().map_or(released, |gate| gate.batch);
        if batch > newest {
            let start = self.n_written + self.bytes.len() as u64;
            self.gates.push_back(Gate { start, batch });
        }
        encode(&mut self.bytes);
    }

    /// The bytes that may go out.
    pub(super) fn ready(&mut self, released: BatchNo) -> &[u8] {
        while self.gates.front().is_some_and(|gate| gate.batch <= released) {
            self.gates.pop_front();
        }
        let end = self.gates.front().map_or(u64::MAX, |gate| gate.start - self.n_written);
        let end = usize::try_from(end).unwrap_or(usize::MAX).min(self.bytes.len());
        self.bytes.get(..end).unwrap_or_default()
    }

    /// Forgets bytes that went out.
    pub(super) fn consume(&mut self, n_bytes: usize) {
        self.bytes.advance(n_bytes);
        self.n_written += n_bytes as u64;
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_CAPACITY_BYTES {
            self.bytes = BytesMut::new();
        }
    }

    /// Whether some bytes wait for a batch.
    pub(super) fn is_gated(&self) -> bool {
        !self.gates.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
