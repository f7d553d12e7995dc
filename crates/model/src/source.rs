//! Pure. The stream of a handoff at its source: a scan of what is stored, captured writes, and what
//! each answer of the target makes of them.

use handoff::invariants::{Stored, Violation};
use handoff::{Cursor, HandoffId, SourceEvent, SourceState, Version};
use ring::{ArcSet, Point};

use crate::mutant::Mutant;
use crate::network::{Answer, Frame};
use crate::node::{Outcome, Shell};

/// What a source knows of its stream, until it stops.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sending {
    /// Writes captured and not sent.
    pub queue: Vec<(Point, Stored)>,
    /// What is not in the queue has a version up to this one.
    pub base: Version,
    /// What is sent on this connection, since the target has told how far it is.
    pub stream: Option<Stream>,
    /// Whether the freeze is in force.
    pub held: bool,
    /// The version clock of the latest END.
    pub end_clock: Option<Version>,
    /// The target is asked to decide as soon as it can be.
    pub wants_decision: bool,
    /// It has been asked on this connection.
    pub has_asked: bool,
}

/// What is being sent on one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// From where.
    pub from: Cursor,
    /// Every write up to this version was durable when the scan began, or is captured.
    pub base: Version,
    /// Known to be on disk.
    pub synced: Version,
    /// The newest captured write that was sent.
    pub drained: Version,
    /// What the scan has read and not sent.
    pub ahead: Option<Vec<(Point, Stored)>>,
    /// The last point that the scan has looked at.
    pub scanned: Option<Point>,
    /// The last point of which nothing is missing.
    pub passed: Option<Point>,
    /// Whether the scan is done.
    pub done: bool,
}

impl Sending {
    pub(crate) fn copying(base: Version) -> Self {
        Self { base, ..Self::default() }
    }

    pub(crate) fn frozen() -> Self {
        Self { held: true, ..Self::default() }
    }

    pub(crate) fn capture(&mut self, point: Point, stored: Stored) {
        self.queue.push((point, stored));
    }

    /// Lets go of what waits; a scan that begins after it finds it on disk.
    fn discard(&mut self) {
        if let Some((_, last)) = self.queue.last() {
            self.base = self.base.max(last.version);
        }
        self.queue.clear();
    }

    pub(crate) fn disconnect(&mut self) {
        self.discard();
        self.stream = None;
        self.has_asked = false;
    }
}

impl Stream {
    /// Below the point from which the stream goes on nothing new is claimed before the scan has
    /// passed it.
    fn claim(&self) -> Option<Cursor> {
        let point = self.passed?;
        let watermark = self.base.max(self.drained);
        let is_ahead = self.from.point.is_none_or(|passed| point >= passed);
        is_ahead.then_some(Cursor { point: Some(point), watermark })
    }
}

fn last_of(arcs: &ArcSet) -> Option<Point> {
    arcs.iter().next_back().map(|arc| arc.last())
}

