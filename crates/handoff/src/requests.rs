//! Pure. The coordinator's requests: each is accepted by these rules or refused with its reason,
//! and a repeat is answered from the record. A refused request changes nothing. All of them come
//! after their head, [`Decisions::take_head`].

use std::cmp::Ordering;

use ring::{ArcSet, Phase, RingDocument};

use crate::decisions::{Decisions, Terms, first_arc, highest_in, lists, raise};
use crate::head::check_possible;
use crate::record::Side;
use crate::refusal::{MAX_OPEN_HANDOFFS, Refusal};
use crate::rule::Rule;
use crate::source::SourceState;
use crate::target::TargetState;
use crate::{Epoch, HandoffId};

/// How a request was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is new, and recorded (or may be, where it was only checked).
    New,
    /// It is on record already; nothing is done a second time.
    Repeat,
}

impl Decisions {
    /// Records a ring document.
    ///
    /// # Errors
    /// It is of another cluster, is older than the recorded one, differs from it in its members at
    /// the same epoch, or forgets a dead incarnation.
    pub fn record_ring(&mut self, document: RingDocument) -> Result<Acceptance, Refusal> {
        let own = self.cluster.to_string();
        if document.cluster != own {
            return Err(Refusal::OtherCluster { asked: document.cluster, own });
        }
        if let Some(recorded) = &self.ring {
            if document == *recorded {
                return Ok(Acceptance::Repeat);
            }
            if document.epoch < recorded.epoch {
                return Err(Refusal::OldRing { asked: document.epoch, recorded: recorded.epoch });
            }
            if document.epoch == recorded.epoch && document.members != recorded.members {
                return Err(Refusal::OtherRing { epoch: recorded.epoch });
            }
            let forgotten = recorded.dead.iter().find(|dead| {
                let mut known = document.dead.iter();
                !known.any(|d| d.name == dead.name && d.incarnation == dead.incarnation)
            });
            if let Some(dead) = forgotten {
                return Err(Refusal::DeadForgotten { incarnation: dead.incarnation.clone() });
            }
        }
        self.ring = Some(document);
        self.touch();
        Ok(Acceptance::New)
    }

    /// Ends a retirement where a newer committed ring lists this server again.
    pub fn observe_committed(&mut self, committed: &RingDocument) {
        let relisted = self.retired.is_some_and(|retired| committed.epoch > retired);
        if relisted && lists(committed, &self.server) {
            self.retired = None;
            self.touch();
        }
    }

    /// Whether this node may be the target of a handoff; the shell deletes old records in the
    /// arcs before it records that.
    ///
    /// # Errors
    /// A rule of step 1 forbids it.
    pub fn check_receive(&self, id: HandoffId, terms: &Terms) -> Result<Acceptance, Refusal> {
        check_possible(terms.epoch)?;
        if let Some(known) = self.handoffs.get(&id).filter(|_| Rule::RepeatFromRecord.holds()) {
            let same = known.target().is_some() && known.agrees(terms);
            return if same { Ok(Acceptance::Repeat) } else { Err(Refusal::OtherHandoff { id }) };
        }
        self.check_terms(terms)?;
        self.check_not_retired()?;
        if Rule::ReceiverOwnsNothing.holds() {
            self.check_owns_none(&terms.arcs)?;
        }
        self.check_epoch(&terms.arcs, terms.epoch)?;
        let fence = highest_in(&self.fences, &terms.arcs);
        if terms.epoch < fence && Rule::FenceRefusesBelow.holds() {
            return Err(Refusal::Fenced { asked: terms.epoch, fence });
        }
        Ok(Acceptance::New)
    }

    /// Records RECEIVING. The arcs hold no record on this disk any more.
    ///
    /// # Errors
    /// As [`Self::check_receive`].
    pub fn accept_receive(&mut self, id: HandoffId, terms: &Terms) -> Result<Acceptance, Refusal> {
        let acceptance = self.check_receive(id, terms)?;
        if acceptance == Acceptance::New {
            self.stop_trims(&terms.arcs);
            self.add_handoff(id, Side::Target(TargetState::Receiving), terms);
        }
        Ok(acceptance)
    }

