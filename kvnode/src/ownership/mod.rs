//! Shell. Which arcs this node owns, and what it has promised about them: one durable record with
//! one owner, the actor. Everything that changes it, or acts on it, goes through [`Ownership`].

mod actor;
mod administration;
mod admission;
mod changes;
mod file;
mod kubernetes_ring_source;
mod messages;
mod publish;
mod ring_source;
mod trimming;
mod volume;

#[cfg(test)]
mod tests;

use handoff::{
    Decisions, HandoffId, SourceEvent, SourceFacts, TargetEvent, TargetFacts, Terms, TrimKind,
};
use node_api::{NodeState, Request};
use ring::{ArcSet, RingDocument};
use tokio::sync::{mpsc, oneshot, watch};

use crate::executor::Admission;

pub(crate) use actor::{ActorParts, start};
pub(crate) use administration::Administrator;
pub(crate) use admission::run as run_admission;
use file::SyncOrder;
pub(crate) use file::{DecisionsFile, check_any as fuzz_decisions};
pub(crate) use messages::{Message, Route, SourceOutcome, TargetOutcome, TrimJob};

pub(crate) use publish::segments as fuzz_segments;

pub use kubernetes_ring_source::KubernetesRingSource;
pub use messages::ChangeError;
pub use ring_source::{CoordinatorRingSource, FileRingSource, RingRead, RingSource};
pub use volume::{VolumeError, VolumeLock};

/// The decisions of a volume, and the file that they are kept in.
#[derive(Debug)]
pub struct Record {
    pub(crate) decisions: Decisions,
    pub(crate) file: DecisionsFile,
}

impl Record {
    /// Reads the decisions of a data directory; a directory that is used for the first time gets
    /// its incarnation. The directory is locked by the caller.
    ///
    /// # Errors
    /// The directory belongs to somebody else or is damaged, or its store has lost data.
    pub fn open(
        dir: &std::path::Path,
        cluster: handoff::ClusterId,
        name: &str,
        store: &crate::store::Store,
        rng: &dyn shell::rng::Rng,
    ) -> Result<Self, VolumeError> {
        let (mut file, mut decisions) = DecisionsFile::open(dir, cluster, name, store, rng)?;
        let written = if decisions.take_changed() {
            let written = file.write(&decisions, store, SyncOrder::StoreFirst);
            written.and_then(|()| file.mirror(&decisions))
        } else if file.is_mirrored() {
            Ok(())
        } else {
            file.repair(&decisions)
        };
        written.map_err(|error| VolumeError::Damaged {
            path: dir.to_owned(),
            detail: error.to_string(),
        })?;
        Ok(Self { decisions, file })
    }

    /// This server.
    #[must_use]
    pub const fn server(&self) -> &handoff::Server {
        self.decisions.server()
    }
}

/// The way to the actor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ownership {
    messages: mpsc::Sender<Message>,
    admission: watch::Receiver<Admission>,
}

impl Ownership {
    /// Whether the node was admitted, recovered and serving what it owns; if not, why.
    ///
    /// # Errors
    /// Why not.
    pub fn readiness(&self) -> Result<(), String> {
        match &*self.admission.borrow() {
            Admission::Admitted => Ok(()),
            Admission::Waiting(why) => Err(why.clone()),
        }
    }

    /// What a coordinator plans from.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn state(&self) -> Result<NodeState, ChangeError> {
        self.ask(Message::State).await
    }

    /// The ring document that is recorded.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn ring(&self) -> Result<Option<RingDocument>, ChangeError> {
        self.ask(Message::Ring).await
    }

    /// Asks for a change; it is durable when this returns.
    pub(crate) async fn change(&self, request: Request) -> Result<(), ChangeError> {
        self.ask(|reply| Message::Change(request, reply)).await?
    }

    pub(crate) async fn source_event(
        &self,
        id: HandoffId,
        event: SourceEvent,
        facts: SourceFacts,
    ) -> Result<SourceOutcome, ChangeError> {
        self.ask(|reply| Message::Source { id, event, facts, reply }).await?
    }

    pub(crate) async fn target_event(
        &self,
        id: HandoffId,
        terms: &Terms,
        event: TargetEvent,
        facts: TargetFacts,
    ) -> Result<TargetOutcome, ChangeError> {
        let terms = terms.clone();
        self.ask(|reply| Message::Target { id, terms, event, facts, reply }).await?
    }

    pub(crate) async fn route(&self, id: HandoffId) -> Result<Route, ChangeError> {
        self.ask(|reply| Message::Route { id, reply }).await
    }

    pub(crate) async fn ring_read(&self, read: Result<RingDocument, String>) {
        let _ = self.messages.send(Message::RingRead(read)).await;
    }

    pub(crate) async fn capture_closed(&self, id: HandoffId) {
        let _ = self.messages.send(Message::CaptureClosed(id)).await;
    }

    pub(crate) async fn next_trim(&self) -> Result<TrimJob, ChangeError> {
        self.ask(Message::NextTrim).await
    }

    pub(crate) async fn trimmed(&self, id: HandoffId, kind: TrimKind, done: Option<ArcSet>) {
        let _ = self.messages.send(Message::Trimmed { id, kind, done }).await;
    }

    pub(crate) async fn prepared(&self, number: u64, emptied: Result<u64, String>) {
        let _ = self.messages.send(Message::Prepared { number, emptied }).await;
    }

    /// Ends the actor; everything asked before is done.
    pub(crate) async fn stop(&self) {
        let _ = self.ask(Message::Stop).await;
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, ChangeError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.messages.send(message(reply)).await;
        sent.map_err(|_| ChangeError::Stopping)?;
        answer.await.map_err(|_| ChangeError::Stopping)
    }
}