impl Shell<'_> {
    fn send(&mut self, id: HandoffId, frame: Frame) {
        if let Some(link) = self.links.of_source(self.node.index, id)
            && link.at_target != crate::network::TargetEnd::Closed
        {
            link.frames.push(frame);
        }
    }

    /// The next answer that the source hears.
    pub(crate) fn hear(&mut self, id: HandoffId) -> Outcome {
        let Some(link) = self.links.of_source(self.node.index, id) else { return Ok(()) };
        if link.answers.is_empty() {
            return Ok(());
        }
        match link.answers.remove(0) {
            Answer::Yes => self.source(id, SourceEvent::Yes),
            Answer::No => self.source(id, SourceEvent::No),
            Answer::Settled => self.source(id, SourceEvent::Settled),
            Answer::NotYet(cursor) => {
                self.source(id, SourceEvent::NotYet)?;
                self.go_on(id, cursor);
                Ok(())
            }
        }
    }

    /// Streams from where the target is; a source that wants a decision asks for that instead.
    fn go_on(&mut self, id: HandoffId, from: Cursor) {
        let state = self.node.decisions.handoffs()[&id].source();
        let clock = self.node.clock;
        let Some(sending) = self.node.sending.get_mut(&id) else { return };
        sending.discard();
        let base = if state == Some(SourceState::Frozen) { clock } else { sending.base };
        if state == Some(SourceState::Frozen) && sending.wants_decision {
            sending.has_asked = true;
            return self.send(id, Frame::DecideNow);
        }
        sending.stream = Some(Stream {
            from,
            base,
            synced: base,
            drained: 0,
            ahead: None,
            scanned: None,
            passed: None,
            done: false,
        });
        if self.node.durable < base && !self.is_planted(Mutant::StreamsUndurable) {
            self.node.sync();
        }
    }

    /// Reads the next piece of the scan, of at most so many records. What is read ahead may be
    /// overtaken by captured writes.
    pub(crate) fn read_piece(&mut self, id: HandoffId, chunk: usize) {
        let arcs = &self.node.decisions.handoffs()[&id].arcs;
        let by_point = self.planted == Some(Mutant::ResumesByPoint);
        let undurable = self.planted == Some(Mutant::StreamsUndurable);
        let Some(sending) = self.node.sending.get_mut(&id) else { return };
        let Some(stream) = &mut sending.stream else { return };
        let (from, scanned) = (stream.from, stream.scanned);
        let lacks = |point: Point, version: Version| {
            let beyond = from.point.is_none_or(|passed| point > passed);
            if by_point { beyond } else { from.lacks(point, version) }
        };
        let records = self.node.store.records.iter().filter(|((point, _), stored)| {
            arcs.contains(*point)
                && scanned.is_none_or(|passed| *point > passed)
                && lacks(*point, stored.version)
        });
        let piece: Vec<(Point, Stored)> =
            records.take(chunk).map(|((point, _), stored)| (*point, *stored)).collect();
        stream.scanned = piece.last().map(|(point, _)| *point).or(stream.scanned);
        let newest = piece.iter().map(|(_, stored)| stored.version).max().unwrap_or(0);
        let is_undurable = newest > stream.synced;
        stream.synced = stream.synced.max(newest);
        stream.ahead = Some(piece);
        if is_undurable && !undurable {
            self.node.sync();
        }
    }

    /// Sends the piece that was read; after the last one of a frozen source END.
    pub(crate) fn send_piece(&mut self, id: HandoffId, chunk: usize) {
        let arcs = &self.node.decisions.handoffs()[&id].arcs;
        let is_frozen = self.node.decisions.handoffs()[&id].source() == Some(SourceState::Frozen);
        let last = last_of(arcs);
        let Some(sending) = self.node.sending.get_mut(&id) else { return };
        let Some(stream) = &mut sending.stream else { return };
        let Some(piece) = stream.ahead.take() else { return };
        stream.done = piece.len() < chunk;
        // Another key may lie on the same point.
        let passed = stream.scanned.and_then(Point::previous);
        stream.passed = if stream.done { last } else { passed };
        let (claim, done) = (stream.claim(), stream.done);
        self.send(id, Frame::Piece(piece, claim));
        if done && is_frozen {
            self.send_end(id);
        }
    }

    /// Sends captured writes that are on disk.
    pub(crate) fn drain(&mut self, id: HandoffId) {
        let durable = self.node.durable;
        let undurable = self.is_planted(Mutant::StreamsUndurable);
        let Some(sending) = self.node.sending.get_mut(&id) else { return };
        let Some(stream) = &mut sending.stream else { return };
        let is_durable = |(_, one): &&(Point, Stored)| undurable || one.version <= durable;
        let n_durable = sending.queue.iter().take_while(is_durable).count();
        let records: Vec<(Point, Stored)> = sending.queue.drain(..n_durable).collect();
        let Some((_, last)) = records.last() else { return };
        stream.drained = stream.drained.max(last.version);
        let claim = stream.claim();
        self.send(id, Frame::Piece(records, claim));
    }

    /// Step 3: FROZEN is recorded. Until it is in force commands still run.
    pub(crate) fn freeze(&mut self, id: HandoffId) -> Outcome {
        self.source(id, SourceEvent::CaughtUp)?;
        if self.is_planted(Mutant::EndsBeforeHold) {
            self.drain(id);
            self.send_end(id);
        }
        Ok(())
    }

    /// The freeze is in force: a last sync, the rest of the stream, END.
    pub(crate) fn hold(&mut self, id: HandoffId) {
        let Some(sending) = self.node.sending.get_mut(&id) else { return };
        sending.held = true;
        if !self.is_planted(Mutant::StreamsUndurable) {
            self.node.sync();
        }
        if self.is_planted(Mutant::EndsBeforeHold) {
            return;
        }
        self.drain(id);
        self.send_end(id);
    }

    fn send_end(&mut self, id: HandoffId) {
        let clock = self.node.clock;
        let last = last_of(&self.node.decisions.handoffs()[&id].arcs);
        if let Some(sending) = self.node.sending.get_mut(&id) {
            sending.end_clock = Some(clock);
        }
        self.send(id, Frame::End(Cursor { point: last, watermark: clock }, clock));
    }

    /// The pause has lasted longer than it should.
    pub(crate) fn pause_limit(&mut self, id: HandoffId) -> Result<(), Violation> {
        if self.is_planted(Mutant::TakesBackFrozen) {
            return self.source(id, SourceEvent::Release);
        }
        self.source(id, SourceEvent::PauseLimit)
    }
}
