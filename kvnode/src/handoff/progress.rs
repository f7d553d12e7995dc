//! Shell. How far a handoff is, for those who look: shared by its driver and the status.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use handoff::Moved;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    keys: AtomicU64,
    bytes: AtomicU64,
    total_keys: AtomicU64,
    total_bytes: AtomicU64,
    error: Mutex<Option<String>>,
}

impl Progress {
    pub(crate) fn set_moved(&self, moved: Moved) {
        self.keys.store(moved.keys, Ordering::Relaxed);
        self.bytes.store(moved.bytes, Ordering::Relaxed);
    }

    pub(crate) fn moved(&self) -> Moved {
        let (keys, bytes) = (&self.keys, &self.bytes);
        Moved { keys: keys.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }

    pub(crate) fn set_total(&self, total: Moved) {
        self.total_keys.store(total.keys, Ordering::Relaxed);
        self.total_bytes.store(total.bytes, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> Moved {
        let (keys, bytes) = (&self.total_keys, &self.total_bytes);
        Moved { keys: keys.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }

    /// The trouble that it has now, or none. Whether it is another than before.
    pub(crate) fn set_error(&self, error: Option<String>) -> bool {
        let mut known = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *known != error;
        *known = error;
        is_new
    }

    pub(crate) fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
