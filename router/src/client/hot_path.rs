//! Shell. A client without a connection, whose answers go nowhere; see [`crate::hot_paths`].

use std::rc::Rc;

use tokio::time::Instant;

use super::{Client, Sink};
use crate::shard::Shard;

/// Room for the next read.
const READ_BYTES: usize = 64 * 1024;

impl Client {
    pub(crate) fn unconnected(shard: &Shard) -> Rc<Self> {
        Self::new(Sink::Once(None), shard)
    }

    /// These bytes came from it.
    pub(crate) fn receive(client: &Rc<Self>, bytes: &[u8], shard: &Shard, now: Instant) {
        let mut core = client.core.borrow_mut();
        core.input.reserve(READ_BYTES);
        core.input.extend_from_slice(bytes);
        drop(core);
        Self::pump(client, shard, now);
    }

    /// Whether everything that has arrived is answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.core.borrow().is_idle()
    }
}
