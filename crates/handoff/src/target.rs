//! Pure. The target's side of one handoff. Its durable `Owned` is the decision.
//!
//! Deciding and applying share one serial section in the shell: after `Owned` or `Refused`
//! nothing of the handoff is applied.

use serde::{Deserialize, Serialize};

use crate::step::{Illegal, Step};

/// What the target has durably decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// Nothing is recorded under this name.
    Unknown,
    /// Applies what comes.
    Receiving,
    /// Owns the arcs; the source has not yet confirmed that it knows.
    Owned,
    /// Will never own by this handoff. May be forgotten: the epoch floor of its arcs refuses it.
    Refused,
    /// Owned the arcs by it, and the source has durably recorded so.
    OwnedSettled,
}

impl TargetState {
    /// Every state, for tables.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Receiving, Self::Owned, Self::Refused, Self::OwnedSettled];

    /// Whether no other handoff of the same arcs may start at the target.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Receiving | Self::Owned)
    }

    /// Whether the record binds nobody any more.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Unknown | Self::Refused | Self::OwnedSettled)
    }
}

/// What can happen to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetEvent {
    /// The source greets while it copies.
    Hello,
    /// Point and watermark of this attempt's END are reached; with the record all is durable.
    Reached,
    /// The frozen source asks how it stands.
    Decide,
    /// The frozen source asks for a decision at once; END is not reached.
    DecideNow,
    /// The source has durably recorded that the target owns the arcs.
    Given,
    /// The source has durably dropped the handoff.
    Dropped,
    /// The coordinator wants the handoff not to happen.
    Cancel,
    /// A recorded ring document says that the source's incarnation is dead.
    SourceDead,
}

impl TargetEvent {
    /// Every event, for tables.
    pub const ALL: [Self; 8] = [
        Self::Hello,
        Self::Reached,
        Self::Decide,
        Self::DecideNow,
        Self::Given,
        Self::Dropped,
        Self::Cancel,
        Self::SourceDead,
    ];
}

/// What the shell does after a step, once the new state is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetEffect {
    /// Serve the arcs.
    Serve,
    /// Answer YES.
    AnswerYes,
    /// Answer NO.
    AnswerNo,
    /// Answer NOT_YET, with the durable cursor.
    AnswerNotYet,
    /// Answer SETTLED: what the source told is recorded.
    AnswerSettled,
}

/// The target's side of the protocol.
///
/// # Errors
/// An event that cannot happen in this state: a peer or a disk contradicts the protocol.
pub fn step(
    state: TargetState,
    event: TargetEvent,
) -> Result<Step<TargetState, TargetEffect>, Illegal<TargetState, TargetEvent>> {
    use TargetEffect as Do;
    use TargetEvent as On;
    use TargetState as In;
    let step = match (state, event) {
        (In::Unknown, On::Hello | On::Decide | On::DecideNow) => {
            Step::to(In::Refused, &[Do::AnswerNo])
        }
        (In::Unknown, On::Dropped) => Step::to(In::Refused, &[Do::AnswerSettled]),
        // It was settled here and forgotten since: else it would still be known.
        (In::Unknown, On::Given) => Step::stay(state, &[Do::AnswerSettled]),

        (In::Receiving, On::Hello | On::Decide) => Step::stay(state, &[Do::AnswerNotYet]),
        (In::Receiving, On::Reached) => Step::to(In::Owned, &[Do::Serve, Do::AnswerYes]),
        (In::Receiving, On::DecideNow | On::Cancel | On::SourceDead) => {
            Step::to(In::Refused, &[Do::AnswerNo])
        }
        (In::Receiving, On::Dropped) => Step::to(In::Refused, &[Do::AnswerSettled]),

        (In::Owned | In::OwnedSettled, On::Hello | On::Reached | On::Decide | On::DecideNow) => {
            Step::stay(state, &[Do::AnswerYes])
        }
        (In::Owned, On::Given) => Step::to(In::OwnedSettled, &[Do::AnswerSettled]),
        (In::Owned, On::SourceDead) => Step::to(In::OwnedSettled, &[]),
        (In::OwnedSettled, On::Given) => Step::stay(state, &[Do::AnswerSettled]),

        (In::Refused, On::Hello | On::Reached | On::Decide | On::DecideNow) => {
            Step::stay(state, &[Do::AnswerNo])
        }
        (In::Refused, On::Dropped) => Step::stay(state, &[Do::AnswerSettled]),

        (In::Owned | In::OwnedSettled | In::Refused, On::Cancel)
        | (In::OwnedSettled | In::Refused, On::SourceDead) => Step::stay(state, &[]),

        (In::Unknown, On::Reached | On::Cancel | On::SourceDead)
        | (In::Receiving | In::Refused, On::Given)
        | (In::Owned | In::OwnedSettled, On::Dropped) => return Err(Illegal { state, event }),
    };
    Ok(step)
}
