//! Shell. The driver of one handoff at its target. It is the one place where the handoff's records
//! are applied and where it is decided, so nothing is applied after a decision.

mod receive;

use std::sync::Arc as Shared;
use std::time::Duration;

use handoff::{HandoffId, TargetEffect, TargetEvent, TargetFacts, TargetState, Terms};
use shell::clock::Clock;
use tokio::sync::mpsc;

use super::link::{Link, LinkError};
use super::listener::{event_of, terms_of};
use super::wire::{Hello, Received, ToSource, WireError};
use super::{Context, Progress, TargetCommand, blocking};
use crate::ownership::ChangeError;
use receive::Connection;

/// For how long a stopping target waits for the END of a stream that is under way.
const DRAIN_WAIT: Duration = Duration::from_millis(200);

/// One handoff to drive.
pub(crate) struct Job {
    pub(crate) id: HandoffId,
    pub(crate) state: TargetState,
    pub(crate) terms: Terms,
    pub(crate) progress: Shared<Progress>,
}

/// Why a connection is given up. The source comes again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{0}")]
    Protocol(&'static str),
    #[error("{0}")]
    Store(String),
    #[error("the disk is full but for the reserve; free some space or enlarge the volume")]
    DiskFull,
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
    state: TargetState,
    terms: Terms,
    progress: Shared<Progress>,
    commands: mpsc::UnboundedReceiver<TargetCommand>,
    connection: Option<Connection>,
    /// What is in the store; on disk after the next sync.
    received: Received,
}

impl Driver {
    pub(crate) fn new(
        context: Shared<Context>,
        job: Job,
        commands: mpsc::UnboundedReceiver<TargetCommand>,
    ) -> Self {
        let Job { id, state, terms, progress } = job;
        let (connection, received) = (None, Received::default());
        Self { context, id, state, terms, progress, commands, connection, received }
    }

    /// Until the outcome is known on both sides, or the node stops.
    pub(crate) async fn run(mut self) {
        let (id, peer) = (self.id, self.terms.peer.name.clone());
        tracing::info!(%id, peer, state = ?self.state, "handoff: receiving");
        let drain = self.context.drain.clone();
        let mut stop_at = None;
        while !self.state.is_finished() {
            let now = self.context.time.monotonic();
            if stop_at.is_some_and(|at| now >= at) {
                break;
            }
            let confirm_in = self.connection.as_ref().and_then(|open| open.confirm_in(now));
            let stop_in = stop_at.map(|at: Duration| at.saturating_sub(now));
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                frame = next_frame(self.connection.as_mut()) => self.take(frame).await,
                () = sleep(confirm_in) => {
                    let confirmed = self.confirm().await;
                    self.check(confirmed);
                }
                () = sleep(stop_in) => break,
                () = drain.signaled(), if stop_at.is_none() => {
                    stop_at = Some(now + self.drain_wait());
                }
            }
        }
        if self.state.is_finished() {
            self.forget().await;
        }
        self.progress.set_error(None);
        tracing::info!(%id, peer, state = ?self.state, "handoff: receiving is over for now");
    }

    fn drain_wait(&self) -> Duration {
        let is_streaming = self.connection.is_some() && self.state == TargetState::Receiving;
        if is_streaming { DRAIN_WAIT } else { Duration::ZERO }
    }

    async fn obey(&mut self, command: TargetCommand) {
        let result = match command {
            TargetCommand::Connected(connected) => {
                let (link, hello) = *connected;
                self.connect(link, &hello).await
            }
            TargetCommand::Cancel => self.decide(TargetEvent::Cancel, TargetFacts::default()).await,
            TargetCommand::PeerDead => {
                self.decide(TargetEvent::SourceDead, TargetFacts::default()).await
            }
        };
        self.check(result);
    }

    /// A new connection takes the place of an older one, of which nothing more is applied.
    async fn connect(&mut self, link: Link, hello: &Hello) -> Result<(), Trouble> {
        self.connection = Some(Connection::new(link, self.context.time.monotonic()));
        if terms_of(hello) != self.terms {
            return Err(Trouble::Protocol("the greeting names other terms than the record"));
        }
        self.reload().await?;
        self.decide(event_of(hello.standing), TargetFacts::default()).await
    }

    /// What is in the store is on disk after this, and known here.
    async fn reload(&mut self) -> Result<(), Trouble> {
        let (store, name) = (self.context.store.clone(), self.note_name());
        let note = blocking(move || {
            store.sync()?;
            store.note(&name)
        });
        let note = note.await.map_err(Trouble::Store)?;
        self.received = match note {
            Some(note) => Received::decode(note)?,
            None => Received::default(),
        };
        if let Some(connection) = &mut self.connection {
            connection.claimed = self.received.cursor;
        }
        self.progress.set_moved(self.received.moved);
        Ok(())
    }

    /// One event of the machine, and its answers once it is durable.
    async fn decide(&mut self, event: TargetEvent, facts: TargetFacts) -> Result<(), Trouble> {
        let ownership = &self.context.ownership;
        let outcome = ownership.target_event(self.id, &self.terms, event, facts).await?;
        if outcome.state != self.state {
            tracing::info!(id = %self.id, ?event, state = ?outcome.state, "handoff: receiving");
            self.state = outcome.state;
        }
        let Some(connection) = &self.connection else { return Ok(()) };
        for effect in outcome.effects {
            let answer = match effect {
                TargetEffect::Serve => continue,
                TargetEffect::AnswerYes => ToSource::Yes(self.received.moved),
                TargetEffect::AnswerNo => ToSource::No,
                TargetEffect::AnswerNotYet => ToSource::NotYet(self.received.cursor),
                TargetEffect::AnswerSettled => ToSource::Settled,
            };
            connection.link.send(answer.encode());
        }
        Ok(())
    }

    /// After trouble the source has to come again.
    fn check(&mut self, result: Result<(), Trouble>) {
        let Err(trouble) = result else { return };
        let text = trouble.to_string();
        let Some(connection) = self.connection.take() else { return };
        if matches!(trouble, Trouble::Link(LinkError::Ended)) {
            return;
        }
        connection.link.send(ToSource::Failed(text.clone()).encode());
        if self.progress.set_error(Some(text.clone())) {
            tracing::warn!(id = %self.id, trouble = text, "handoff: a stream was given up");
        }
    }

    /// Notes of a finished handoff are of no more use.
    async fn forget(&self) {
        let (store, name) = (self.context.store.clone(), self.note_name());
        if let Err(error) = blocking(move || store.remove_note(&name)).await {
            tracing::debug!(error, "cannot remove a note");
        }
    }

    fn note_name(&self) -> [u8; 16] {
        self.id.0.to_be_bytes()
    }
}

async fn next_frame(connection: Option<&mut Connection>) -> Result<bytes::Bytes, LinkError> {
    match connection {
        Some(connection) => connection.link.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep(rest: Option<Duration>) {
    match rest {
        Some(rest) => tokio::time::sleep(rest).await,
        None => std::future::pending().await,
    }
}
