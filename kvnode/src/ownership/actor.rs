//! Shell. The sole owner of a node's decisions. It takes what has come, decides all of it, makes
//! the decisions durable once, puts them in force at the data thread, and only then answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc as Shared;
use std::time::Duration;

use handoff::{
    Decisions, HandoffId, Refusal, Side, SourceState, TargetEvent, TargetState, invariants,
};
use node_api::{NodeState, Peers};
use ring::RingDocument;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::changes::Preparation;
use super::file::{DecideError, DecisionsFile, SyncOrder};
use super::messages::{ChangeError, Message, Reply, Route, SourceOutcome, TargetOutcome, TrimJob};
use super::trimming::Trimming;
use super::{Ownership, Record, publish};
use crate::executor::{Admission, ControlRequest, ControlSender, Segments};
use crate::handoff::{Drivers, Progress, SourceCommand, TargetCommand};
use crate::store::{BatchNo, HybridClock, Store};

/// Messages that may wait for the actor.
const MAX_WAITING: usize = 1_024;
/// A decision is written a second time when nothing was asked for so long.
const MIRROR_AFTER: Duration = Duration::from_millis(100);
/// Messages decided with one durable write.
const MAX_BATCH: usize = 64;

/// What an actor is made of.
pub(crate) struct ActorParts {
    pub(crate) record: Record,
    pub(crate) store: Store,
    pub(crate) clock: HybridClock,
    pub(crate) control: ControlSender,
    pub(crate) peers: watch::Sender<Peers>,
    /// Told when the ring document is to be read again.
    pub(crate) read_ring: Shared<Notify>,
}

/// What is done once the decisions are durable and in force.
pub(crate) enum After {
    State(oneshot::Sender<NodeState>),
    Ring(oneshot::Sender<Option<RingDocument>>),
    Answer(Reply<()>, Result<(), ChangeError>),
    Source(Reply<SourceOutcome>, Result<SourceOutcome, ChangeError>),
    Target(Reply<TargetOutcome>, Result<TargetOutcome, ChangeError>),
    StartSource(HandoffId),
    StartTarget(HandoffId),
    TellDead,
    Stopped(oneshot::Sender<()>),
}

pub(crate) struct Actor {
    pub(super) decisions: Decisions,
    /// Lent to the thread that writes it.
    file: Option<DecisionsFile>,
    is_mirrored: bool,
    /// What was decided since the last write, if anything, goes to disk so.
    unwritten: Option<SyncOrder>,
    pub(super) store: Store,
    pub(super) clock: HybridClock,
    control: ControlSender,
    pub(super) peers: watch::Sender<Peers>,
    pub(super) read_ring: Shared<Notify>,
    pub(super) drivers: Drivers,
    pub(super) ownership: Ownership,
    admission: Admission,
    /// What others see of it.
    seen: watch::Sender<Admission>,
    /// Set when a peer or a disk went back behind its promise; the node serves nothing then.
    contradiction: Option<String>,
    published: Segments,
    progress: BTreeMap<HandoffId, Shared<Progress>>,
    pub(super) preparations: BTreeMap<u64, Preparation>,
    pub(super) next_preparation: u64,
    pub(super) captures: BTreeSet<HandoffId>,
    pub(super) trim_waiter: Option<oneshot::Sender<TrimJob>>,
    pub(super) trimming: Option<Trimming>,
    pub(super) after: Vec<After>,
}

/// Starts the actor, with the drivers of handoffs that are not finished.
pub(crate) async fn start(
    parts: ActorParts,
    drivers: impl FnOnce(&Ownership) -> Drivers,
) -> (Ownership, tokio::task::JoinHandle<()>) {
    let (sender, messages) = mpsc::channel(MAX_WAITING);
    let admission = Admission::Waiting("the ring document has not been read yet".into());
    let (seen, known) = watch::channel(admission.clone());
    let ownership = Ownership { messages: sender, admission: known };
    let drivers = drivers(&ownership);
    let Record { decisions, file } = parts.record;
    let mut actor = Actor {
        decisions,
        file: Some(file),
        is_mirrored: true,
        unwritten: None,
        store: parts.store,
        clock: parts.clock,
        control: parts.control,
        peers: parts.peers,
        read_ring: parts.read_ring,
        drivers,
        ownership: ownership.clone(),
        admission,
        seen,
        contradiction: None,
        published: Segments::waiting(""),
        progress: BTreeMap::new(),
        preparations: BTreeMap::new(),
        next_preparation: 0,
        captures: BTreeSet::new(),
        trim_waiter: None,
        trimming: None,
        after: Vec::new(),
    };
    actor.resume().await;
    let task = tokio::spawn(actor.run(messages));
    (ownership, task)
}

