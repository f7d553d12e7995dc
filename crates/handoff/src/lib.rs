//! Pure. One handoff moves the ownership and the records of some arcs from a source to a target.
//! This crate decides; it knows no socket, file, clock or randomness.
//!
//! [`Decisions`] is all that one node durably decides. A shell feeds it requests and events,
//! makes it durable whenever it says that it changed, and only then acts and answers.

mod admission;
mod cursor;
mod decisions;
mod head;
mod identity;
pub mod invariants;
mod outcome;
mod record;
mod refusal;
mod requests;
mod rule;
mod source;
mod step;
mod target;

#[cfg(test)]
mod tests;

pub use admission::NotAdmitted;
pub use cursor::{
    Cursor, FREEZE_DOUBLING_MS, FREEZE_HEARD_MS, FREEZE_OUTSTANDING_BYTES, StreamStatus,
};
pub use decisions::{Decisions, MAX_FINISHED_HANDOFFS, Terms};
pub use head::{Head, MAX_TERM};
pub use identity::{ClusterId, Epoch, HandoffId, Incarnation, InvalidId, Server, Version};
pub use outcome::{SourceFacts, TargetFacts};
pub use record::{Given, Handoff, Moved, Side, Trim, TrimKind};
pub use refusal::{MAX_OPEN_HANDOFFS, Refusal};
pub use requests::Acceptance;
pub use rule::Rule;
#[cfg(feature = "mutants")]
pub use rule::leave_out;
pub use source::{SourceEffect, SourceEvent, SourceState, step as source_step};
pub use step::{Illegal, Step};
pub use target::{TargetEffect, TargetEvent, TargetState, step as target_step};
