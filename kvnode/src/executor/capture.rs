//! Shell. Writes on their way from the data thread to the source driver of a handoff.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use handoff::Version;
use tokio::sync::Notify;

use crate::store::{BatchNo, RecordKey};

/// What an entry costs beside its bytes.
const ENTRY_OVERHEAD_BYTES: usize = 64;

/// One write: the whole new record, tombstones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The batch that holds it; it may be streamed when that batch is durable.
    pub batch: BatchNo,
    /// Its version.
    pub version: Version,
    /// Its key.
    pub key: RecordKey,
    /// The encoded record.
    pub record: Bytes,
}

/// The writes of one capture in the order in which they were made.
///
/// It is soft-bounded: past `limit_bytes` the data thread holds further writes on its arcs, so it
/// grows past the limit by one command at most.
#[derive(Debug)]
pub struct CaptureQueue {
    limit_bytes: usize,
    inner: Mutex<Inner>,
    pushed: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Captured>,
    bytes: usize,
    last_version: Version,
}

impl CaptureQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, inner: Mutex::default(), pushed: Notify::new(), drained: Notify::new() }
    }

    /// Appends a write. Batches come in rising order.
    pub fn push(&self, entry: Captured) {
        let mut inner = self.lock();
        inner.bytes += cost(&entry);
        inner.last_version = inner.last_version.max(entry.version);
        inner.entries.push_back(entry);
        drop(inner);
        self.pushed.notify_one();
    }

    /// Takes writes of batches up to `durable`, in order, about `max_bytes` of them (one at least).
    pub fn drain_durable(&self, durable: BatchNo, max_bytes: usize) -> Vec<Captured> {
        let mut inner = self.lock();
        let was_over = inner.bytes >= self.limit_bytes;
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < max_bytes || taken.is_empty() {
            if inner.entries.front().is_none_or(|entry| entry.batch > durable) {
                break;
            }
            let Some(entry) = inner.entries.pop_front() else { break };
            bytes += cost(&entry);
            taken.push(entry);
        }
        inner.bytes = inner.bytes.saturating_sub(bytes);
        let is_over = inner.bytes >= self.limit_bytes;
        drop(inner);
        if was_over && !is_over {
            self.drained.notify_waiters();
        }
        taken
    }

    /// Whether writers have to wait.
    #[must_use]
    pub fn over_limit(&self) -> bool {
        self.lock().bytes >= self.limit_bytes
    }

    /// What waits in it.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// How many writes wait in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether nothing waits in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// The highest version ever pushed; 0 before the first.
    #[must_use]
    pub fn last_version(&self) -> Version {
        self.lock().last_version
    }

    /// Ends when something was pushed since the last call. For one waiter.
    pub async fn pushed(&self) {
        self.pushed.notified().await;
    }

    /// Ends at the next fall below the limit. To miss none: create it, then ask `over_limit`, then
    /// await it.
    pub fn drained(&self) -> tokio::sync::futures::Notified<'_> {
        self.drained.notified()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(entry: &Captured) -> usize {
    entry.key.as_bytes().len() + entry.record.len() + ENTRY_OVERHEAD_BYTES
}
