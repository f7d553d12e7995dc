//! Pure. The source's side of one handoff: what it durably is, and what each event makes of it.
//!
//! From `Frozen` on the source takes nothing back by itself, on any timer: only the target's
//! answer, or the user's acceptance of a loss, ends it.

use serde::{Deserialize, Serialize};

use crate::step::{Illegal, Step};

/// What the source has durably decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Streams the arcs and serves them as before.
    Copying,
    /// Commands on the arcs are held until the target has decided.
    Frozen,
    /// The target owns the arcs; it does not yet know that this is recorded here.
    Given,
    /// Given up while copying; the target does not yet know.
    Dropped,
    /// The target owns the arcs and both sides know.
    GivenSettled,
    /// Never happens, and both sides know or need not.
    DroppedSettled,
}

impl SourceState {
    /// Every state, for tables.
    pub const ALL: [Self; 6] = [
        Self::Copying,
        Self::Frozen,
        Self::Given,
        Self::Dropped,
        Self::GivenSettled,
        Self::DroppedSettled,
    ];

    /// Whether the handoff still binds the arcs at the source.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Copying | Self::Frozen)
    }

    /// Whether nothing remains to be told or asked.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::GivenSettled | Self::DroppedSettled)
    }
}

/// What can happen to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceEvent {
    /// Begin, or go on after a restart or a lost connection.
    Resume,
    /// The scan is done, the backlog is small and the target was heard from just now.
    CaughtUp,
    /// The coordinator, or a flush of the arcs, wants the handoff not to happen.
    Cancel,
    /// The pause has lasted longer than it should.
    PauseLimit,
    /// The target owns the arcs by this handoff.
    Yes,
    /// The target has durably refused the handoff.
    No,
    /// The target has not got everything yet.
    NotYet,
    /// The target has durably recorded what it was told (`Given` or `Dropped`).
    Settled,
    /// A recorded ring document says that the target's incarnation is dead.
    TargetDead,
    /// The user has accepted what the dead target may have acknowledged as lost.
    Release,
}

impl SourceEvent {
    /// Every event, for tables.
    pub const ALL: [Self; 10] = [
        Self::Resume,
        Self::CaughtUp,
        Self::Cancel,
        Self::PauseLimit,
        Self::Yes,
        Self::No,
        Self::NotYet,
        Self::Settled,
        Self::TargetDead,
        Self::Release,
    ];
}

/// What the shell does after a step, in this order, once the new state is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceEffect {
    /// Record every write to the arcs in the stream's queue, before any later write is served.
    OpenCapture,
    /// Greet the target and ask how far it is.
    Connect,
    /// Send what the target has not confirmed.
    Stream,
    /// Hold commands on the arcs; wait for those in flight; sync.
    Hold,
    /// Send the rest and END.
    SendTail,
    /// Make the target decide now, one way or the other.
    AskDecide,
    /// Serve the arcs again.
    Serve,
    /// Answer held and later commands with the new owner.
    Move,
    /// Stop capturing.
    CloseCapture,
    /// Tell the target, until it has recorded it, that GIVEN is recorded.
    TellGiven,
    /// Tell the target, until it has recorded it, that the handoff is dropped.
    TellDropped,
}

/// The source's side of the protocol.
///
/// # Errors
/// An event that cannot happen in this state: a peer or a disk contradicts the protocol.
pub fn step(
    state: SourceState,
    event: SourceEvent,
) -> Result<Step<SourceState, SourceEffect>, Illegal<SourceState, SourceEvent>> {
    use SourceEffect as Do;
    use SourceEvent as On;
    use SourceState as In;
    let step = match (state, event) {
        (In::Copying, On::Resume) => Step::stay(state, &[Do::OpenCapture, Do::Connect]),
        (In::Copying, On::NotYet) => Step::stay(state, &[Do::Stream]),
        (In::Copying, On::CaughtUp) => Step::to(In::Frozen, &[Do::Hold, Do::SendTail]),
        (In::Copying, On::Cancel) => Step::to(In::Dropped, &[Do::CloseCapture, Do::TellDropped]),
        (In::Copying, On::No | On::TargetDead) => Step::to(In::DroppedSettled, &[Do::CloseCapture]),

        (In::Frozen, On::Resume) => Step::stay(state, &[Do::Hold, Do::Connect]),
        (In::Frozen, On::NotYet) => Step::stay(state, &[Do::SendTail]),
        (In::Frozen, On::Cancel | On::PauseLimit) => Step::stay(state, &[Do::AskDecide]),
        (In::Frozen, On::Yes) => Step::to(In::Given, &[Do::Move, Do::CloseCapture, Do::TellGiven]),
        (In::Frozen, On::No | On::Release) => {
            Step::to(In::DroppedSettled, &[Do::Serve, Do::CloseCapture])
        }

        (In::Given, On::Resume | On::Yes) => Step::stay(state, &[Do::TellGiven]),
        (In::Given, On::Settled | On::TargetDead) => Step::to(In::GivenSettled, &[]),

        (In::Dropped, On::Resume | On::NotYet) => Step::stay(state, &[Do::TellDropped]),
        (In::Dropped, On::No | On::Settled | On::TargetDead) => Step::to(In::DroppedSettled, &[]),

        // Late repeats of what is already acted on, and events that were overtaken.
        (In::Copying, On::PauseLimit)
        | (In::Frozen, On::CaughtUp | On::TargetDead)
        | (In::Given, On::CaughtUp | On::Cancel | On::PauseLimit | On::No | On::NotYet)
        | (In::Dropped, On::CaughtUp | On::Cancel | On::PauseLimit)
        | (
            In::GivenSettled,
            On::Resume
            | On::CaughtUp
            | On::Cancel
            | On::PauseLimit
            | On::Yes
            | On::No
            | On::NotYet
            | On::Settled
            | On::TargetDead,
        )
        | (
            In::DroppedSettled,
            On::Resume
            | On::CaughtUp
            | On::Cancel
            | On::PauseLimit
            | On::No
            | On::NotYet
            | On::Settled
            | On::TargetDead,
        ) => Step::stay(state, &[]),

        (In::Copying, On::Yes | On::Settled | On::Release)
        | (In::Frozen, On::Settled)
        | (In::Dropped | In::DroppedSettled, On::Yes | On::Release)
        | (In::Given | In::GivenSettled, On::Release) => return Err(Illegal { state, event }),
    };
    Ok(step)
}
