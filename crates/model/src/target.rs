//! Pure. What a target does with the frames of a connection.

use handoff::invariants::Stored;
use handoff::{Cursor, HandoffId, TargetEvent, TargetFacts, TargetState};
use ring::Point;

use crate::mutant::Mutant;
use crate::network::{Frame, Link, TargetEnd};
use crate::node::{Outcome, Shell, name};

impl Shell<'_> {
    /// The next frame of a connection.
    pub(crate) fn take(&mut self, index: usize) -> Outcome {
        let Some(link) = self.links.0.get_mut(index) else { return Ok(()) };
        if link.frames.is_empty() {
            return Ok(());
        }
        let frame = link.frames.remove(0);
        let (id, none) = (link.id, TargetFacts::default());
        match frame {
            Frame::Hello(standing) => self.greet(index, standing.event())?,
            Frame::Piece(records, claim) => self.apply(id, &records, claim),
            Frame::End(cursor, version_clock) => {
                self.note_end(id, cursor);
                let facts = TargetFacts { version_clock, ..none };
                self.node.clock = self.node.clock.max(version_clock);
                self.answer(index, TargetEvent::Reached, &facts)?;
            }
            Frame::DecideNow => self.answer(index, TargetEvent::DecideNow, &none)?,
            Frame::Given => self.answer(index, TargetEvent::Given, &none)?,
            Frame::Dropped => self.answer(index, TargetEvent::Dropped, &none)?,
        }
        self.end_target(id);
        Ok(())
    }

    /// A new connection takes the place of an older one, of which nothing more is applied.
    fn greet(&mut self, index: usize, event: TargetEvent) -> Outcome {
        let link = &self.links.0[index];
        if link.target != *self.node.decisions.server() {
            self.links.0[index].close_target();
            return Ok(());
        }
        let (id, terms) = (link.id, link.terms.clone());
        let known = self.node.decisions.handoffs().get(&id);
        let is_open = known.and_then(handoff::Handoff::target).is_some_and(TargetState::is_open);
        if !is_open {
            self.answer(index, event, &TargetFacts::default())?;
            self.links.0[index].close_target();
            return Ok(());
        }
        for (other, link) in self.links.0.iter_mut().enumerate() {
            if other != index && link.id == id && link.at_target == TargetEnd::Current {
                link.close_target();
            }
        }
        let agrees = known.is_some_and(|known| {
            known.peer == terms.peer && known.arcs == terms.arcs && known.epoch == terms.epoch
        });
        if !agrees {
            self.links.0[index].close_target();
            return Ok(());
        }
        self.links.0[index].at_target = TargetEnd::Current;
        // What is in the store is on disk before it is told.
        self.node.sync();
        self.answer(index, event, &TargetFacts::default())
    }

    fn answer(&mut self, index: usize, event: TargetEvent, facts: &TargetFacts) -> Outcome {
        let (id, terms) = (self.links.0[index].id, self.links.0[index].terms.clone());
        let answers = self.target(id, &terms, event, facts)?;
        let link: &mut Link = &mut self.links.0[index];
        if link.at_source {
            link.answers.extend(answers);
        }
        Ok(())
    }

    fn is_receiving(&self, id: HandoffId) -> bool {
        let known = self.node.decisions.handoffs().get(&id);
        known.and_then(handoff::Handoff::target) == Some(TargetState::Receiving)
    }

    /// Applies what came, with the note of how far that is, in one commit.
    fn apply(&mut self, id: HandoffId, records: &[(Point, Stored)], claim: Option<Cursor>) {
        if !self.is_receiving(id) && !self.is_planted(Mutant::AppliesAfterDecision) {
            return;
        }
        let by_arrival = self.is_planted(Mutant::AppliesByArrival);
        for (point, stored) in records {
            let known = self.node.store.records.get(&name(*point));
            if by_arrival || known.is_none_or(|known| known.version < stored.version) {
                self.node.store.records.insert(name(*point), *stored);
            }
            self.node.clock = self.node.clock.max(stored.version);
        }
        if !self.is_receiving(id) {
            return;
        }
        let newest = records.iter().map(|(_, stored)| stored.version).max().unwrap_or(0);
        let by_newest = self.is_planted(Mutant::ConfirmsNewestSeen);
        let note = self.node.store.notes.entry(id).or_default();
        if let Some(claim) = claim {
            *note = claim;
        }
        if by_newest {
            note.point = records.last().map(|(point, _)| *point).or(note.point);
            note.watermark = note.watermark.max(newest);
        }
    }

    /// Notes that the stream is complete. The frame of an END says what it claims, so nothing can
    /// be missing that was sent before it on the same connection.
    fn note_end(&mut self, id: HandoffId, cursor: Cursor) {
        if self.is_receiving(id) {
            self.node.store.notes.insert(id, cursor);
        }
    }
}
