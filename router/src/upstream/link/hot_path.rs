//! Shell. A connection to a server of which there is nothing but its queue; see
//! [`crate::hot_paths`].

use std::io::IoSlice;

use tokio::time::Instant;

use super::Upstream;
use crate::output::SLICES_MAX;

impl Upstream {
    /// Hands everything that is queued to `socket`, as if it took all of it.
    pub(crate) fn write(&self, now: Instant, mut socket: impl FnMut(&[u8])) {
        let mut queue = self.queue.borrow_mut();
        while !queue.output().is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let n = queue.output().slices(&mut slices);
            let pieces = slices.get(..n).unwrap_or_default();
            pieces.iter().for_each(|piece| socket(piece));
            let n_bytes = pieces.iter().map(|piece| piece.len()).sum();
            queue.wrote(n_bytes, now);
        }
    }
}
