//! Shell. The keyspace that one command sees: the writer's records, with versions from the clock
//! and a copy of every write for the handoffs that want it.

use std::sync::Arc as Shared;

use bytes::Bytes;
use handoff::{HandoffId, Version};
use planted::Bug;
use ring::ArcSet;

use super::{CaptureQueue, Captured};
use crate::command::{Entry, Keyspace};
use crate::store::{BatchNo, HybridClock, Record, RecordKey, StoreError, Writer};

/// An open capture.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) id: HandoffId,
    pub(super) arcs: ArcSet,
    pub(super) queue: Shared<CaptureQueue>,
}

/// One command's reads and writes.
pub(super) struct Transaction<'a> {
    writer: &'a mut Writer,
    clock: &'a HybridClock,
    captures: &'a [Capture],
    now_ms: u64,
    depends_on: BatchNo,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(
        writer: &'a mut Writer,
        clock: &'a HybridClock,
        captures: &'a [Capture],
    ) -> Self {
        let now_ms = clock.expiry_now();
        Self { writer, clock, captures, now_ms, depends_on: 0 }
    }

    /// The newest batch on which an answer depends, by what it read and wrote.
    pub(super) const fn depends_on(&self) -> BatchNo {
        self.depends_on
    }

    fn write(&mut self, key: &RecordKey, record: &Record) {
        self.depends_on = self.writer.open_batch();
        let encoded = record.encode();
        for capture in self.captures.iter().filter(|capture| capture.arcs.contains(key.point())) {
            if planted::is(Bug::DropWritesDuringCopy) {
                continue;
            }
            capture.queue.push(Captured {
                batch: self.depends_on,
                version: record.version,
                key: key.clone(),
                record: encoded.clone(),
            });
        }
        self.writer.put(key.clone(), encoded, record.expiry_ms);
    }
}

impl Keyspace for Transaction<'_> {
    fn get(&mut self, key: &RecordKey) -> Result<Option<Entry>, StoreError> {
        let (record, batch) = self.writer.get(key)?;
        self.depends_on = self.depends_on.max(batch);
        let now_ms = self.now_ms;
        let live = record.filter(|record| record.is_live(now_ms));
        Ok(live.and_then(|Record { version, expiry_ms, value }| {
            value.map(|value| Entry { value, expiry_ms, version })
        }))
    }

    fn put(
        &mut self,
        key: &RecordKey,
        value: Bytes,
        expiry_ms: Option<u64>,
    ) -> Result<Version, StoreError> {
        let version = self.clock.next_version();
        self.write(key, &Record { version, expiry_ms, value: Some(value) });
        Ok(version)
    }

    fn remove(&mut self, key: &RecordKey) -> Result<(), StoreError> {
        let is_captured = self.captures.iter().any(|capture| capture.arcs.contains(key.point()));
        if is_captured && !planted::is(Bug::DelNotTransferred) {
            self.write(key, &Record::tombstone(self.clock.next_version()));
        } else {
            self.depends_on = self.writer.open_batch();
            self.writer.remove(key.clone());
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.now_ms
    }
}
