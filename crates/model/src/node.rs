//! Pure. One node in small: what is on its disk, what is only in memory, and what its shell does
//! around the rules of `handoff`. The shell is the one of `kvnode`, step for step, with one key on
//! a point and without bytes.

use std::collections::BTreeMap;

use handoff::invariants::{Records, Stored, Violation};
use handoff::{
    Acceptance, Cursor, Decisions, HandoffId, Refusal, Side, SourceEffect, SourceEvent,
    SourceFacts, SourceState, TargetEffect, TargetEvent, TargetFacts, TargetState, Terms, Trim,
    TrimKind, Version,
};
use node_api::Change;
use ring::{ArcSet, Point, RingDocument};

use crate::mutant::Mutant;
use crate::network::{Answer, Frame, Link, Links, Request, Standing, TargetEnd};
use crate::source::Sending;

/// Records, and how far each target has come; both change in the same commits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    /// One for each point.
    pub records: Records,
    /// What has been received completely.
    pub notes: BTreeMap<HandoffId, Cursor>,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its index.
    pub index: usize,
    /// Durable with each change: the store is synced first, then they are written.
    pub decisions: Decisions,
    /// What a loss of power leaves.
    pub disk: Store,
    /// What commands see.
    pub store: Store,
    /// The version clock; its high-water mark is reserved on disk.
    pub clock: Version,
    /// Own writes up to this version are on disk.
    pub durable: Version,
    /// Whether its process runs.
    pub up: bool,
    /// Whether it has been admitted since it was started.
    pub admitted: bool,
    /// The handoffs that it streams.
    pub sending: BTreeMap<HandoffId, Sending>,
}

/// A record's name: one key on each point.
pub(crate) fn name(point: Point) -> (Point, Vec<u8>) {
    (point, Vec::new())
}

impl Node {
    /// A node with this record, up and admitted.
    #[must_use]
    pub fn new(index: usize, mut decisions: Decisions) -> Self {
        decisions.take_changed();
        Self {
            index,
            decisions,
            disk: Store::default(),
            store: Store::default(),
            clock: 0,
            durable: 0,
            up: true,
            admitted: true,
            sending: BTreeMap::new(),
        }
    }

    /// On what it executes commands now: a freeze is in force a moment after it is recorded.
    #[must_use]
    pub fn serving(&self) -> ArcSet {
        if !self.up || !self.admitted {
            return ArcSet::default();
        }
        let mut serving = self.decisions.serving();
        for (id, sending) in &self.sending {
            let handoff = &self.decisions.handoffs()[id];
            if handoff.source() == Some(SourceState::Frozen) && !sending.held {
                serving = serving.union(&handoff.arcs);
            }
        }
        serving
    }

    /// Whether something would be lost with the power.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.disk != self.store || self.durable < self.clock
    }

    /// Brings everything to disk.
    pub fn sync(&mut self) {
        if self.disk != self.store {
            self.disk = self.store.clone();
        }
        self.durable = self.clock;
    }

    /// Ends the process. With the power goes what was not synced.
    pub fn crash(&mut self, loses_power: bool) {
        if loses_power {
            self.store = self.disk.clone();
        } else {
            self.disk = self.store.clone();
        }
        self.durable = self.clock;
        self.up = false;
        self.admitted = false;
        self.sending.clear();
    }

    /// The trim that may run: tombstones stay where a capture is open.
    #[must_use]
    pub fn next_trim(&self) -> Option<Trim> {
        self.decisions.trims().iter().find_map(|trim| {
            let mut trim = trim.clone();
            if trim.kind == TrimKind::Tombstones {
                trim.arcs = trim.arcs.subtract(&self.decisions.captured());
                trim.max_version = trim.max_version.min(self.clock);
            }
            (!trim.arcs.is_empty()).then_some(trim)
        })
    }

    /// A write or, without a value, a removal. Returns its version.
    pub(crate) fn write(&mut self, point: Point, live: bool, planted: Option<Mutant>) -> Version {
        self.clock += 1;
        let stored = Stored { version: self.clock, live };
        let captured = self.decisions.captured().contains(point);
        if live || (captured && planted != Some(Mutant::RemovalsLeaveNoTombstone)) {
            self.store.records.insert(name(point), stored);
        } else {
            self.store.records.remove(&name(point));
        }
        for (id, sending) in &mut self.sending {
            if self.decisions.handoffs()[id].arcs.contains(point) {
                sending.capture(point, stored);
            }
        }
        self.clock
    }
}

