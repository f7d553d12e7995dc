//! Pure. The tiers of tests, each as a command that fails where it catches a bug.

use std::time::Duration;

use planted::Bug;

/// A tier.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    pub(crate) name: &'static str,
    /// The last part of the directory of the crate whose tests they are.
    pub(crate) directory: &'static str,
    /// What follows `--`, in words: which tests, and how.
    pub(crate) tests: &'static str,
    /// How long it may take for one bug.
    pub(crate) budget: Duration,
    pub(crate) subject: Subject,
}

/// Where a tier finds the bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Compiled into the tests: they run the product's code themselves.
    Code,
    /// In the program that they start, which `RINGKV_BIN` names.
    Program,
}

/// To add a tier, add a line.
pub(crate) const TIERS: [Tier; 9] = [
    unit("handoff", 60),
    unit("rebalance", 60),
    unit("kvnode", 180),
    unit("router", 120),
    unit("operator", 60),
    scenario("rescale", "rescale::", 240),
    scenario("crashes", "crashes::", 240),
    scenario("storm", "storm::", 420),
    scenario("data_loss", "data_loss::", 120),
];

/// The tier that catches the bug the soonest, by the table of `docs/testing.md`.
pub(crate) const fn soonest(bug: Bug) -> &'static str {
    match bug {
        Bug::DeleteSourceAtStreamEnd | Bug::SkipEpochCheckOnNode | Bug::RetiredDiskRejoins => {
            "handoff"
        }
        Bug::FenceOnlyFirstNode => "rebalance",
        Bug::AckBeforeFsync
        | Bug::TargetServesOnFirstBatch
        | Bug::DropWritesDuringCopy
        | Bug::DeltaNewestByArrival
        | Bug::TtlLostInTransfer
        | Bug::DelNotTransferred => "kvnode",
        Bug::RouterKeepsOldRing => "router",
        Bug::OperatorDeletesPvcByName | Bug::ScaleSetBeforeDrainReport => "operator",
    }
}

/// The tier of that name.
pub(crate) fn named(name: &str) -> Option<&'static Tier> {
    TIERS.iter().find(|tier| tier.name == name)
}

/// The tests of one crate.
const fn unit(name: &'static str, budget_seconds: u64) -> Tier {
    let budget = Duration::from_secs(budget_seconds);
    Tier { name, directory: name, tests: "", budget, subject: Subject::Code }
}

/// End-to-end tests on real processes, of one file.
const fn scenario(name: &'static str, tests: &'static str, budget_seconds: u64) -> Tier {
    let budget = Duration::from_secs(budget_seconds);
    Tier { name, directory: "tests", tests, budget, subject: Subject::Program }
}
