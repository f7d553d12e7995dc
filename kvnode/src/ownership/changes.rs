//! Shell. What the actor does with each request of the coordinator.

use handoff::{Acceptance, Epoch, HandoffId, Refusal, Side, Terms, Version};
use node_api::{Change, Request};
use ring::ArcSet;

use super::actor::{Actor, After};
use super::messages::{ChangeError, Reply};
use crate::handoff::{SourceCommand, TargetCommand};
use crate::store::Trim;

/// Arcs whose old records are being deleted, before they are received or granted.
pub(crate) struct Preparation {
    pub(super) arcs: ArcSet,
    purpose: Purpose,
    replies: Vec<Reply<()>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Purpose {
    Receive(HandoffId, Terms),
    Grant { epoch: Epoch, ring_epoch: Epoch },
}

impl Preparation {
    pub(super) fn is_receive(&self, id: HandoffId) -> bool {
        matches!(&self.purpose, Purpose::Receive(of, _) if *of == id)
    }
}

impl Actor {
    pub(super) async fn change(&mut self, request: Request, reply: Reply<()>) {
        if let Err(refusal) = self.decisions.take_head(request.head()) {
            return self.answer(reply, Err(refusal.into()));
        }
        let change = request.change;
        tracing::debug!(term = request.term, change = change.name(), "the coordinator asks");
        let result = match change {
            Change::Term => Ok(Acceptance::Repeat),
            Change::Peers(peers) => {
                self.drivers.set_rate(peers.max_bytes_per_second);
                self.peers.send_if_modified(|known| {
                    let is_new = *known != peers;
                    *known = peers;
                    is_new
                });
                Ok(Acceptance::Repeat)
            }
            Change::Ring(document) => {
                let result = self.decisions.record_ring(document);
                if result.is_ok() {
                    self.read_ring.notify_one();
                    self.after.push(After::TellDead);
                }
                result
            }
            Change::Fence { arcs, epoch } => self.fence(&arcs, epoch),
            Change::Retire { ring_epoch } => self.retire(ring_epoch),
            Change::Give { id, terms } => self.give(id, &terms),
            Change::Cancel { id } => self.cancel(id).map(|()| Acceptance::Repeat),
            Change::Receive { id, terms } => {
                self.end_retirement().await;
                return self.receive(id, terms, reply);
            }
            Change::Grant { arcs, epoch, ring_epoch } => {
                self.end_retirement().await;
                return self.grant(arcs, epoch, ring_epoch, reply);
            }
        };
        self.answer(reply, result.map(|_| ()).map_err(ChangeError::from));
    }

    /// A retired node is asked again: perhaps a newer committed ring lists it.
    async fn end_retirement(&mut self) {
        if self.decisions.retired().is_none() {
            return;
        }
        if let Some(committed) = self.drivers.read_ring().await {
            self.decisions.observe_committed(&committed);
        }
    }

    fn fence(&mut self, arcs: &ArcSet, epoch: Epoch) -> Result<Acceptance, Refusal> {
        self.check_unprepared(arcs)?;
        self.decisions.fence(arcs, epoch)
    }

    fn retire(&mut self, ring_epoch: Epoch) -> Result<Acceptance, Refusal> {
        self.check_unprepared(&ArcSet::full())?;
        self.decisions.retire(ring_epoch)
    }

    fn give(&mut self, id: HandoffId, terms: &Terms) -> Result<Acceptance, Refusal> {
        let acceptance = self.decisions.accept_give(id, terms)?;
        if acceptance == Acceptance::New {
            self.after.push(After::StartSource(id));
        }
        Ok(acceptance)
    }

    fn cancel(&mut self, id: HandoffId) -> Result<(), Refusal> {
        self.decisions.check_cancel(id)?;
        match self.decisions.handoffs().get(&id).map(|handoff| handoff.side) {
            Some(Side::Source(_)) => self.drivers.tell_source(id, SourceCommand::Cancel),
            Some(Side::Target(_)) => self.drivers.tell_target(id, TargetCommand::Cancel),
            None => {}
        }
        Ok(())
    }

