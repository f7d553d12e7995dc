//! Pure. Bytes on their way to a socket: short pieces are gathered into one buffer, long ones are
//! passed on without a copy.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Pieces up to this length are copied; a copy is cheaper than another entry in a `writev`.
const COPY_MAX: usize = 8 * 1024;
/// A gathered buffer is closed at this length, so that its memory comes free piece by piece.
const GATHER_MAX: usize = 64 * 1024;
/// Slices handed to one `writev`.
pub(crate) const SLICES_MAX: usize = 16;

/// A queue of bytes.
#[derive(Debug, Default)]
pub(crate) struct Output {
    closed: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl Output {
    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a piece that may be shared.
    pub(crate) fn push(&mut self, piece: &Bytes) {
        if piece.len() <= COPY_MAX {
            self.extend(piece);
            return;
        }
        self.close_tail();
        self.len += piece.len();
        self.closed.push_back(piece.clone());
    }

    /// Appends a copy of these bytes.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        if self.tail.len() + bytes.len() > GATHER_MAX {
            self.close_tail();
        }
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Appends what the writer puts into the gathering buffer.
    pub(crate) fn write(&mut self, writer: impl FnOnce(&mut BytesMut)) {
        if self.tail.len() > GATHER_MAX {
            self.close_tail();
        }
        let before = self.tail.len();
        writer(&mut self.tail);
        self.len += self.tail.len() - before;
    }

    /// Takes bytes from the front: they were written, or will not be.
    pub(crate) fn advance(&mut self, mut n: usize) {
        self.len -= n;
        while n > 0 {
            let Some(front) = self.closed.front_mut() else {
                self.tail.advance(n);
                break;
            };
            if front.len() > n {
                front.advance(n);
                break;
            }
            n -= front.len();
            self.closed.pop_front();
        }
        if self.len == 0 {
            self.tail.clear();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.closed.clear();
        self.tail.clear();
        self.len = 0;
    }

    /// Fills `slices` from the front and answers how many there are.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let mut n = 0;
        let pieces = self.closed.iter().map(|piece| &piece[..]);
        for (slot, piece) in slices.iter_mut().zip(pieces.chain([&self.tail[..]])) {
            if !piece.is_empty() {
                *slot = IoSlice::new(piece);
                n += 1;
            }
        }
        n
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.closed.push_back(self.tail.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn bytes_come_out_as_they_went_in(
            pieces in prop::collection::vec((0..20_000_usize, any::<u8>(), any::<bool>()), 0..30),
            steps in prop::collection::vec(1..30_000_usize, 1..10),
        ) {
            let (mut output, mut expected, mut found) = (Output::default(), Vec::new(), Vec::new());
            for (len, fill, shared) in pieces {
                let piece = Bytes::from(vec![fill; len]);
                expected.extend_from_slice(&piece);
                if shared {
                    output.push(&piece);
                } else {
                    output.extend(&piece);
                }
            }
            prop_assert_eq!(output.len(), expected.len());
            for step in steps.iter().cycle() {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let n = output.slices(&mut slices);
                prop_assert_eq!(n == 0, output.is_empty());
                if n == 0 {
                    break;
                }
                let front: Vec<u8> = slices[..n].iter().flat_map(|s| s.iter().copied()).collect();
                let taken = front.len().min(*step);
                found.extend_from_slice(&front[..taken]);
                output.advance(taken);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