/// A node and what it reaches.
pub(crate) struct Shell<'a> {
    pub(crate) node: &'a mut Node,
    pub(crate) links: &'a mut Links,
    pub(crate) committed: &'a RingDocument,
    pub(crate) planted: Option<Mutant>,
}

pub(crate) type Outcome = Result<(), Violation>;

/// A peer or a disk went back behind what it had promised.
fn contradiction(refusal: &Refusal) -> Violation {
    Violation { invariant: "NoContradiction", detail: refusal.to_string() }
}

impl Shell<'_> {
    pub(crate) fn is_planted(&self, mutant: Mutant) -> bool {
        self.planted == Some(mutant)
    }

    /// Makes decisions durable; the store goes first.
    pub(crate) fn persist(&mut self) {
        if self.node.decisions.take_changed() && !self.is_planted(Mutant::DecidesBeforeSync) {
            self.node.sync();
        }
    }

    pub(crate) fn restart(&mut self) -> Outcome {
        self.node.up = true;
        self.node.clock = self.node.clock.max(self.node.decisions.version_floor());
        self.node.durable = self.node.clock;
        let handoffs = self.node.decisions.handoffs().iter();
        let sources = handoffs.filter_map(|(id, handoff)| Some((*id, handoff.source()?)));
        let sources: Vec<HandoffId> =
            sources.filter(|(_, state)| !state.is_finished()).map(|(id, _)| id).collect();
        for id in sources {
            self.source(id, SourceEvent::Resume)?;
        }
        self.tell_dead()?;
        self.read_ring();
        Ok(())
    }

    /// The node's own live read of the committed ring document.
    pub(crate) fn read_ring(&mut self) {
        self.node.decisions.observe_committed(self.committed);
        self.persist();
        let verdict = self.node.decisions.admit(self.committed);
        self.node.admitted = match verdict {
            Ok(()) => true,
            Err(handoff::NotAdmitted::Bootstrapping) => self.node.admitted,
            Err(_) => false,
        };
        if self.is_planted(Mutant::ServesUnadmitted) {
            self.node.admitted = true;
        }
    }

    /// Carries out one request. A refused one changes nothing.
    pub(crate) fn ask(&mut self, request: &Request) -> Outcome {
        let mut head = request.head();
        if self.is_planted(Mutant::ObeysOldTerms) {
            head.term = head.term.max(self.node.decisions.term());
        }
        if self.node.decisions.take_head(head).is_err() {
            return Ok(());
        }
        match &request.change {
            Change::Term | Change::Peers(_) => {}
            Change::Ring(document) => {
                if self.node.decisions.record_ring(document.clone()).is_ok() {
                    self.persist();
                    self.read_ring();
                    self.tell_dead()?;
                }
            }
            Change::Grant { arcs, epoch, ring_epoch } => {
                if self.node.decisions.retired().is_some() {
                    self.node.decisions.observe_committed(self.committed);
                }
                if self.node.decisions.check_grant(arcs, *epoch, *ring_epoch) == Ok(Acceptance::New)
                {
                    self.empty(arcs);
                    let _ = self.node.decisions.accept_grant(arcs, *epoch, *ring_epoch);
                }
            }
            Change::Fence { arcs, epoch } => {
                let _ = self.node.decisions.fence(arcs, *epoch);
            }
            Change::Receive { id, terms } => {
                if self.node.decisions.retired().is_some() {
                    self.node.decisions.observe_committed(self.committed);
                }
                if self.node.decisions.check_receive(*id, terms) == Ok(Acceptance::New) {
                    self.empty(&terms.arcs);
                    let _ = self.node.decisions.accept_receive(*id, terms);
                } else if self.is_planted(Mutant::RepeatedReceiveDeletes) {
                    self.empty(&terms.arcs);
                }
            }
            Change::Give { id, terms } => {
                if self.node.decisions.accept_give(*id, terms) == Ok(Acceptance::New) {
                    self.persist();
                    self.source(*id, SourceEvent::Resume)?;
                }
            }
            Change::Cancel { id } => self.cancel(*id)?,
            Change::Retire { ring_epoch } => {
                let _ = self.node.decisions.retire(*ring_epoch);
            }
        }
        self.persist();
        Ok(())
    }

    /// Deletes whatever lies in arcs that come.
    fn empty(&mut self, arcs: &ArcSet) {
        if !self.is_planted(Mutant::ReceivesOverOldRecords) {
            self.node.store.records.retain(|(point, _), _| !arcs.contains(*point));
        }
    }

    pub(crate) fn cancel(&mut self, id: HandoffId) -> Outcome {
        if self.node.decisions.check_cancel(id).is_err() {
            return Ok(());
        }
        match self.node.decisions.handoffs()[&id].side {
            Side::Source(SourceState::Frozen) if self.is_planted(Mutant::TakesBackFrozen) => {
                self.source(id, SourceEvent::Release)
            }
            Side::Source(_) => self.source(id, SourceEvent::Cancel),
            Side::Target(_) => self.target_alone(id, TargetEvent::Cancel),
        }
    }

    /// An event at a target that comes from no frame; its answer goes to whoever is connected.
    fn target_alone(&mut self, id: HandoffId, event: TargetEvent) -> Outcome {
        let handoff = self.node.decisions.handoffs()[&id].clone();
        let terms = Terms { peer: handoff.peer, arcs: handoff.arcs, epoch: handoff.epoch };
        let answers = self.target(id, &terms, event, &TargetFacts::default())?;
        if let Some(link) = self.links.of_target(self.node.decisions.server(), id) {
            link.answers.extend(answers);
        }
        self.end_target(id);
        Ok(())
    }

    fn tell_dead(&mut self) -> Outcome {
        for id in self.node.decisions.with_dead_peer() {
            match self.node.decisions.handoffs()[&id].side {
                Side::Source(_) => self.source(id, SourceEvent::TargetDead)?,
                Side::Target(_) => self.target_alone(id, TargetEvent::SourceDead)?,
            }
        }
        Ok(())
    }

    /// One event of the source's machine and what follows from it.
    pub(crate) fn source(&mut self, id: HandoffId, event: SourceEvent) -> Outcome {
        let end_clock = self.node.sending.get(&id).and_then(|sending| sending.end_clock);
        let highest_version = end_clock.unwrap_or(self.node.clock);
        let facts = SourceFacts { highest_version, ..SourceFacts::default() };
        let (state, effects) = match self.node.decisions.source_event(id, event, &facts) {
            Ok(outcome) => outcome,
            Err(refusal @ Refusal::Contradiction { .. }) => return Err(contradiction(&refusal)),
            Err(_) => return Ok(()),
        };
        self.persist();
        for effect in effects {
            match effect {
                SourceEffect::OpenCapture => {
                    let base = self.node.clock;
                    self.node.sending.insert(id, Sending::copying(base));
                }
                SourceEffect::Connect => self.connect(id),
                SourceEffect::Hold if event == SourceEvent::Resume => {
                    self.node.sending.insert(id, Sending::frozen());
                }
                SourceEffect::AskDecide => self.ask_decide(id, event),
                SourceEffect::TellGiven => self.tell(id, Frame::Given),
                SourceEffect::TellDropped => self.tell(id, Frame::Dropped),
                SourceEffect::Hold
                | SourceEffect::Stream
                | SourceEffect::SendTail
                | SourceEffect::CloseCapture
                | SourceEffect::Serve
                | SourceEffect::Move => {}
            }
        }
        if !state.is_open() {
            self.node.sending.remove(&id);
        }
        if state.is_finished() {
            self.links.close_source(self.node.index, id);
        }
        Ok(())
    }

    fn tell(&mut self, id: HandoffId, frame: Frame) {
        match self.links.of_source(self.node.index, id) {
            Some(link) if link.at_target != TargetEnd::Closed => link.frames.push(frame),
            Some(_) | None => self.connect(id),
        }
    }

    fn ask_decide(&mut self, id: HandoffId, event: SourceEvent) {
        let Some(sending) = self.node.sending.get_mut(&id) else { return };
        sending.wants_decision |= event == SourceEvent::Cancel;
        sending.has_asked = true;
        if let Some(link) = self.links.of_source(self.node.index, id)
            && link.at_target != TargetEnd::Closed
        {
            link.frames.push(Frame::DecideNow);
        }
    }

    /// A new connection; what was under way on the one before is found again by its version.
    pub(crate) fn connect(&mut self, id: HandoffId) {
        let handoff = &self.node.decisions.handoffs()[&id];
        let Some(state) = handoff.source() else { return };
        self.links.close_source(self.node.index, id);
        if let Some(sending) = self.node.sending.get_mut(&id) {
            sending.disconnect();
        }
        let peer = self.node.decisions.server().clone();
        self.links.0.push(Link {
            id,
            source: self.node.index,
            target: handoff.peer.clone(),
            terms: Terms { peer, arcs: handoff.arcs.clone(), epoch: handoff.epoch },
            frames: vec![Frame::Hello(Standing::of(state))],
            answers: Vec::new(),
            at_source: true,
            at_target: TargetEnd::Pending,
        });
    }

    /// One event of the target's machine; its answers.
    pub(crate) fn target(
        &mut self,
        id: HandoffId,
        terms: &Terms,
        event: TargetEvent,
        facts: &TargetFacts,
    ) -> Result<Vec<Answer>, Violation> {
        let unknown = !self.node.decisions.handoffs().contains_key(&id);
        if unknown && self.is_planted(Mutant::AnswersUnknownWithoutRecord) {
            return Ok(vec![Answer::No]);
        }
        if event == TargetEvent::Decide && self.is_planted(Mutant::AnswersByOwnership) {
            let owns = self.node.decisions.owned().arcs().covers(&terms.arcs);
            return Ok(vec![if owns { Answer::Yes } else { Answer::No }]);
        }
        let effects = match self.node.decisions.target_event(id, terms, event, facts) {
            Ok((_, effects)) => effects,
            Err(refusal @ Refusal::Contradiction { .. }) => return Err(contradiction(&refusal)),
            Err(_) => return Ok(Vec::new()),
        };
        self.persist();
        let cursor = self.node.disk.notes.get(&id).copied().unwrap_or_default();
        let answer = |effect: &TargetEffect| match effect {
            TargetEffect::Serve => None,
            TargetEffect::AnswerYes => Some(Answer::Yes),
            TargetEffect::AnswerNo => Some(Answer::No),
            TargetEffect::AnswerNotYet => Some(Answer::NotYet(cursor)),
            TargetEffect::AnswerSettled => Some(Answer::Settled),
        };
        Ok(effects.iter().filter_map(answer).collect())
    }

    /// A target that has finished reads no more, and forgets how far it was.
    pub(crate) fn end_target(&mut self, id: HandoffId) {
        let state = self.node.decisions.handoffs().get(&id).and_then(handoff::Handoff::target);
        if !state.is_none_or(TargetState::is_finished) {
            return;
        }
        let server = self.node.decisions.server().clone();
        self.node.store.notes.remove(&id);
        self.node.disk.notes.remove(&id);
        if self.is_planted(Mutant::AppliesAfterDecision) {
            return;
        }
        if let Some(link) = self.links.of_target(&server, id) {
            link.close_target();
        }
    }

    /// Deletes what one trim names.
    pub(crate) fn trim(&mut self, trim: &Trim) {
        let goes = |(point, _): &(Point, Vec<u8>), stored: &Stored| {
            let kind = trim.kind == TrimKind::Records || !stored.live;
            kind && trim.arcs.contains(*point) && stored.version <= trim.max_version
        };
        self.node.store.records.retain(|name, stored| !goes(name, stored));
        self.node.decisions.trimmed(trim.id, trim.kind, &trim.arcs);
        self.persist();
    }
}
