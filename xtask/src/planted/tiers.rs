//! Pure. The tiers of tests, each as a command that fails where it catches a bug.

use std::time::Duration;

/// A tier.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    pub(crate) name: &'static str,
    /// The directory of its workspace, from the repository's root.
    pub(crate) workspace: &'static str,
    /// What follows `cargo test`, in words.
    pub(crate) arguments: &'static str,
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
    tier("handoff", "--package handoff --lib", "", 60, Subject::Code),
    tier("rebalance", "--package rebalance --lib", "", 60, Subject::Code),
    tier("kvnode", "--package kvnode --lib", "", 180, Subject::Code),
    tier("router", "--package router", "", 120, Subject::Code),
    tier("operator", "--package operator --lib", "", 60, Subject::Code),
    scenario("rescale", "rescale::", 240),
    scenario("crashes", "crashes::", 240),
    scenario("storm", "storm::", 420),
    scenario("data_loss", "data_loss::", 120),
];

const fn tier(
    name: &'static str,
    arguments: &'static str,
    tests: &'static str,
    budget_seconds: u64,
    subject: Subject,
) -> Tier {
    let budget = Duration::from_secs(budget_seconds);
    Tier { name, workspace: "", arguments, tests, budget, subject }
}

/// End-to-end tests on real processes, of one file.
const fn scenario(name: &'static str, tests: &'static str, budget_seconds: u64) -> Tier {
    tier(name, "--package e2e --test main", tests, budget_seconds, Subject::Program)
}