    fn receive(&mut self, id: HandoffId, terms: Terms, reply: Reply<()>) {
        match self.decisions.check_receive(id, &terms) {
            Err(refusal) => self.answer(reply, Err(refusal.into())),
            Ok(Acceptance::Repeat) => self.answer(reply, Ok(())),
            Ok(Acceptance::New) => {
                let arcs = terms.arcs.clone();
                self.prepare(arcs, Purpose::Receive(id, terms), reply);
            }
        }
    }

    fn grant(&mut self, arcs: ArcSet, epoch: Epoch, ring_epoch: Epoch, reply: Reply<()>) {
        match self.decisions.check_grant(&arcs, epoch, ring_epoch) {
            Err(refusal) => self.answer(reply, Err(refusal.into())),
            Ok(Acceptance::Repeat) => self.answer(reply, Ok(())),
            Ok(Acceptance::New) => {
                self.prepare(arcs, Purpose::Grant { epoch, ring_epoch }, reply);
            }
        }
    }

    /// Deletes whatever lies in the arcs, off this task; [`Self::prepared`] goes on. A repeat
    /// waits for the first one.
    fn prepare(&mut self, arcs: ArcSet, purpose: Purpose, reply: Reply<()>) {
        let mut running = self.preparations.values_mut();
        if let Some(same) = running.find(|other| other.arcs == arcs && other.purpose == purpose) {
            same.replies.push(reply);
            return;
        }
        if let Err(refusal) = self.check_unprepared(&arcs) {
            return self.answer(reply, Err(refusal.into()));
        }
        let number = self.next_preparation;
        self.next_preparation += 1;
        let trim_ended = self.stop_trim(&arcs);
        let preparation = Preparation { arcs: arcs.clone(), purpose, replies: vec![reply] };
        self.preparations.insert(number, preparation);
        let (store, ownership) = (self.store.clone(), self.ownership.clone());
        tokio::spawn(async move {
            if let Some(mut ended) = trim_ended {
                let _ = ended.wait_for(|ended| *ended).await;
            }
            let deleted = shell::blocking::run(move || {
                store.delete_arcs(&arcs, Version::MAX, Trim::Everything, |_| true)
            });
            let emptied = match deleted.await {
                Ok(Ok(trimmed)) => Ok(trimmed.n_records),
                Ok(Err(error)) => Err(error.or_fatal().to_string()),
                Err(error) => Err(error.to_string()),
            };
            ownership.prepared(number, emptied).await;
        });
    }

    /// The arcs hold no records any more: what they were emptied for is decided, if it may be yet.
    pub(super) fn prepared(&mut self, number: u64, emptied: Result<u64, String>) {
        let Some(Preparation { arcs, purpose, replies }) = self.preparations.remove(&number) else {
            return;
        };
        let result = match emptied {
            Ok(n_records) => {
                tracing::debug!(n_records, "deleted old records in arcs that come");
                self.decide(&arcs, purpose).map_err(ChangeError::from)
            }
            Err(error) => {
                tracing::error!(error, "cannot delete old records in arcs that are to come");
                Err(ChangeError::Failed(error))
            }
        };
        for reply in replies {
            self.answer(reply, result.clone());
        }
    }

    fn decide(&mut self, arcs: &ArcSet, purpose: Purpose) -> Result<(), Refusal> {
        match purpose {
            Purpose::Receive(id, terms) => {
                if self.decisions.accept_receive(id, &terms)? == Acceptance::New {
                    self.after.push(After::StartTarget(id));
                }
            }
            Purpose::Grant { epoch, ring_epoch } => {
                self.decisions.accept_grant(arcs, epoch, ring_epoch)?;
            }
        }
        Ok(())
    }

    fn check_unprepared(&self, arcs: &ArcSet) -> Result<(), Refusal> {
        let mut others = self.preparations.values();
        let overlaps = others.any(|other| !other.arcs.intersection(arcs).is_empty());
        if overlaps { Err(Refusal::Preparing) } else { Ok(()) }
    }
}
