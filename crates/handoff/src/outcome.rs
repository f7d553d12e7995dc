//! Pure. What an event of a handoff changes in the node's record: the step of its state machine,
//! and with it, in the same durable write, ownership, epochs and what is to be deleted.

use planted::Bug;
use ring::ArcSet;

use crate::decisions::{Decisions, Terms};
use crate::head::check_possible;
use crate::record::{Given, Handoff, Moved, Side, Trim, TrimKind};
use crate::refusal::Refusal;
use crate::source::{self, SourceEffect, SourceEvent, SourceState};
use crate::target::{self, TargetEffect, TargetEvent, TargetState};
use crate::{Epoch, HandoffId, Version};

/// What the source knows when an event ends its handoff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// No record of the arcs on its disk is of a higher version.
    pub highest_version: Version,
    /// What the target says that it got.
    pub moved: Moved,
}

/// What came with the END that the target reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetFacts {
    /// The source's version clock: no record that it sent is above.
    pub version_clock: Version,
    /// The source's wall clock.
    pub wall_clock_ms: u64,
    /// What was moved.
    pub moved: Moved,
}

impl Decisions {
    /// One event at the source of a handoff. Where it changes the state, ownership changes in the
    /// same record; the effects may be performed once that is durable.
    ///
    /// # Errors
    /// The handoff is unknown, or the event contradicts what is recorded.
    pub fn source_event(
        &mut self,
        id: HandoffId,
        event: SourceEvent,
        facts: &SourceFacts,
    ) -> Result<(SourceState, &'static [SourceEffect]), Refusal> {
        let handoff = self.handoffs.get(&id).ok_or(Refusal::UnknownHandoff { id })?;
        let Side::Source(before) = handoff.side else {
            return Err(Refusal::OtherHandoff { id });
        };
        // The user has declared the target lost, and with it what it may have acknowledged; the
        // coordinator cancels only after that.
        let is_released = event == SourceEvent::Cancel && before == SourceState::Frozen;
        let is_released = is_released && self.knows_dead(&handoff.peer);
        let event = if is_released { SourceEvent::Release } else { event };
        let step = source::step(before, event)
            .map_err(|illegal| Refusal::Contradiction { id, contradiction: illegal.to_string() })?;
        if !step.persist {
            return Ok((step.state, step.effects));
        }
        let arcs = handoff.arcs.clone();
        let given = Given { epoch: handoff.epoch, target: handoff.peer.clone() };
        self.set_side(id, Side::Source(step.state), facts.moved);
        match step.state {
            SourceState::Given => self.give_away(id, &arcs, &given, facts.highest_version),
            SourceState::Frozen if planted::is(Bug::DeleteSourceAtStreamEnd) => {
                self.add_trim(id, TrimKind::Records, &arcs, facts.highest_version);
            }
            SourceState::Dropped | SourceState::DroppedSettled if before.is_open() => {
                self.add_trim(id, TrimKind::Tombstones, &arcs, Version::MAX);
                if is_released {
                    self.own(&arcs, given.epoch);
                }
            }
            SourceState::Copying
            | SourceState::Frozen
            | SourceState::Dropped
            | SourceState::GivenSettled
            | SourceState::DroppedSettled => {}
        }
        Ok((step.state, step.effects))
    }

    /// One event at the target of a handoff. `terms` come from the source's greeting; they say
    /// what is refused for ever where the handoff is unknown here.
    ///
    /// # Errors
    /// The handoff is known with other terms, the event contradicts what is recorded, or there is
    /// no such epoch.
    pub fn target_event(
        &mut self,
        id: HandoffId,
        terms: &Terms,
        event: TargetEvent,
        facts: &TargetFacts,
    ) -> Result<(TargetState, &'static [TargetEffect]), Refusal> {
        check_possible(terms.epoch)?;
        let before = match self.handoffs.get(&id) {
            None => TargetState::Unknown,
            Some(handoff) => match handoff.side {
                Side::Target(state) if handoff.agrees(terms) => state,
                Side::Target(_) | Side::Source(_) => return Err(Refusal::OtherHandoff { id }),
            },
        };
        let step = target::step(before, event)
            .map_err(|illegal| Refusal::Contradiction { id, contradiction: illegal.to_string() })?;
        if !step.persist {
            return Ok((step.state, step.effects));
        }
        if before == TargetState::Unknown {
            self.add_handoff(id, Side::Target(step.state), terms);
            return Ok((step.state, step.effects));
        }
        self.set_side(id, Side::Target(step.state), facts.moved);
        match step.state {
            TargetState::Owned => {
                self.version_floor = self.version_floor.max(facts.version_clock);
                self.expiry_floor_ms = self.expiry_floor_ms.max(facts.wall_clock_ms);
                self.own(&terms.arcs, terms.epoch);
            }
            TargetState::Refused => {
                self.add_trim(id, TrimKind::Records, &terms.arcs, Version::MAX);
            }
            TargetState::OwnedSettled => {
                self.add_trim(id, TrimKind::Tombstones, &terms.arcs, self.version_floor);
            }
            TargetState::Unknown | TargetState::Receiving => {}
        }
        Ok((step.state, step.effects))
    }

    /// Records that a trim is done, or got this far.
    pub fn trimmed(&mut self, id: HandoffId, kind: TrimKind, done: &ArcSet) {
        for trim in self.trims.iter_mut().filter(|trim| trim.id == id && trim.kind == kind) {
            trim.arcs = trim.arcs.subtract(done);
        }
        self.trims.retain(|trim| !trim.arcs.is_empty());
        self.touch();
    }

    /// The handoffs whose other side the recorded ring declares dead and that wait for it.
    #[must_use]
    pub fn with_dead_peer(&self) -> Vec<HandoffId> {
        let dead = |handoff: &Handoff| self.knows_dead(&handoff.peer);
        let waiting = self.handoffs.iter().filter(|(_, handoff)| !handoff.side.is_finished());
        waiting.filter(|(_, handoff)| dead(handoff)).map(|(id, _)| *id).collect()
    }

    fn set_side(&mut self, id: HandoffId, side: Side, moved: Moved) {
        if let Some(handoff) = self.handoffs.get_mut(&id) {
            handoff.side = side;
            if moved != Moved::default() {
                handoff.moved = moved;
            }
        }
        self.forget_finished();
        self.touch();
    }

    fn own(&mut self, arcs: &ArcSet, epoch: Epoch) {
        self.raise_floor(arcs, epoch);
        self.given.remove(arcs);
        for arc in arcs.iter() {
            self.owned.insert(arc, epoch);
        }
    }

    fn give_away(&mut self, id: HandoffId, arcs: &ArcSet, given: &Given, highest: Version) {
        self.owned.remove(arcs);
        for arc in arcs.iter() {
            self.given.insert(arc, given.clone());
        }
        // What an earlier handoff left to clean goes with the rest.
        self.stop_trims(arcs);
        self.add_trim(id, TrimKind::Records, arcs, highest);
    }

    fn add_trim(&mut self, id: HandoffId, kind: TrimKind, arcs: &ArcSet, max_version: Version) {
        self.trims.push(Trim { id, kind, arcs: arcs.clone(), max_version });
    }
}
