//! Pure. Which rule is left out where, so that the search has to find what follows.

use handoff::Rule;

use crate::mutant::Mutant;

/// A rule that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// One of a node's shell, or of the coordinator.
    OfShell(Mutant),
    /// One of a node's decisions.
    OfDecisions(Rule),
}

impl LeftOut {
    /// The rule of the shell, if it is one.
    #[must_use]
    pub const fn of_shell(self) -> Option<Mutant> {
        match self {
            Self::OfShell(mutant) => Some(mutant),
            Self::OfDecisions(_) => None,
        }
    }

    /// A rule of decisions is left out in the whole process.
    #[cfg(feature = "mutants")]
    pub fn take_effect(self) {
        if let Self::OfDecisions(rule) = self {
            handoff::leave_out(Some(rule));
        }
    }

    /// All rules hold again.
    #[cfg(feature = "mutants")]
    pub fn end() {
        handoff::leave_out(None);
    }
}

/// A rule and the scenario that must find its absence.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// What is left out.
    pub left_out: LeftOut,
    /// Where.
    pub scenario: &'static str,
}

const fn shell(mutant: Mutant, scenario: &'static str) -> Trial {
    Trial { left_out: LeftOut::OfShell(mutant), scenario }
}

const fn decisions(rule: Rule, scenario: &'static str) -> Trial {
    Trial { left_out: LeftOut::OfDecisions(rule), scenario }
}

/// Every rule whose absence the search has been shown to find. Of the others of [`Mutant`] and
/// [`Rule`] no scenario shows yet that they are needed.
pub const TRIALS: &[Trial] = &[
    shell(Mutant::DecidesBeforeSync, "stream"),
    shell(Mutant::AcknowledgesBeforeSync, "stream"),
    shell(Mutant::StreamsUndurable, "stream"),
    shell(Mutant::ResumesByPoint, "breaks"),
    shell(Mutant::ConfirmsNewestSeen, "breaks"),
    shell(Mutant::AppliesByArrival, "overtaken"),
    shell(Mutant::RemovalsLeaveNoTombstone, "stream"),
    shell(Mutant::EndsBeforeHold, "freeze"),
    shell(Mutant::TakesBackFrozen, "freeze"),
    shell(Mutant::AnswersByOwnership, "freeze"),
    shell(Mutant::AnswersUnknownWithoutRecord, "anywhere"),
    shell(Mutant::AppliesAfterDecision, "freeze"),
    shell(Mutant::RepeatedReceiveDeletes, "there-and-back"),
    shell(Mutant::ServesUnadmitted, "loss"),
    decisions(Rule::GrantOfRecordedRing, "change-after-loss"),
    decisions(Rule::RequestForThisVolume, "late-receive"),
    decisions(Rule::OneOpenHandoff, "anywhere"),
    decisions(Rule::SettledBeforeNext, "there-and-back"),
];
