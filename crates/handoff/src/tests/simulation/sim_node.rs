//! One simulated node: a disk that survives, and a memory that does not.

use std::collections::{BTreeMap, VecDeque};

use ring::{ArcSet, Point};

use super::network::{Answer, Frame, Message};
use crate::invariants::{Records, Stored};
use crate::{
    Cursor, Decisions, HandoffId, Refusal, Side, SourceEffect, SourceEvent, SourceFacts,
    SourceState, TargetEffect, TargetEvent, TargetFacts, TargetState, Terms, TrimKind, Version,
};

#[derive(Clone)]
pub(super) struct Disk {
    pub(super) decisions: Decisions,
    pub(super) records: Records,
    pub(super) cursors: BTreeMap<HandoffId, Cursor>,
    pub(super) clock: Version,
}

#[derive(Default)]
pub(super) struct Sending {
    pub(super) connection: u64,
    pub(super) number: u64,
    /// From where the stream goes on; `None` until the target answered.
    pub(super) from: Option<Cursor>,
    pub(super) scanned: Option<u128>,
    /// What is scanned: what was durable when the stream began.
    snapshot: Option<Records>,
    /// The highest version that was captured and sent.
    drained: Version,
    pub(super) base: Version,
    pub(super) queue: VecDeque<(u128, Stored)>,
    pub(super) ended: bool,
}

#[derive(Default)]
pub(super) struct Receiving {
    connection: u64,
    next: u64,
    claimed: Cursor,
}

pub(super) struct Node {
    pub(super) disk: Disk,
    pub(super) up: bool,
    pub(super) records: Records,
    pub(super) unacknowledged: Vec<(u128, Stored)>,
    pub(super) sending: BTreeMap<HandoffId, Sending>,
    receiving: BTreeMap<HandoffId, Receiving>,
    pub(super) out: Vec<(String, Message)>,
    clock: Version,
    connections: u64,
}

pub(super) fn name(point: u128) -> (Point, Vec<u8>) {
    (Point(point), Vec::new())
}

impl Node {
    pub(super) fn new(decisions: Decisions) -> Self {
        let disk = Disk { decisions, records: Records::new(), cursors: BTreeMap::new(), clock: 0 };
        Self {
            disk,
            up: true,
            records: Records::new(),
            unacknowledged: Vec::new(),
            sending: BTreeMap::new(),
            receiving: BTreeMap::new(),
            out: Vec::new(),
            clock: 0,
            connections: 0,
        }
    }

    pub(super) fn serving(&self) -> ArcSet {
        if self.up { self.disk.decisions.serving() } else { ArcSet::default() }
    }

    pub(super) fn crash(&mut self) {
        self.up = false;
        self.records = self.disk.records.clone();
        self.unacknowledged.clear();
        self.sending.clear();
        self.receiving.clear();
    }

    pub(super) fn restart(&mut self) {
        self.up = true;
        self.clock = self.disk.clock.max(self.disk.decisions.version_floor());
        let ids: Vec<_> = self.disk.decisions.handoffs().keys().copied().collect();
        for id in ids {
            if self.disk.decisions.handoffs()[&id].source().is_some() {
                self.source(id, SourceEvent::Resume, Version::MAX);
            }
        }
    }

    fn tick(&mut self) -> Version {
        self.clock += 1;
        self.disk.clock = self.disk.clock.max(self.clock);
        self.clock
    }

    /// A write or a removal by a client, if this node serves the point.
    pub(super) fn write(&mut self, point: u128, live: bool) {
        if !self.serving().contains(Point(point)) {
            return;
        }
        let stored = Stored { version: self.tick(), live };
        if live || self.disk.decisions.captured().contains(Point(point)) {
            self.records.insert(name(point), stored);
        } else {
            self.records.remove(&name(point));
        }
        for (id, sending) in &mut self.sending {
            let handoff = &self.disk.decisions.handoffs()[id];
            if handoff.side == Side::Source(SourceState::Copying)
                && handoff.arcs.contains(Point(point))
            {
                sending.queue.push_back((point, stored));
            }
        }
        self.unacknowledged.push((point, stored));
    }

    /// Makes everything durable; returns the writes that are acknowledged by it.
    pub(super) fn sync(&mut self) -> Vec<(u128, Stored)> {
        self.disk.records = self.records.clone();
        std::mem::take(&mut self.unacknowledged)
    }