impl Actor {
    /// After a restart: clocks above what came with arcs, captures before anything is served, and
    /// every handoff that is not finished goes on.
    async fn resume(&mut self) {
        self.raise_clocks(self.decisions.version_floor(), self.decisions.expiry_floor_ms());
        let handoffs: Vec<(HandoffId, Side)> =
            self.decisions.handoffs().iter().map(|(id, handoff)| (*id, handoff.side)).collect();
        for (id, side) in handoffs {
            match side {
                Side::Source(state) if !state.is_finished() => self.start_source(id),
                Side::Target(state) if !state.is_finished() => self.start_target(id),
                Side::Source(_) | Side::Target(_) => {}
            }
        }
        self.tell_dead();
        self.publish().await;
    }

    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        loop {
            let next = if self.is_mirrored {
                messages.recv().await
            } else {
                match tokio::time::timeout(MIRROR_AFTER, messages.recv()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.mirror().await;
                        continue;
                    }
                }
            };
            let Some(first) = next else { return };
            let mut stops = matches!(first, Message::Stop(_));
            self.take(first).await;
            for _ in 1..MAX_BATCH {
                let Ok(next) = messages.try_recv() else { break };
                stops |= matches!(next, Message::Stop(_));
                self.take(next).await;
            }
            self.settle().await;
            if stops {
                return;
            }
        }
    }

    async fn take(&mut self, message: Message) {
        let order = match &message {
            Message::Target { event: TargetEvent::Reached, .. } => SyncOrder::Together,
            _ => SyncOrder::StoreFirst,
        };
        self.handle(message).await;
        if self.decisions.take_changed() {
            self.unwritten = self.unwritten.max(Some(order));
        }
    }

    async fn handle(&mut self, message: Message) {
        match message {
            // What was decided just before may not be durable yet.
            Message::State(reply) => self.after.push(After::State(reply)),
            Message::Ring(reply) => self.after.push(After::Ring(reply)),
            Message::Change(request, reply) => self.change(request, reply).await,
            Message::Prepared { number, emptied } => self.prepared(number, emptied),
            Message::Source { id, event, facts, reply } => {
                let outcome = self.decisions.source_event(id, event, &facts);
                let outcome = self.checked(id, outcome).map(|(state, effects)| SourceOutcome {
                    state,
                    effects,
                    batch: 0,
                });
                self.after.push(After::Source(reply, outcome));
            }
            Message::Target { id, terms, event, facts, reply } => {
                if event == TargetEvent::Reached {
                    self.raise_clocks(facts.version_clock, facts.wall_clock_ms);
                }
                let outcome = self.decisions.target_event(id, &terms, event, &facts);
                let outcome = self
                    .checked(id, outcome)
                    .map(|(state, effects)| TargetOutcome { state, effects });
                self.after.push(After::Target(reply, outcome));
            }
            Message::Route { id, reply } => {
                let _ = reply.send(self.route(id));
            }
            Message::RingRead(read) => self.ring_read(read),
            Message::CaptureClosed(id) => {
                self.captures.remove(&id);
            }
            Message::NextTrim(reply) => self.trim_waiter = Some(reply),
            Message::Trimmed { id, kind, done } => {
                if let Some(trimming) = self.trimming.take() {
                    trimming.ended.send_replace(true);
                }
                if let Some(done) = done {
                    self.decisions.trimmed(id, kind, &done);
                }
            }
            Message::Stop(reply) => self.after.push(After::Stopped(reply)),
        }
    }

    /// Makes durable what was decided, puts it in force, then answers and acts.
    async fn settle(&mut self) {
        if let Some(order) = self.unwritten.take() {
            self.persist(order).await;
        }
        let batch = self.publish().await;
        for after in std::mem::take(&mut self.after) {
            match after {
                After::State(reply) => {
                    let _ = reply.send(self.state());
                }
                After::Ring(reply) => {
                    let _ = reply.send(self.decisions.ring().cloned());
                }
                After::Answer(reply, result) => {
                    let _ = reply.send(result);
                }
                After::Source(reply, outcome) => {
                    let outcome = outcome.map(|outcome| SourceOutcome { batch, ..outcome });
                    let _ = reply.send(outcome);
                }
                After::Target(reply, outcome) => {
                    let _ = reply.send(outcome);
                }
                After::StartSource(id) => self.start_source(id),
                After::StartTarget(id) => self.start_target(id),
                After::TellDead => self.tell_dead(),
                After::Stopped(reply) => {
                    let _ = reply.send(());
                }
            }
        }
        self.forget_finished();
        self.offer_trim();
    }

    /// A contradiction is not answered and forgotten: somebody may own what this node serves.
    fn checked<T>(&mut self, id: HandoffId, outcome: Result<T, Refusal>) -> Result<T, ChangeError> {
        outcome.map_err(|refusal| {
            if let Refusal::Contradiction { contradiction, .. } = &refusal {
                tracing::error!(%id, contradiction, "a handoff contradicts its record");
                self.contradiction.get_or_insert_with(|| {
                    format!("handoff {id} contradicts its record: {contradiction}")
                });
            }
            ChangeError::Refused(refusal)
        })
    }

    async fn persist(&mut self, order: SyncOrder) {
        if let Err(violation) = invariants::one_handoff(&self.decisions) {
            tracing::error!(%violation, "a bug: the process ends before this is recorded");
            std::process::exit(i32::from(shell::exit::FAILURE));
        }
        let store = self.store.clone();
        self.with_file(move |file, decisions| file.write(decisions, &store, order)).await;
        self.is_mirrored = false;
    }

    async fn mirror(&mut self) {
        self.with_file(DecisionsFile::mirror).await;
        self.is_mirrored = true;
    }

    /// Runs on a thread for blocking work. A failure ends the process.
    async fn with_file<F>(&mut self, work: F)
    where
        F: FnOnce(&mut DecisionsFile, &Decisions) -> Result<(), DecideError> + Send + 'static,
    {
        let (file, decisions) = (self.file.take(), self.decisions.clone());
        let written = shell::blocking::run(move || {
            let Some(mut file) = file else { return Err(DecideError::NoFile) };
            work(&mut file, &decisions).map(|()| file)
        });
        match written.await {
            Ok(Ok(file)) => self.file = Some(file),
            Ok(Err(error)) => fatal(&error),
            Err(error) => fatal(&error),
        }
    }

    /// Puts the decisions in force. Returns the newest batch that may hold a write made before.
    async fn publish(&mut self) -> BatchNo {
        if let Some(contradiction) = &self.contradiction {
            self.admission = Admission::Waiting(contradiction.clone());
        }
        let segments = publish::segments(&self.decisions, &self.admission);
        self.seen.send_if_modified(|seen| {
            let is_new = *seen != self.admission;
            seen.clone_from(&self.admission);
            is_new
        });
        if segments == self.published {
            return 0;
        }
        let (applied, is_applied) = oneshot::channel();
        self.published = segments.clone();
        let sent = self.control.send(ControlRequest::Publish { segments, applied });
        match sent {
            Ok(()) => is_applied.await.unwrap_or(0),
            Err(_) => 0,
        }
    }

    fn raise_clocks(&self, version: u64, expiry_ms: u64) {
        if let Err(error) = self.clock.observe(version) {
            tracing::error!(%error, "a handoff came with an impossible clock");
        }
        self.clock.raise_expiry_now(expiry_ms);
    }

    fn ring_read(&mut self, read: Result<RingDocument, String>) {
        let verdict = match read {
            Ok(committed) => {
                self.decisions.observe_committed(&committed);
                self.decisions.admit(&committed)
            }
            Err(reason) => Err(handoff::NotAdmitted::Unread { reason }),
        };
        let is_admitted = self.admission == Admission::Admitted;
        match verdict {
            Ok(()) if is_admitted => {}
            Ok(()) => {
                tracing::info!("admitted: this server serves what it owns");
                self.admission = Admission::Admitted;
            }
            // Once admitted, only what says that this volume must not serve ends it.
            Err(handoff::NotAdmitted::Unread { .. } | handoff::NotAdmitted::Bootstrapping)
                if is_admitted => {}
            Err(error) => {
                let why = error.to_string();
                if self.admission != Admission::Waiting(why.clone()) {
                    tracing::info!(why, "not admitted");
                    self.admission = Admission::Waiting(why);
                }
            }
        }
    }

    fn state(&self) -> NodeState {
        let free = self.store.free_bytes().unwrap_or(0);
        let peers = self.peers.borrow();
        publish::state(&self.decisions, &self.admission, &self.progress, &peers, free)
    }

    fn route(&self, id: HandoffId) -> Route {
        if let Some(driver) = self.drivers.target(id) {
            return Route::Driver(driver);
        }
        if self.preparations.values().any(|preparation| preparation.is_receive(id)) {
            return Route::Later;
        }
        let open = self.decisions.handoffs().get(&id).and_then(handoff::Handoff::target);
        // Its driver is just ending, or is not there yet.
        if open.is_some_and(TargetState::is_open) { Route::Later } else { Route::Record }
    }

    fn start_source(&mut self, id: HandoffId) {
        let Some(handoff) = self.decisions.handoffs().get(&id) else { return };
        if handoff.source() == Some(SourceState::Copying) {
            self.captures.insert(id);
        }
        let progress = Shared::clone(self.progress.entry(id).or_default());
        self.drivers.start_source(id, handoff, progress);
    }

    fn start_target(&mut self, id: HandoffId) {
        let Some(handoff) = self.decisions.handoffs().get(&id) else { return };
        let progress = Shared::clone(self.progress.entry(id).or_default());
        self.drivers.start_target(id, handoff, progress);
    }

    fn tell_dead(&self) {
        for id in self.decisions.with_dead_peer() {
            self.drivers.tell_source(id, SourceCommand::PeerDead);
            self.drivers.tell_target(id, TargetCommand::PeerDead);
        }
    }

    fn forget_finished(&mut self) {
        let handoffs = self.decisions.handoffs();
        self.progress.retain(|id, _| handoffs.contains_key(id));
        self.drivers
            .retain(|id| handoffs.get(&id).is_some_and(|handoff| !handoff.side.is_finished()));
    }

    pub(super) fn answer(&mut self, reply: Reply<()>, result: Result<(), ChangeError>) {
        self.after.push(After::Answer(reply, result));
    }
}

/// A decision that may or may not be on disk: only a restart finds out.
fn fatal(error: &dyn std::fmt::Display) -> ! {
    tracing::error!(%error, "the process ends, because a decision could not be made durable");
    std::process::exit(i32::from(shell::exit::STORAGE))
}
