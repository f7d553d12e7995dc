//! Shell. The driver of one handoff at its source: connects to the target for as long as it takes,
//! streams, freezes, and tells the outcome. What it may do next is decided by the pure machine in
//! the node's record; this file only carries it out.

mod capture;
mod session;

use std::sync::Arc as Shared;
use std::time::Duration;

use handoff::{
    HandoffId, Moved, SourceEffect, SourceEvent, SourceFacts, SourceState, Terms, Version,
};
use node_api::SAMPLED_RECORDS;
use shell::clock::Clock;
use shell::net::TcpStream;
use tokio::sync::mpsc;

use super::link::{Link, LinkError};
use super::wire::{Hello, Standing, ToTarget, WireError};
use super::{Context, Progress, SourceCommand};
use crate::ownership::{ChangeError, SourceOutcome};
use crate::store::BatchNo;
use capture::Capture;

/// Waiting times between attempts to connect; they double.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// While arcs are frozen writers wait, so attempts stay close together.
const BACKOFF_MAX_FROZEN: Duration = Duration::from_millis(50);
/// When a sync is asked for again.
const SYNC_AGAIN: Duration = Duration::from_millis(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// One handoff to drive.
pub(crate) struct Job {
    pub(crate) id: HandoffId,
    pub(crate) state: SourceState,
    pub(crate) terms: Terms,
    pub(crate) progress: Shared<Progress>,
}

/// Why a session ended before its time. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("no address of {0} is known")]
    NoAddress(String),
    #[error("{peer} at {address} is not reachable: {cause}")]
    Unreachable { peer: String, address: String, cause: String },
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{0}")]
    Peer(String),
    #[error("the target was not heard from")]
    Silent,
    #[error("{0}")]
    Scan(String),
    #[error(transparent)]
    Record(#[from] ChangeError),
}

impl From<WireError> for Trouble {
    fn from(error: WireError) -> Self {
        Self::Link(error.into())
    }
}

pub(crate) struct Driver {
    context: Shared<Context>,
    id: HandoffId,
    state: SourceState,
    terms: Terms,
    progress: Shared<Progress>,
    commands: mpsc::UnboundedReceiver<SourceCommand>,
    capture: Option<Capture>,
    /// Since when commands on the arcs are held.
    frozen_at: Option<Duration>,
    /// The newest batch with a write made before the freeze.
    frozen_batch: BatchNo,
    /// The target is asked to decide as soon as it can be.
    wants_decision: bool,
    attempt: u32,
    /// The version clock of the latest END.
    end_clock: Option<Version>,
    is_counted: bool,
}

impl Driver {
    pub(crate) fn new(
        context: Shared<Context>,
        job: Job,
        commands: mpsc::UnboundedReceiver<SourceCommand>,
    ) -> Self {
        let Job { id, state, terms, progress } = job;
        let capture =
            (state == SourceState::Copying).then(|| Capture::open(&context, id, &terms.arcs));
        let frozen_at = (state == SourceState::Frozen).then(|| context.time.monotonic());
        Self {
            context,
            id,
            state,
            terms,
            progress,
            commands,
            capture,
            frozen_at,
            frozen_batch: 0,
            wants_decision: false,
            attempt: 0,
            end_clock: None,
            is_counted: false,
        }
    }

    /// Until both sides know the outcome, or the node stops.
    pub(crate) async fn run(mut self) {
        let (id, peer) = (self.id, self.terms.peer.name.clone());
        tracing::info!(%id, peer, state = ?self.state, "handoff: giving");
        let mut backoff = BACKOFF_MIN;
        while !self.is_over() {
            let Err(trouble) = self.session(&mut backoff).await else { continue };
            let text = trouble.to_string();
            if self.progress.set_error(Some(text.clone())) {
                tracing::warn!(%id, peer, trouble = text, "handoff: trying again");
            }
            self.wait(backoff).await;
            let longest = match self.state {
                SourceState::Frozen => BACKOFF_MAX_FROZEN,
                _ => BACKOFF_MAX,
            };
            backoff = (backoff * 2).min(longest);
        }
        self.progress.set_error(None);
        tracing::info!(%id, peer, state = ?self.state, "handoff: giving is over for now");
    }

    /// A stopping node enters no freeze, but one that is frozen still waits for the decision.
    fn is_over(&self) -> bool {
        let stops = self.context.drain.is_draining() && self.state != SourceState::Frozen;
        self.state.is_finished() || stops
    }

    /// Before the next attempt. Commands are obeyed meanwhile, and what is captured is let go, as
    /// the next stream finds it by its version.
    async fn wait(&mut self, backoff: Duration) {
        let mut peers = self.context.peers.clone();
        peers.mark_unchanged();
        let drain = self.context.drain.clone();
        let mut rest = std::pin::pin!(tokio::time::sleep(backoff));
        // Writers that wait for the queue are not to wait for the target.
        if let Some(capture) = &mut self.capture {
            capture.discard();
        }
        let mut knows_peers = true;
        while !self.is_over() {
            let queue = self.capture.as_ref().map(Capture::queue);
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => {
                    if let Err(trouble) = self.obey(command).await {
                        tracing::warn!(id = %self.id, %trouble, "handoff: a command failed");
                    }
                }
                () = capture::pushed(queue.as_deref()), if queue.is_some() => {
                    if let Some(capture) = &mut self.capture {
                        capture.discard();
                    }
                }
                changed = peers.changed(), if knows_peers => match changed {
                    Ok(()) => return,
                    Err(_) => knows_peers = false,
                },
                () = drain.signaled(), if self.state != SourceState::Frozen => return,
                () = &mut rest => return,
            }
        }
    }

    /// What the machine makes of a command.
    async fn obey(&mut self, command: SourceCommand) -> Result<SourceOutcome, Trouble> {
        let event = match command {
            SourceCommand::Cancel => SourceEvent::Cancel,
            SourceCommand::PeerDead => SourceEvent::TargetDead,
        };
        let outcome = self.event(event).await?;
        self.wants_decision |= outcome.effects.contains(&SourceEffect::AskDecide);
        Ok(outcome)
    }

    /// One event of the machine; what it decides is durable and in force after.
    async fn event(&mut self, event: SourceEvent) -> Result<SourceOutcome, Trouble> {
        let context = Shared::clone(&self.context);
        let facts = SourceFacts {
            highest_version: self.end_clock.unwrap_or_else(|| context.clock.last_version()),
            moved: self.progress.moved(),
        };
        let before = self.state;
        let outcome = context.ownership.source_event(self.id, event, facts).await?;
        self.state = outcome.state;
        if before != self.state {
            tracing::info!(id = %self.id, ?event, state = ?self.state, "handoff: giving");
            self.note_change(before);
        }
        if outcome.effects.contains(&SourceEffect::CloseCapture)
            && let Some(capture) = self.capture.take()
        {
            capture.close(&context, self.id).await;
        }
        Ok(outcome)
    }

    fn note_change(&mut self, before: SourceState) {
        let metrics = &self.context.metrics;
        match self.state {
            SourceState::Frozen => self.frozen_at = Some(self.context.time.monotonic()),
            SourceState::Given => metrics.count_given(),
            SourceState::Dropped => metrics.count_dropped(),
            SourceState::DroppedSettled if before.is_open() => metrics.count_dropped(),
            SourceState::Copying | SourceState::GivenSettled | SourceState::DroppedSettled => {}
        }
        if before == SourceState::Frozen {
            self.end_pause();
        }
    }

    /// The arcs are served again, here or by the target: it serves them before it says YES.
    fn end_pause(&mut self) {
        if let Some(frozen_at) = self.frozen_at.take() {
            let pause = self.context.time.monotonic().saturating_sub(frozen_at);
            self.context.metrics.record_pause(pause);
        }
    }

    async fn connect(&self) -> Result<Link, Trouble> {
        let peer = self.terms.peer.name.clone();
        let address = self.context.peers.borrow().addresses.get(&peer).cloned();
        let address = address.ok_or_else(|| Trouble::NoAddress(peer.clone()))?;
        let connecting = TcpStream::connect(&address);
        let cause = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => return Ok(Link::new(stream)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        Err(Trouble::Unreachable { peer, address, cause })
    }

    fn greeting(&self) -> ToTarget {
        let standing = match self.state {
            SourceState::Copying => Standing::Copying,
            SourceState::Frozen => Standing::Frozen,
            SourceState::Given | SourceState::GivenSettled => Standing::Given,
            SourceState::Dropped | SourceState::DroppedSettled => Standing::Dropped,
        };
        ToTarget::Hello(Box::new(Hello {
            id: self.id,
            cluster: self.context.cluster,
            source: self.context.server.clone(),
            target: self.terms.peer.clone(),
            arcs: self.terms.arcs.clone(),
            epoch: self.terms.epoch,
            standing,
        }))
    }

    /// Estimates what is to move, beside everything else and once.
    fn count(&mut self) {
        if std::mem::replace(&mut self.is_counted, true) {
            return;
        }
        let (store, arcs) = (self.context.store.clone(), self.terms.arcs.clone());
        let now_ms = self.context.clock.expiry_now();
        let progress = Shared::clone(&self.progress);
        tokio::spawn(async move {
            let estimate = move || {
                let counted = store.count_some(&arcs, now_ms, SAMPLED_RECORDS)?;
                Ok(counted.extrapolated(&arcs))
            };
            match super::blocking(estimate).await {
                Ok(count) => progress.set_total(Moved { keys: count.keys, bytes: count.bytes }),
                Err(error) => tracing::warn!(error, "cannot estimate what is to move"),
            }
        });
    }

    /// Returns when this batch of writes is on disk. The data thread may not have sealed it yet,
    /// and what is not sealed cannot be synced: so that is asked for again.
    async fn durable(&self, batch: BatchNo) {
        let store = &self.context.store;
        let mut durable = store.durable_watch();
        while store.durable() < batch {
            store.request_sync();
            let reached = durable.wait_for(|durable| *durable >= batch);
            if let Ok(Err(_)) = tokio::time::timeout(SYNC_AGAIN, reached).await {
                return;
            }
        }
    }
}
