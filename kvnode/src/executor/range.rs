//! Shell. Pieces of cluster-wide commands: bounded work on the records of one served segment.

use bytes::Bytes;
use ring::{Arc, Point};

use super::check::check_marked;
use super::transaction::Transaction;
use super::{Blocked, Executor, Verdict};
use crate::command::connection::Session;
use crate::command::{Failure, Keyspace as _, Piece, PieceKind};
use crate::store::{BatchNo, RecordHead, RecordKey, StoreError};

/// How many records one piece looks at, whatever its limit says: a few milliseconds of work.
const MAX_PIECE_RECORDS: usize = 2_048;

/// What came out of a piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PieceDone {
    /// Where to go on; `None` when the arc was worked through.
    pub(crate) next: Option<Point>,
    /// Whether `next` is inside the segment: such a point ends in 64 zero bits.
    pub(crate) is_partial: bool,
    /// How many live keys were counted, found or removed.
    pub(crate) n_keys: u64,
    /// The found keys, where they were asked for.
    pub(crate) keys: Vec<Bytes>,
    /// The newest batch on which the answer depends.
    pub(crate) depends_on: BatchNo,
}

impl Executor {
    /// Works on the part of the piece that lies in the segment of its start.
    pub(crate) fn run_piece(
        &mut self,
        session: &mut Session,
        piece: &Piece,
    ) -> Result<PieceDone, Verdict> {
        self.try_piece(session, piece).map_err(|blocked| self.settle(session, blocked))
    }

    fn try_piece(&mut self, session: &Session, piece: &Piece) -> Result<PieceDone, Blocked> {
        let start = piece.arc.start();
        let segment = check_marked(&self.segments, session.marks(), start)
            .map_err(|refusal| self.block(session, refusal))?;
        if piece.kind == PieceKind::Flush {
            self.check_backlog()?;
            self.check_throttle(session, |arcs| arcs.intersection(&segment.into()).iter().next())?;
        }
        // It ends where the segment ends, and before whatever is refused to this router.
        let marks = session.marks().iter();
        let mark = marks.map(|mark| mark.start()).find(|mark| *mark > start);
        let last = segment.last().min(mark.and_then(Point::previous).unwrap_or(Point::MAX));
        let arc = Arc::new(start, piece.arc.last().min(last)).unwrap_or(segment);
        let mut done = self.scan_piece(arc, piece).map_err(Failure::from)?;
        if done.next.is_some() {
            done.is_partial = true;
        } else if piece.arc.last() > last {
            done.next = last.next();
        }
        Ok(done)
    }

    fn scan_piece(&mut self, arc: Arc, piece: &Piece) -> Result<PieceDone, StoreError> {
        let limit = piece.limit.min(MAX_PIECE_RECORDS);
        let now_ms = self.clock.expiry_now();
        let mut done = PieceDone::default();
        let mut removals = Vec::new();
        let (mut n_seen, mut last_half) = (0, None);
        let mut scan = self.writer.scan_from(arc, None);
        for entry in &mut scan {
            let (key, record) = entry?;
            let half = key.point().0 >> 64;
            if n_seen >= limit && last_half != Some(half) {
                done.next = Some(Point(half << 64).max(arc.start()));
                break;
            }
            n_seen += 1;
            last_half = Some(half);
            if RecordHead::decode(&record)?.is_live(now_ms) {
                done.take(&piece.kind, key, &mut removals);
            }
        }
        done.depends_on = scan.depends_on();
        drop(scan);
        if !removals.is_empty() {
            let mut transaction = Transaction::new(&mut self.writer, &self.clock, &self.captures);
            removals.iter().try_for_each(|key| transaction.remove(key))?;
            done.depends_on = transaction.depends_on();
        }
        Ok(done)
    }
}

impl PieceDone {
    fn take(&mut self, kind: &PieceKind, key: RecordKey, removals: &mut Vec<RecordKey>) {
        match kind {
            PieceKind::Count => {}
            PieceKind::Flush => removals.push(key),
            PieceKind::Keys(options) if options.fit(key.key()) => {
                self.keys.push(Bytes::copy_from_slice(key.key()));
            }
            PieceKind::Keys(_) => return,
        }
        self.n_keys += 1;
    }
}
