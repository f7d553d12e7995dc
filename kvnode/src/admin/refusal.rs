//! Pure. A rule's refusal as an answer over HTTP.

use handoff::Refusal;
use node_api::Problem;

/// The answer to a coordinator whose request the rules forbid. Nothing was changed.
#[must_use]
pub fn problem_of(refusal: &Refusal) -> Problem {
    let (status, title) = match refusal {
        Refusal::OldTerm { .. } => (409, "old term"),
        Refusal::OtherIncarnation { .. } => (409, "other incarnation"),
        Refusal::NoArcs
        | Refusal::OwnPeer
        | Refusal::InvalidRing { .. }
        | Refusal::ImpossibleTerm { .. }
        | Refusal::ImpossibleEpoch { .. } => (400, "impossible request"),
        Refusal::UnknownHandoff { .. } => (404, "unknown handoff"),
        Refusal::TooManyHandoffs | Refusal::Preparing => (503, "busy"),
        Refusal::OtherCluster { .. }
        | Refusal::OldRing { .. }
        | Refusal::OtherRing { .. }
        | Refusal::DeadForgotten { .. }
        | Refusal::RingNotRecorded { .. }
        | Refusal::StillListed { .. }
        | Refusal::NotListed { .. }
        | Refusal::Owns { .. }
        | Refusal::OwnsNot { .. }
        | Refusal::OpenHandoff { .. }
        | Refusal::OtherHandoff { .. }
        | Refusal::Decided { .. }
        | Refusal::EpochTooLow { .. }
        | Refusal::Fenced { .. }
        | Refusal::NotFenced { .. }
        | Refusal::AlreadyGranted
        | Refusal::Retired { .. }
        | Refusal::UnfinishedHandoff { .. }
        | Refusal::Trimming
        | Refusal::PeerDead { .. }
        | Refusal::Contradiction { .. } => (409, "refused"),
    };
    Problem { status, title: title.to_owned(), detail: refusal.to_string() }
}

/// The answer of a server that is about to end. What was asked may still be done.
#[must_use]
pub fn stopping() -> Problem {
    Problem {
        status: 503,
        title: "stopping".to_owned(),
        detail: "the server is stopping; ask again when it is back".to_owned(),
    }
}