    /// Records COPYING.
    ///
    /// # Errors
    /// This node does not own all of the arcs, or another rule of step 2 forbids it.
    pub fn accept_give(&mut self, id: HandoffId, terms: &Terms) -> Result<Acceptance, Refusal> {
        check_possible(terms.epoch)?;
        if let Some(known) = self.handoffs.get(&id) {
            let same = known.source().is_some() && known.agrees(terms);
            return if same { Ok(Acceptance::Repeat) } else { Err(Refusal::OtherHandoff { id }) };
        }
        self.check_terms(terms)?;
        let missing = terms.arcs.subtract(&self.owned.arcs());
        if let Some(arc) = first_arc(&missing).filter(|_| Rule::GiverOwnsAll.holds()) {
            return Err(Refusal::OwnsNot { arc });
        }
        self.check_epoch(&terms.arcs, terms.epoch)?;
        self.add_handoff(id, Side::Source(SourceState::Copying), terms);
        Ok(Acceptance::New)
    }

    /// Whether these empty arcs may be granted; the shell deletes old records in them before it
    /// records that.
    ///
    /// # Errors
    /// It is neither the one bootstrap grant nor covered by fences of exactly this epoch, or it was
    /// planned for another ring than the one that is recorded here.
    pub fn check_grant(
        &self,
        arcs: &ArcSet,
        epoch: Epoch,
        ring_epoch: Epoch,
    ) -> Result<Acceptance, Refusal> {
        check_possible(epoch.max(ring_epoch))?;
        if arcs.is_empty() {
            return Err(Refusal::NoArcs);
        }
        let acceptance =
            if epoch <= 1 { self.check_bootstrap(arcs) } else { self.check_regrant(arcs, epoch) }?;
        // A late one of an older ring may have gone to somebody else since.
        if acceptance == Acceptance::New && Rule::GrantOfRecordedRing.holds() {
            let recorded = self.ring_epoch();
            match ring_epoch.cmp(&recorded) {
                Ordering::Less => return Err(Refusal::OldRing { asked: ring_epoch, recorded }),
                Ordering::Greater => {
                    return Err(Refusal::RingNotRecorded { asked: ring_epoch, recorded });
                }
                Ordering::Equal => {}
            }
        }
        Ok(acceptance)
    }

    /// Records the grant. The arcs hold no record on this disk any more.
    ///
    /// # Errors
    /// As [`Self::check_grant`].
    pub fn accept_grant(
        &mut self,
        arcs: &ArcSet,
        epoch: Epoch,
        ring_epoch: Epoch,
    ) -> Result<Acceptance, Refusal> {
        let acceptance = self.check_grant(arcs, epoch, ring_epoch)?;
        if acceptance == Acceptance::New {
            if epoch <= 1 {
                self.granted = Some(arcs.clone());
            }
            self.stop_trims(arcs);
            self.raise_floor(arcs, epoch);
            self.given.remove(arcs);
            for arc in arcs.iter() {
                self.owned.insert(arc, epoch);
            }
            self.touch();
        }
        Ok(acceptance)
    }

    /// Records a fence: these arcs are refused below this epoch from now on.
    ///
    /// # Errors
    /// This node owns some of the arcs, or may come to own them by an open handoff.
    pub fn fence(&mut self, arcs: &ArcSet, epoch: Epoch) -> Result<Acceptance, Refusal> {
        check_possible(epoch)?;
        if arcs.is_empty() {
            return Err(Refusal::NoArcs);
        }
        // The grant that followed this fence may be recorded already.
        let fenced = self.fences.arcs_where(|fence| *fence >= epoch);
        if fenced.covers(arcs) {
            return Ok(Acceptance::Repeat);
        }
        if Rule::FenceNeedsNoOwner.holds() {
            self.check_owns_none(arcs)?;
        }
        raise(&mut self.fences, arcs, epoch);
        self.touch();
        Ok(Acceptance::New)
    }

    /// Records RETIRED.
    ///
    /// # Errors
    /// This node owns something, has an unfinished handoff or records to delete, or the ring of
    /// this epoch lists it or is not recorded here.
    pub fn retire(&mut self, ring_epoch: Epoch) -> Result<Acceptance, Refusal> {
        check_possible(ring_epoch)?;
        if self.retired.is_some_and(|retired| retired >= ring_epoch) {
            return Ok(Acceptance::Repeat);
        }
        if self.ring_epoch() < ring_epoch {
            let recorded = self.ring_epoch();
            return Err(Refusal::RingNotRecorded { asked: ring_epoch, recorded });
        }
        if self.is_listed() {
            return Err(Refusal::StillListed { epoch: self.ring_epoch() });
        }
        if Rule::RetiresEmpty.holds() {
            if let Some(arc) = first_arc(&self.owned.arcs()) {
                return Err(Refusal::Owns { arc });
            }
            let mut handoffs = self.handoffs.iter();
            if let Some((id, _)) = handoffs.find(|(_, handoff)| !handoff.side.is_finished()) {
                return Err(Refusal::UnfinishedHandoff { id: *id });
            }
        }
        if !self.trims.is_empty() {
            return Err(Refusal::Trimming);
        }
        self.retired = Some(ring_epoch);
        self.touch();
        Ok(Acceptance::New)
    }

