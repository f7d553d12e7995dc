//! Shell. The receiving of one stream: records are applied in batches, and confirmed once they are
//! on disk.

use std::time::Duration;

use bytes::Bytes;
use handoff::{Cursor, Moved, TargetEvent, TargetFacts, TargetState};
use planted::Bug;
use shell::clock::Clock;

use super::{Driver, Trouble};
use crate::handoff::blocking;
use crate::handoff::link::{Link, LinkError};
use crate::handoff::wire::{End, Received, ToSource, ToTarget};
use crate::store::RecordKey;

/// Applied at once, at most one frame more.
const APPLY_BYTES: usize = 1 << 20;
/// A stream that pauses for this long is confirmed.
const IDLE: Duration = Duration::from_millis(1);
/// A stream that goes on is confirmed this often.
const CONFIRM_EVERY: Duration = Duration::from_millis(20);

/// A connection of the source, and what came on it.
pub(super) struct Connection {
    pub(super) link: Link,
    /// What the source says that it has sent all of.
    pub(super) claimed: Cursor,
    records: Vec<(RecordKey, Bytes)>,
    n_bytes: usize,
    received_bytes: u64,
    is_unconfirmed: bool,
    heard_at: Duration,
    confirmed_at: Duration,
}

impl Connection {
    pub(super) const fn new(link: Link, now: Duration) -> Self {
        Self {
            link,
            claimed: Cursor { point: None, watermark: 0 },
            records: Vec::new(),
            n_bytes: 0,
            received_bytes: 0,
            is_unconfirmed: false,
            heard_at: now,
            confirmed_at: now,
        }
    }

    /// When to confirm.
    pub(super) fn confirm_in(&self, now: Duration) -> Option<Duration> {
        let at = (self.heard_at + IDLE).min(self.confirmed_at + CONFIRM_EVERY);
        self.is_unconfirmed.then(|| at.saturating_sub(now))
    }
}

impl Driver {
    /// One frame of the source.
    pub(super) async fn take(&mut self, frame: Result<Bytes, LinkError>) {
        let taken = self.try_take(frame).await;
        self.check(taken);
    }

    async fn try_take(&mut self, frame: Result<Bytes, LinkError>) -> Result<(), Trouble> {
        let frame = frame?;
        let n_bytes = frame.len() as u64 + 4;
        let now = self.context.time.monotonic();
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.heard_at = now;
        let is_receiving = self.state == TargetState::Receiving;
        match ToTarget::decode(frame)? {
            ToTarget::Token(_) | ToTarget::Hello(_) => {
                return Err(Trouble::Protocol("a second greeting"));
            }
            ToTarget::Chunk(records) => {
                connection.received_bytes += n_bytes;
                if is_receiving {
                    self.keep(records)?;
                }
            }
            ToTarget::Watermark(cursor) => {
                connection.claimed = cursor;
                connection.is_unconfirmed = is_receiving;
            }
            ToTarget::Heartbeat { total } => {
                self.progress.set_total(total);
                if !connection.is_unconfirmed {
                    self.send_confirmation();
                }
            }
            ToTarget::End(end) => return self.end(end).await,
            ToTarget::DecideNow => {
                return self.decide(TargetEvent::DecideNow, TargetFacts::default()).await;
            }
            ToTarget::Given => {
                return self.decide(TargetEvent::Given, TargetFacts::default()).await;
            }
            ToTarget::Dropped => {
                return self.decide(TargetEvent::Dropped, TargetFacts::default()).await;
            }
        }
        self.work_off(now).await
    }