    pub(super) fn source(&mut self, id: HandoffId, event: SourceEvent, highest_version: Version) {
        let facts = SourceFacts { highest_version, ..SourceFacts::default() };
        let effects = match self.disk.decisions.source_event(id, event, &facts) {
            Ok((_, effects)) => effects,
            Err(Refusal::UnknownHandoff { .. }) => return,
            Err(refusal) => panic!("{refusal}"),
        };
        for effect in effects {
            match effect {
                SourceEffect::OpenCapture => {
                    let base = self.clock;
                    self.sending.insert(id, Sending { base, ..Sending::default() });
                }
                SourceEffect::Connect => self.connect(id),
                SourceEffect::Hold => {
                    self.sending.entry(id).or_default();
                }
                SourceEffect::CloseCapture => {
                    self.sending.remove(&id);
                }
                SourceEffect::AskDecide => self.send(id, Frame::DecideNow),
                SourceEffect::TellGiven => self.tell(id, Frame::Given),
                SourceEffect::TellDropped => self.tell(id, Frame::Dropped),
                SourceEffect::Stream
                | SourceEffect::SendTail
                | SourceEffect::Serve
                | SourceEffect::Move => {}
            }
        }
    }

    pub(super) fn connect(&mut self, id: HandoffId) {
        self.connections += 1;
        let frozen = self.disk.decisions.handoffs()[&id].source() == Some(SourceState::Frozen);
        let connection = self.clock * 1000 + self.connections;
        self.disk.clock += 1;
        self.tick();
        if let Some(sending) = self.sending.get_mut(&id) {
            // What was sent and not confirmed is found again by its version.
            let base = if frozen { 0 } else { sending.base };
            *sending = Sending {
                connection,
                base,
                queue: std::mem::take(&mut sending.queue),
                ..Sending::default()
            };
        }
        self.send(id, if frozen { Frame::Decide } else { Frame::Hello });
    }

    fn tell(&mut self, id: HandoffId, frame: Frame) {
        self.connections += 1;
        let connection = self.tick() * 1000 + self.connections;
        self.sending.insert(id, Sending { connection, ..Sending::default() });
        self.send(id, frame);
        self.sending.remove(&id);
    }

    pub(super) fn send(&mut self, id: HandoffId, frame: Frame) {
        let handoff = &self.disk.decisions.handoffs()[&id];
        let terms = Terms {
            peer: self.disk.decisions.server().clone(),
            arcs: handoff.arcs.clone(),
            epoch: handoff.epoch,
        };
        let to = handoff.peer.name.clone();
        let Some(sending) = self.sending.get_mut(&id) else { return };
        let (connection, number) = (sending.connection, sending.number);
        sending.number += 1;
        self.out.push((to, Message::Stream { id, connection, number, terms, frame }));
    }

    pub(super) fn deliver(&mut self, message: Message) {
        if !self.up {
            return;
        }
        match message {
            Message::Receive(id, terms) => self.receive(id, &terms),
            Message::Give(id, terms) => {
                if self.disk.decisions.accept_give(id, &terms) == Ok(crate::Acceptance::New) {
                    self.source(id, SourceEvent::Resume, Version::MAX);
                }
            }
            Message::Cancel(id) => self.cancel(id),
            Message::Stream { id, connection, number, terms, frame } => {
                self.frame(id, connection, number, &terms, &frame);
            }
            Message::Answer { id, connection, answer } => self.answer(id, connection, answer),
        }
    }

    fn receive(&mut self, id: HandoffId, terms: &Terms) {
        if self.disk.decisions.check_receive(id, terms) != Ok(crate::Acceptance::New) {
            return;
        }
        self.records.retain(|(point, _), _| !terms.arcs.contains(*point));
        self.disk.records.retain(|(point, _), _| !terms.arcs.contains(*point));
        self.disk.decisions.accept_receive(id, terms).unwrap();
    }

    fn cancel(&mut self, id: HandoffId) {
        if self.disk.decisions.check_cancel(id).is_err() {
            return;
        }
        match self.disk.decisions.handoffs()[&id].side {
            Side::Source(_) => self.source(id, SourceEvent::Cancel, Version::MAX),
            Side::Target(_) => {
                let handoff = self.disk.decisions.handoffs()[&id].clone();
                let terms = Terms { peer: handoff.peer, arcs: handoff.arcs, epoch: handoff.epoch };
                self.target(id, 0, &terms, TargetEvent::Cancel, &TargetFacts::default());
            }
        }
    }

