//! Shell. One connection of a source to its target, from the greeting to the outcome.

use std::sync::Arc as Shared;
use std::time::Duration;

use bytes::Bytes;
use handoff::{Cursor, SourceEffect, SourceEvent, SourceState, StreamStatus, Version};
use ring::Point;
use shell::clock::Clock;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::{BACKOFF_MIN, Driver, Trouble, capture};
use crate::executor::CaptureQueue;
use crate::handoff::link::Link;
use crate::handoff::scan::{self, Piece};
use crate::handoff::wire::{End, ToSource, ToTarget};
use crate::handoff::{SourceCommand, throttle::Throttle};
use crate::store::{BatchNo, RecordKey};

/// How often the target is asked for a sign of life, and captured writes for a sync.
const TICK: Duration = Duration::from_millis(20);

/// A connection and what was said on it.
struct Session {
    link: Link,
    heard_at: Duration,
    sent_bytes: u64,
    confirmed_bytes: u64,
    stream: Option<Stream>,
    /// END is sent.
    has_ended: bool,
    has_asked: bool,
}

/// What is being sent.
struct Stream {
    pieces: mpsc::Receiver<Result<Piece, String>>,
    from: Cursor,
    /// Every write up to this version was durable when the scan began, or is captured.
    base: Version,
    /// The newest captured write that was sent.
    drained: Version,
    passed: Option<Point>,
    done_at: Option<Duration>,
}

impl Session {
    fn send(&self, frame: &ToTarget) {
        self.link.send(frame.encode());
    }

    fn send_records(&mut self, records: Vec<(RecordKey, Bytes)>) -> u64 {
        let frame = ToTarget::Chunk(records).encode();
        let n_bytes = frame.len() as u64;
        self.sent_bytes += n_bytes;
        self.link.send(frame);
        n_bytes
    }

    const fn unconfirmed_bytes(&self) -> u64 {
        self.sent_bytes.saturating_sub(self.confirmed_bytes)
    }

    /// Says what was sent all of. Below the point from which the stream goes on nothing new is
    /// claimed before the scan has passed it.
    fn claim(&self) {
        let Some(stream) = &self.stream else { return };
        let Some(point) = stream.passed else { return };
        if stream.from.point.is_none_or(|passed| point >= passed) {
            let watermark = stream.base.max(stream.drained);
            self.send(&ToTarget::Watermark(Cursor { point: Some(point), watermark }));
        }
    }

    fn scans(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.done_at.is_none())
    }
}

/// The next piece of the scan, when it is its turn; at once where there is no throttle.
async fn next_piece(
    stream: Option<&mut Stream>,
    throttle: Option<&Throttle>,
) -> Option<Result<Piece, String>> {
    match stream {
        Some(stream) => {
            if let Some(throttle) = throttle {
                throttle.ready().await;
            }
            stream.pieces.recv().await
        }
        None => std::future::pending().await,
    }
}