    fn keep(&mut self, records: Vec<(RecordKey, Bytes)>) -> Result<(), Trouble> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        for (key, record) in &records {
            if !self.terms.arcs.contains(key.point()) {
                return Err(Trouble::Protocol("a record lies outside of the arcs"));
            }
            // It would never be found again.
            if !key.point_fits_key() {
                return Err(Trouble::Protocol("a record does not lie at the point of its key"));
            }
            connection.n_bytes += key.as_bytes().len() + record.len();
        }
        connection.is_unconfirmed = true;
        connection.records.extend(records);
        Ok(())
    }

    /// Applies what has become much, and confirms what has become old.
    async fn work_off(&mut self, now: Duration) -> Result<(), Trouble> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let is_old = now.saturating_sub(connection.confirmed_at) >= CONFIRM_EVERY;
        if connection.is_unconfirmed && is_old {
            return self.confirm().await;
        }
        if connection.n_bytes >= APPLY_BYTES {
            return self.apply().await;
        }
        Ok(())
    }

    /// Applies what came, with the note of how far that is, in one commit.
    async fn apply(&mut self) -> Result<(), Trouble> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let (records, cursor) = (std::mem::take(&mut connection.records), connection.claimed);
        connection.n_bytes = 0;
        if records.is_empty() && cursor == self.received.cursor {
            return Ok(());
        }
        if self.context.store.is_disk_full() {
            return Err(Trouble::DiskFull);
        }
        let (store, name, before) = (self.context.store.clone(), self.note_name(), self.received);
        let work = blocking(move || {
            let mut received = before;
            let applied = store.apply_noting(&records, |applied, is_last| {
                let keys = before.moved.keys.saturating_add_signed(applied.n_new_keys);
                let bytes = before.moved.bytes + applied.n_newer_bytes;
                let cursor = if is_last { cursor } else { before.cursor };
                received = Received { cursor, moved: Moved { keys, bytes } };
                Some((Bytes::copy_from_slice(&name), received.encode()))
            })?;
            Ok((applied, received))
        });
        let (applied, received) = work.await.map_err(Trouble::Store)?;
        let observed = self.context.clock.observe(applied.max_version);
        observed.map_err(|error| Trouble::Store(error.to_string()))?;
        self.received = received;
        self.progress.set_moved(received.moved);
        Ok(())
    }

    /// Brings to disk what came, and tells the source so.
    pub(super) async fn confirm(&mut self) -> Result<(), Trouble> {
        self.apply().await?;
        let store = self.context.store.clone();
        blocking(move || store.sync()).await.map_err(Trouble::Store)?;
        self.send_confirmation();
        self.progress.set_error(None);
        if planted::is(Bug::TargetServesOnFirstBatch) && self.received.moved.keys > 0 {
            self.decide(TargetEvent::Reached, TargetFacts::default()).await?;
        }
        Ok(())
    }

    fn send_confirmation(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        connection.is_unconfirmed = false;
        connection.confirmed_at = self.context.time.monotonic();
        let confirmation = ToSource::Confirm {
            cursor: self.received.cursor,
            received_bytes: connection.received_bytes,
            moved: self.received.moved,
        };
        connection.link.send(confirmation.encode());
    }

    /// The stream is complete: decide. The durable record brings the applied records to disk with
    /// it, as it is stamped in the same store.
    async fn end(&mut self, end: End) -> Result<(), Trouble> {
        if self.state == TargetState::Receiving {
            self.apply().await?;
            let last = self.terms.arcs.iter().next_back().map(|arc| arc.last());
            let reached =
                last.is_some_and(|last| self.received.cursor.reaches(last, end.watermark));
            if !reached {
                return Err(Trouble::Protocol("END came before what it ends"));
            }
        }
        let moved = self.received.moved;
        let facts = TargetFacts {
            version_clock: end.version_clock,
            wall_clock_ms: end.wall_clock_ms,
            moved,
        };
        let before = self.state;
        self.decide(TargetEvent::Reached, facts).await?;
        if before == TargetState::Receiving {
            self.context.metrics.count_received(moved.keys, moved.bytes);
        }
        tracing::debug!(id = %self.id, attempt = end.attempt, "handoff: the stream is complete");
        Ok(())
    }
}