    fn frame(&mut self, id: HandoffId, connection: u64, number: u64, terms: &Terms, frame: &Frame) {
        let none = TargetFacts::default();
        let receiving = self.receiving.entry(id).or_default();
        if number == 0 && connection > receiving.connection {
            let claimed = self.disk.cursors.get(&id).copied().unwrap_or_default();
            *receiving = Receiving { connection, next: 0, claimed };
        }
        if connection != receiving.connection || number != receiving.next {
            return;
        }
        receiving.next += 1;
        let state = self.disk.decisions.handoffs().get(&id).and_then(crate::Handoff::target);
        let applies = state == Some(TargetState::Receiving);
        match *frame {
            Frame::Hello => self.target(id, connection, terms, TargetEvent::Hello, &none),
            Frame::Decide => self.target(id, connection, terms, TargetEvent::Decide, &none),
            Frame::DecideNow => {
                self.target(id, connection, terms, TargetEvent::DecideNow, &none);
            }
            Frame::Given => self.target(id, connection, terms, TargetEvent::Given, &none),
            Frame::Dropped => self.target(id, connection, terms, TargetEvent::Dropped, &none),
            Frame::Record(point, stored) if applies => self.apply(point, stored),
            Frame::Passed(cursor) if applies => receiving.claimed = cursor,
            Frame::End { watermark, version_clock } if applies => {
                let last = terms.arcs.iter().last().unwrap().last();
                assert!(receiving.claimed.reaches(last, watermark));
                self.sync_target(id);
                let facts = TargetFacts { version_clock, ..none };
                self.clock = self.clock.max(version_clock);
                self.target(id, connection, terms, TargetEvent::Reached, &facts);
            }
            Frame::Record(..) | Frame::Passed(_) | Frame::End { .. } => {}
        }
    }

    fn apply(&mut self, point: u128, stored: Stored) {
        let known = self.records.get(&name(point));
        if known.is_none_or(|known| known.version < stored.version) {
            self.records.insert(name(point), stored);
        }
        self.clock = self.clock.max(stored.version);
    }

    /// Makes what came durable together with how far it is.
    pub(super) fn sync_target(&mut self, id: HandoffId) {
        let Some(receiving) = self.receiving.get(&id) else { return };
        let Some(handoff) = self.disk.decisions.handoffs().get(&id) else { return };
        if handoff.target() != Some(TargetState::Receiving) {
            return;
        }
        for (name, stored) in &self.records {
            if handoff.arcs.contains(name.0) {
                self.disk.records.insert(name.clone(), *stored);
            }
        }
        self.disk.cursors.insert(id, receiving.claimed);
    }

    fn target(
        &mut self,
        id: HandoffId,
        connection: u64,
        terms: &Terms,
        event: TargetEvent,
        facts: &TargetFacts,
    ) {
        let outcome = self.disk.decisions.target_event(id, terms, event, facts);
        let (_, effects) = outcome.unwrap_or_else(|refusal| panic!("{refusal}"));
        let cursor = self.disk.cursors.get(&id).copied().unwrap_or_default();
        for effect in effects {
            let answer = match effect {
                TargetEffect::Serve => continue,
                TargetEffect::AnswerYes => Answer::Yes,
                TargetEffect::AnswerNo => Answer::No,
                TargetEffect::AnswerSettled => Answer::Settled,
                TargetEffect::AnswerNotYet => {
                    // The stream goes on from what is durable.
                    if let Some(receiving) = self.receiving.get_mut(&id) {
                        receiving.claimed = cursor;
                    }
                    Answer::NotYet(cursor)
                }
            };
            let to = terms.peer.name.clone();
            self.out.push((to, Message::Answer { id, connection, answer }));
        }
    }

    fn answer(&mut self, id: HandoffId, connection: u64, answer: Answer) {
        let event = match answer {
            Answer::Yes => SourceEvent::Yes,
            Answer::No => SourceEvent::No,
            Answer::Settled => SourceEvent::Settled,
            Answer::NotYet(cursor) => {
                if let Some(sending) = self.sending.get_mut(&id)
                    && sending.connection == connection
                    && sending.from.is_none()
                {
                    sending.from = Some(cursor);
                }
                SourceEvent::NotYet
            }
        };
        self.source(id, event, self.clock);
    }

