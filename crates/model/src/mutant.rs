//! Pure. Rules of the protocol that can be left out, one at a time, to show that the checker finds
//! what follows. Each closes an execution in which data would be lost or doubled.

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A rule that is left out in the node's shell, or in the coordinator.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

mutants! {
    /// Decisions are durable before what they rely on is.
    DecidesBeforeSync,
    /// Writes are acknowledged before they are on disk.
    AcknowledgesBeforeSync,
    /// A node serves without its own read of the ring document.
    ServesUnadmitted,
    /// A node carries out requests of a coordinator that was replaced.
    ObeysOldTerms,
    /// Records that lie in arcs that come are not deleted first.
    ReceivesOverOldRecords,
    /// A RECEIVE that comes again deletes again.
    RepeatedReceiveDeletes,
    /// What is not on disk yet is streamed.
    StreamsUndurable,
    /// END is sent when FROZEN is recorded, not when it is in force.
    EndsBeforeHold,
    /// Below the confirmed point a resumed stream sends nothing again.
    ResumesByPoint,
    /// A target confirms the newest record that it has seen.
    ConfirmsNewestSeen,
    /// Of two records the one that comes later wins.
    AppliesByArrival,
    /// Records are applied after the decision.
    AppliesAfterDecision,
    /// A target refuses what it does not know without recording that.
    AnswersUnknownWithoutRecord,
    /// A target answers by what it owns now.
    AnswersByOwnership,
    /// A source takes frozen arcs back when the pause gets long.
    TakesBackFrozen,
    /// A removal under an open handoff leaves no tombstone.
    RemovalsLeaveNoTombstone,
    /// A coordinator grants lost arcs when one node has fenced them.
    FencesOneOnly,
}