impl Driver {
    /// Greets the target and does what follows, until the handoff is over or the connection is.
    pub(super) async fn session(&mut self, backoff: &mut Duration) -> Result<(), Trouble> {
        let context = Shared::clone(&self.context);
        let link = self.connect().await?;
        let mut session = Session {
            link,
            heard_at: context.time.monotonic(),
            sent_bytes: 0,
            confirmed_bytes: 0,
            stream: None,
            has_ended: false,
            has_asked: false,
        };
        if let Some(token) = &context.token {
            session.send(&ToTarget::Token(token.clone()));
        }
        session.send(&self.greeting());
        let mut durable = context.store.durable_watch();
        let drain = context.drain.clone();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_over() {
            self.send_captured(&mut session);
            if self.may_freeze(&session) {
                self.freeze(&mut session).await?;
            }
            let queue = self.capture.as_ref().map(capture::Capture::queue);
            let has_room = session.unconfirmed_bytes() < context.limits.window_bytes;
            let takes_captured = has_room && session.stream.is_some();
            let waits_for_disk = takes_captured && queue.as_ref().is_some_and(|q| !q.is_empty());
            let scans = has_room && session.scans();
            // Writers wait for a frozen scan.
            let throttle = (self.state == SourceState::Copying).then_some(&context.throttle);
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => {
                    self.command(&mut session, command).await?;
                }
                frame = session.link.next() => {
                    session.heard_at = context.time.monotonic();
                    let frame = ToSource::decode(frame?)?;
                    self.hear(&mut session, frame).await?;
                    *backoff = BACKOFF_MIN;
                }
                () = capture::pushed(queue.as_deref()), if takes_captured && !waits_for_disk => {}
                _ = durable.changed(), if waits_for_disk => {}
                piece = next_piece(session.stream.as_mut(), throttle), if scans => {
                    self.send_piece(&mut session, piece)?;
                }
                _ = ticks.tick() => self.tick(&mut session, queue.as_deref()).await?,
                () = drain.signaled(), if !context.drain.is_draining() => {}
            }
        }
        Ok(())
    }

    async fn command(
        &mut self,
        session: &mut Session,
        command: SourceCommand,
    ) -> Result<(), Trouble> {
        let outcome = self.obey(command).await?;
        self.perform(session, outcome.effects);
        Ok(())
    }

    /// The effects that are words to the target.
    fn perform(&mut self, session: &mut Session, effects: &[SourceEffect]) {
        for effect in effects {
            match effect {
                SourceEffect::TellGiven => session.send(&ToTarget::Given),
                SourceEffect::TellDropped => session.send(&ToTarget::Dropped),
                SourceEffect::AskDecide => {
                    session.has_asked = true;
                    session.send(&ToTarget::DecideNow);
                }
                // In force already, or done by who caused them.
                SourceEffect::OpenCapture
                | SourceEffect::Connect
                | SourceEffect::Stream
                | SourceEffect::Hold
                | SourceEffect::SendTail
                | SourceEffect::Serve
                | SourceEffect::Move
                | SourceEffect::CloseCapture => {}
            }
        }
    }

    async fn hear(&mut self, session: &mut Session, frame: ToSource) -> Result<(), Trouble> {
        self.progress.set_error(None);
        let event = match frame {
            ToSource::NotYet(cursor) => {
                let outcome = self.event(SourceEvent::NotYet).await?;
                self.perform(session, outcome.effects);
                return self.go_on(session, cursor).await;
            }
            ToSource::Confirm { received_bytes, moved, .. } => {
                session.confirmed_bytes = received_bytes;
                self.progress.set_moved(moved);
                return Ok(());
            }
            ToSource::Yes(moved) => {
                self.end_pause();
                if moved != handoff::Moved::default() {
                    self.progress.set_moved(moved);
                }
                SourceEvent::Yes
            }
            ToSource::No => SourceEvent::No,
            ToSource::Settled => SourceEvent::Settled,
            ToSource::Failed(text) => return Err(Trouble::Peer(text)),
        };
        let outcome = self.event(event).await?;
        self.perform(session, outcome.effects);
        Ok(())
    }

    /// Streams from where the target is; a source that wants a decision asks for that instead.
    async fn go_on(&mut self, session: &mut Session, from: Cursor) -> Result<(), Trouble> {
        let context = Shared::clone(&self.context);
        let base = match (self.state, &mut self.capture) {
            (SourceState::Copying, Some(capture)) => capture.base().await,
            (SourceState::Frozen, capture) => {
                if let Some(capture) = capture {
                    capture.discard();
                }
                capture::Base { version: context.clock.last_version(), batch: self.frozen_batch }
            }
            _ => return Ok(()),
        };
        if self.wants_decision && self.state == SourceState::Frozen {
            self.perform(session, &[SourceEffect::AskDecide]);
            return Ok(());
        }
        self.durable(base.batch).await;
        self.count();
        let (store, arcs) = (context.store.clone(), self.terms.arcs.clone());
        session.stream = Some(Stream {
            pieces: scan::start(store, arcs, from, base.version, context.limits.chunk_bytes),
            from,
            base: base.version,
            drained: 0,
            passed: None,
            done_at: None,
        });
        Ok(())
    }

    /// Sends captured writes that are durable.
    fn send_captured(&mut self, session: &mut Session) {
        let (Some(capture), SourceState::Copying) = (&self.capture, self.state) else { return };
        if session.stream.is_none() {
            return;
        }
        let (durable, queue) = (self.context.store.durable(), capture.queue());
        while session.unconfirmed_bytes() < self.context.limits.window_bytes {
            if !self.send_drained(session, &queue, durable) {
                return;
            }
        }
    }

    fn send_drained(&self, session: &mut Session, queue: &CaptureQueue, up_to: BatchNo) -> bool {
        let entries = queue.drain_durable(up_to, self.context.limits.chunk_bytes);
        let Some(last) = entries.last().map(|entry| entry.version) else { return false };
        let records = entries.into_iter().map(|entry| (entry.key, entry.record)).collect();
        let n_bytes = session.send_records(records);
        self.context.throttle.charge_captured(n_bytes);
        self.context.metrics.count_streamed(n_bytes);
        if let Some(stream) = &mut session.stream {
            stream.drained = stream.drained.max(last);
        }
        session.claim();
        true
    }

    fn send_piece(
        &mut self,
        session: &mut Session,
        piece: Option<Result<Piece, String>>,
    ) -> Result<(), Trouble> {
        let ended = || Trouble::Scan("the scan ended early".into());
        let piece = piece.ok_or_else(ended)?.map_err(Trouble::Scan)?;
        if !piece.records.is_empty() {
            let n_bytes = session.send_records(piece.records);
            self.context.throttle.charge_scan(n_bytes, piece.reading);
            self.context.metrics.count_streamed(n_bytes);
        }
        if let Some(stream) = &mut session.stream {
            stream.passed = piece.passed.or(stream.passed);
            stream.done_at = piece.is_last.then(|| self.context.time.monotonic());
        }
        session.claim();
        if piece.is_last && self.state == SourceState::Frozen {
            self.send_end(session);
        }
        Ok(())
    }

    fn may_freeze(&self, session: &Session) -> bool {
        let (Some(stream), Some(capture)) = (&session.stream, &self.capture) else { return false };
        if self.state != SourceState::Copying || self.context.drain.is_draining() {
            return false;
        }
        let now = self.context.time.monotonic();
        let since = |then: Duration| {
            u64::try_from(now.saturating_sub(then).as_millis()).unwrap_or(u64::MAX)
        };
        let waiting = capture.queue().len_bytes() as u64;
        let status = StreamStatus {
            scan_done_ms: stream.done_at.map(since),
            outstanding_bytes: waiting + session.unconfirmed_bytes(),
            heard_ms_ago: since(session.heard_at),
        };
        status.may_freeze()
    }

    /// Step 3 of the protocol: from here until the target decides, writers wait.
    async fn freeze(&mut self, session: &mut Session) -> Result<(), Trouble> {
        let outcome = self.event(SourceEvent::CaughtUp).await?;
        self.frozen_batch = outcome.batch;
        self.durable(outcome.batch).await;
        if let Some(capture) = &self.capture {
            let queue = capture.queue();
            while self.send_drained(session, &queue, BatchNo::MAX) {}
        }
        self.send_end(session);
        Ok(())
    }

    fn send_end(&mut self, session: &mut Session) {
        let context = &self.context;
        let version_clock = context.clock.last_version();
        let last = self.terms.arcs.iter().next_back().map(|arc| arc.last());
        self.attempt += 1;
        self.end_clock = Some(version_clock);
        session.has_ended = true;
        session.send(&ToTarget::Watermark(Cursor { point: last, watermark: version_clock }));
        session.send(&ToTarget::End(End {
            attempt: self.attempt,
            watermark: version_clock,
            wall_clock_ms: context.clock.expiry_now(),
            version_clock,
        }));
    }

    async fn tick(
        &mut self,
        session: &mut Session,
        queue: Option<&CaptureQueue>,
    ) -> Result<(), Trouble> {
        let now = self.context.time.monotonic();
        if now.saturating_sub(session.heard_at) > self.context.limits.silence_limit {
            return Err(Trouble::Silent);
        }
        if queue.is_some_and(|queue| !queue.is_empty()) {
            self.context.store.request_sync();
        }
        if session.stream.is_some() {
            session.send(&ToTarget::Heartbeat { total: self.progress.total() });
        }
        let frozen_for = self.frozen_at.map(|at| now.saturating_sub(at));
        let is_late = frozen_for.is_some_and(|pause| pause > self.context.limits.pause_limit);
        if is_late && !session.has_asked && session.stream.is_some() {
            let outcome = self.event(SourceEvent::PauseLimit).await?;
            self.perform(session, outcome.effects);
        }
        Ok(())
    }
}
