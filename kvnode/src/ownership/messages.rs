//! Shell. What the ownership actor is asked, and by whom.

use std::sync::Arc as Shared;
use std::sync::atomic::AtomicBool;

use handoff::{
    HandoffId, Refusal, SourceEffect, SourceEvent, SourceFacts, SourceState, TargetEffect,
    TargetEvent, TargetFacts, TargetState, Terms, TrimKind, Version,
};
use node_api::{NodeState, Request};
use ring::{ArcSet, RingDocument};
use tokio::sync::oneshot;

use crate::handoff::TargetSender;
use crate::store::BatchNo;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The rules forbid it; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
    /// The node is stopping, or its storage failed.
    #[error("the server is stopping; ask again when it is back")]
    Stopping,
}

/// What came of an event of a source; the state is durable and in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceOutcome {
    pub(crate) state: SourceState,
    pub(crate) effects: &'static [SourceEffect],
    /// The newest batch that may hold a write made before the state came into force.
    pub(crate) batch: BatchNo,
}

/// What came of an event of a target; the state is durable and in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TargetOutcome {
    pub(crate) state: TargetState,
    pub(crate) effects: &'static [TargetEffect],
}

/// Records to delete now.
#[derive(Clone, Debug)]
pub(crate) struct TrimJob {
    pub(crate) id: HandoffId,
    pub(crate) kind: TrimKind,
    pub(crate) arcs: ArcSet,
    pub(crate) max_version: Version,
    /// Set when the arcs are wanted for something else.
    pub(crate) stop: Shared<AtomicBool>,
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, ChangeError>>;

/// A message to the actor.
#[derive(Debug)]
pub(crate) enum Message {
    State(oneshot::Sender<NodeState>),
    Ring(oneshot::Sender<Option<RingDocument>>),
    Change(Request, Reply<()>),
    /// The arcs of a preparation hold no records any more.
    Prepared {
        number: u64,
        emptied: Result<u64, String>,
    },
    Source {
        id: HandoffId,
        event: SourceEvent,
        facts: SourceFacts,
        reply: Reply<SourceOutcome>,
    },
    Target {
        id: HandoffId,
        terms: Terms,
        event: TargetEvent,
        facts: TargetFacts,
        reply: Reply<TargetOutcome>,
    },
    /// Who serves a handoff of which this node is the target.
    Route {
        id: HandoffId,
        reply: oneshot::Sender<Route>,
    },
    /// A live read of the committed ring document.
    RingRead(Result<RingDocument, String>),
    CaptureClosed(HandoffId),
    /// The next trim, once there is one.
    NextTrim(oneshot::Sender<TrimJob>),
    Trimmed {
        id: HandoffId,
        kind: TrimKind,
        done: Option<ArcSet>,
    },
    Stop(oneshot::Sender<()>),
}

/// Where a connection of a source goes.
#[derive(Debug)]
pub(crate) enum Route {
    /// To the driver of the handoff.
    Driver(TargetSender),
    /// Nobody: it is answered from the record.
    Record,
    /// It is just being accepted; the source is to come again.
    Later,
}
