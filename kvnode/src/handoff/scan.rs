//! Shell. Reads the durable records of a handoff's arcs in point order, piece by piece, on a thread
//! for blocking work.

use std::time::Duration;

use bytes::Bytes;
use handoff::{Cursor, Version};
use planted::Bug;
use ring::{ArcSet, Point};
use shell::clock::{Clock, SystemClock};
use tokio::sync::mpsc;

use super::blocking;
use super::wire::RECORD_OVERHEAD_BYTES;
use crate::store::{Record, RecordHead, RecordKey, Store, StoreError};

/// Records that a piece looks at, sent or not.
const MAX_SEEN: usize = 8_192;
/// Pieces that are read ahead.
const READ_AHEAD: usize = 1;

/// A piece of a scan.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) records: Vec<(RecordKey, Bytes)>,
    pub(crate) n_bytes: usize,
    /// The newest of them.
    max_version: Version,
    /// Every record up to this point has been seen.
    pub(crate) passed: Option<Point>,
    pub(crate) is_last: bool,
    /// How long it took to read.
    pub(crate) reading: Duration,
}

/// Scans from a cursor; the scan ends when the receiver is dropped. Writes up to the version
/// `durable` are on disk; a piece that has newer ones comes when these are as well, so that a
/// target never holds a write that its source could lose.
pub(crate) fn start(
    store: Store,
    arcs: ArcSet,
    from: Cursor,
    durable: Version,
    chunk_bytes: usize,
) -> mpsc::Receiver<Result<Piece, String>> {
    let (pieces, receiver) = mpsc::channel(READ_AHEAD);
    let time = SystemClock::new();
    let mut scan = Scan { store, arcs, from, durable, chunk_bytes, after: None, time };
    tokio::spawn(async move {
        loop {
            let read = blocking(move || {
                let piece = scan.next_durable()?;
                Ok((scan, piece))
            });
            let piece = match read.await {
                Ok((back, piece)) => {
                    scan = back;
                    piece
                }
                Err(error) => {
                    let _ = pieces.send(Err(error)).await;
                    return;
                }
            };
            let ends = piece.is_last;
            if pieces.send(Ok(piece)).await.is_err() || ends {
                return;
            }
        }
    });
    receiver
}

struct Scan {
    store: Store,
    arcs: ArcSet,
    from: Cursor,
    durable: Version,
    chunk_bytes: usize,
    after: Option<RecordKey>,
    time: SystemClock,
}

impl Scan {
    fn next_durable(&mut self) -> Result<Piece, StoreError> {
        let began = self.time.monotonic();
        let mut piece = self.next()?;
        piece.reading = self.time.monotonic().saturating_sub(began);
        if piece.max_version > self.durable {
            self.store.sync()?;
            self.durable = piece.max_version;
        }
        Ok(piece)
    }

    fn next(&mut self) -> Result<Piece, StoreError> {
        let mut piece = Piece::default();
        let mut n_seen = 0;
        let arcs = self.arcs.clone();
        for arc in arcs.iter() {
            if self.after.as_ref().is_some_and(|after| after.point() > arc.last()) {
                continue;
            }
            for entry in self.store.scan(arc, self.after.as_ref()) {
                let (key, record) = entry?;
                let head = RecordHead::decode(&record)?;
                let record = if planted::is(Bug::TtlLostInTransfer) {
                    Record { expiry_ms: None, ..Record::decode(record)? }.encode()
                } else {
                    record
                };
                if self.from.lacks(key.point(), head.version) {
                    piece.n_bytes += key.as_bytes().len() + record.len() + RECORD_OVERHEAD_BYTES;
                    piece.max_version = piece.max_version.max(head.version);
                    piece.records.push((key.clone(), record));
                }
                n_seen += 1;
                if piece.n_bytes >= self.chunk_bytes || n_seen >= MAX_SEEN {
                    // Another key may lie on the same point.
                    piece.passed = key.point().previous();
                    self.after = Some(key);
                    return Ok(piece);
                }
            }
            piece.passed = Some(arc.last());
        }
        piece.is_last = true;
        piece.passed = arcs.iter().next_back().map(|arc| arc.last());
        Ok(piece)
    }
}

#[cfg(test)]
mod tests;