    /// Whether a handoff may still be asked not to happen. What comes of it is an event of the
    /// handoff: the source drops it, or asks the target to decide; the target refuses it.
    ///
    /// # Errors
    /// It is unknown, or the target owns the arcs already.
    pub fn check_cancel(&self, id: HandoffId) -> Result<(), Refusal> {
        let handoff = self.handoffs.get(&id).ok_or(Refusal::UnknownHandoff { id })?;
        match handoff.side {
            Side::Source(SourceState::Given | SourceState::GivenSettled)
            | Side::Target(TargetState::Owned | TargetState::OwnedSettled) => {
                Err(Refusal::Decided { id })
            }
            Side::Source(_) | Side::Target(_) => Ok(()),
        }
    }

    fn check_terms(&self, terms: &Terms) -> Result<(), Refusal> {
        if terms.arcs.is_empty() {
            return Err(Refusal::NoArcs);
        }
        if terms.peer.name == self.server.name {
            return Err(Refusal::OwnPeer);
        }
        if self.knows_dead(&terms.peer) {
            return Err(Refusal::PeerDead { server: terms.peer.clone() });
        }
        if let Some(id) = self.open_over(&terms.arcs) {
            return Err(Refusal::OpenHandoff { id });
        }
        if self.n_open() >= MAX_OPEN_HANDOFFS {
            return Err(Refusal::TooManyHandoffs);
        }
        Ok(())
    }

    /// An epoch is used once: whoever owned a point later than this is not to be forgotten.
    fn check_epoch(&self, arcs: &ArcSet, asked: Epoch) -> Result<(), Refusal> {
        let highest = self.highest_over(arcs);
        let is_later = asked > highest || !Rule::EpochAboveAll.holds();
        if is_later { Ok(()) } else { Err(Refusal::EpochTooLow { asked, highest }) }
    }

    fn check_not_retired(&self) -> Result<(), Refusal> {
        let retired = self.retired.filter(|_| Rule::RetiredTakesNothing.holds());
        retired.map_or(Ok(()), |epoch| Err(Refusal::Retired { epoch }))
    }

    fn check_owns_none(&self, arcs: &ArcSet) -> Result<(), Refusal> {
        if let Some(arc) = first_arc(&self.owned.arcs().intersection(arcs)) {
            return Err(Refusal::Owns { arc });
        }
        self.open_over(arcs).map_or(Ok(()), |id| Err(Refusal::OpenHandoff { id }))
    }

    fn check_bootstrap(&self, arcs: &ArcSet) -> Result<Acceptance, Refusal> {
        if let Some(granted) = self.granted.as_ref().filter(|_| Rule::OneBootstrapGrant.holds()) {
            let same = granted == arcs;
            return if same { Ok(Acceptance::Repeat) } else { Err(Refusal::AlreadyGranted) };
        }
        self.check_not_retired()?;
        let bootstrapping =
            self.ring.as_ref().is_some_and(|document| document.phase == Phase::Bootstrapping);
        if !bootstrapping || !self.is_listed() {
            return Err(Refusal::NotListed { incarnation: self.server.incarnation });
        }
        if self.highest_epoch() > 0 && Rule::OneBootstrapGrant.holds() {
            return Err(Refusal::AlreadyGranted);
        }
        Ok(Acceptance::New)
    }

    fn check_regrant(&self, arcs: &ArcSet, epoch: Epoch) -> Result<Acceptance, Refusal> {
        if self.owned.arcs_where(|at| *at == epoch).covers(arcs) {
            return Ok(Acceptance::Repeat);
        }
        self.check_not_retired()?;
        self.check_owns_none(arcs)?;
        let is_fenced = self.fences.arcs_where(|fence| *fence == epoch).covers(arcs);
        if !is_fenced && Rule::GrantAtFence.holds() {
            return Err(Refusal::NotFenced { asked: epoch });
        }
        self.check_epoch(arcs, epoch)?;
        Ok(Acceptance::New)
    }
}