    /// The next durable piece of one stream.
    pub(super) fn stream(&mut self, id: HandoffId) {
        let Some(handoff) = self.disk.decisions.handoffs().get(&id).cloned() else { return };
        let Some(sending) = self.sending.get_mut(&id) else { return };
        let Some(from) = sending.from else { return };
        // Only then the scan: all writes before the capture are durable.
        if self.unacknowledged.iter().any(|(_, write)| write.version <= sending.base) {
            return;
        }
        let snapshot = sending.snapshot.get_or_insert_with(|| self.disk.records.clone());
        let scanned = sending.scanned;
        let next = snapshot.iter().find(|((point, _), _)| {
            handoff.arcs.contains(*point) && scanned.is_none_or(|passed| point.0 > passed)
        });
        let next = next.map(|((point, _), stored)| (*point, *stored));
        let last = handoff.arcs.iter().last().unwrap().last();
        sending.scanned = Some(next.map_or(last, |(point, _)| point).0);
        // Captured writes overtake the scan: what it sends later may be older.
        self.drain(id);
        if let Some((point, stored)) = next
            && from.lacks(point, stored.version)
        {
            self.send(id, Frame::Record(point.0, stored));
        }
        self.claim(id, next.map_or(last, |(point, _)| point), from);
    }

    fn drain(&mut self, id: HandoffId) {
        let first_volatile = self.unacknowledged.iter().map(|(_, write)| write.version).min();
        loop {
            let Some(sending) = self.sending.get_mut(&id) else { return };
            let Some((point, write)) = sending.queue.front().copied() else { return };
            if first_volatile.is_some_and(|first| write.version >= first) {
                return;
            }
            sending.queue.pop_front();
            sending.drained = sending.drained.max(write.version);
            self.send(id, Frame::Record(point, write));
        }
    }

    /// Below the point from which the stream was resumed nothing new is claimed before the scan
    /// has passed it.
    fn claim(&mut self, id: HandoffId, point: Point, from: Cursor) {
        let Some(sending) = self.sending.get(&id) else { return };
        let watermark = sending.base.max(sending.drained);
        if from.point.is_none_or(|passed| point >= passed) {
            self.send(id, Frame::Passed(Cursor { point: Some(point), watermark }));
        }
    }

    /// Freezes, or goes on from there: the rest of the stream and END.
    pub(super) fn end(&mut self, id: HandoffId) -> Vec<(u128, Stored)> {
        let Some(handoff) = self.disk.decisions.handoffs().get(&id).cloned() else {
            return Vec::new();
        };
        let Some(sending) = self.sending.get(&id) else { return Vec::new() };
        if !handoff.source().is_some_and(SourceState::is_open) || sending.from.is_none() {
            return Vec::new();
        }
        if sending.ended {
            return Vec::new();
        }
        self.source(id, SourceEvent::CaughtUp, Version::MAX);
        let acknowledged = self.sync();
        let last = handoff.arcs.iter().last().unwrap().last();
        for _ in 0..self.disk.records.len() + 1 {
            self.stream(id);
        }
        self.drain(id);
        let clock = self.clock;
        self.send(id, Frame::Passed(Cursor { point: Some(last), watermark: clock }));
        self.send(id, Frame::End { watermark: clock, version_clock: clock });
        if let Some(sending) = self.sending.get_mut(&id) {
            sending.ended = true;
        }
        acknowledged
    }

    /// Deletes what one trim names.
    pub(super) fn trim(&mut self) {
        let Some(trim) = self.disk.decisions.trims().first().cloned() else { return };
        let captured = self.disk.decisions.captured();
        let goes = |(point, _): &(Point, Vec<u8>), stored: &Stored| {
            let kind = match trim.kind {
                TrimKind::Records => true,
                TrimKind::Tombstones => !stored.live && !captured.contains(*point),
            };
            kind && trim.arcs.contains(*point) && stored.version <= trim.max_version
        };
        self.records.retain(|name, stored| !goes(name, stored));
        self.disk.records.retain(|name, stored| !goes(name, stored));
        if trim.kind == TrimKind::Records || trim.arcs.intersection(&captured).is_empty() {
            self.disk.decisions.trimmed(trim.id, trim.kind, &trim.arcs);
        }
    }

    /// What a command would find; a removal that is not durable yet counts as a tombstone.
    pub(super) fn visible(&self) -> Records {
        let mut visible = self.records.clone();
        for (point, write) in self.unacknowledged.iter().filter(|(_, write)| !write.live) {
            visible.entry(name(*point)).or_insert(*write);
        }
        visible
    }
}
