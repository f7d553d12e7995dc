//! Pure. What each hot path may take: the file of budgets, and what a count is worth beside it.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// How far above its budget a count fails, and how far below it the budget is out of date.
const TOLERANCE_PERCENT: u64 = 5;
/// Of a path of a few instructions every one would be more than that.
const TOLERANCE_MIN: u64 = 2;

/// The file: by the name of a case, instructions per operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Budgets(BTreeMap<String, u64>);

impl Budgets {
    pub(super) fn from_json(json: &str) -> anyhow::Result<Self> {
        serde_json::from_str(json).context("budgets are a JSON object of names and numbers")
    }

    pub(super) fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self).context("budgets")? + "\n")
    }

    pub(super) fn of(&self, case: &str) -> Option<u64> {
        self.0.get(case).copied()
    }

    /// Takes over what was counted.
    pub(super) fn update(&mut self, counts: impl IntoIterator<Item = (String, u64)>) {
        self.0.extend(counts);
    }

    /// Removes and names the budgets of cases that there are not.
    pub(super) fn retire(&mut self, cases: &[&str]) -> Vec<String> {
        let mut gone: Vec<String> = self.0.keys().cloned().collect();
        gone.retain(|name| !cases.contains(&name.as_str()));
        self.0.retain(|name, _| cases.contains(&name.as_str()));
        gone
    }
}

/// What a count is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Near enough.
    Kept,
    /// A failure.
    Above { budget: u64 },
    /// Good news, which the file does not know yet.
    Below { budget: u64 },
    /// A failure: a new case needs a budget.
    Unknown,
}

pub(super) fn judge(counted: u64, budget: Option<u64>) -> Judgement {
    let Some(budget) = budget else { return Judgement::Unknown };
    let tolerance = (budget * TOLERANCE_PERCENT / 100).max(TOLERANCE_MIN);
    if counted > budget + tolerance {
        Judgement::Above { budget }
    } else if counted + tolerance < budget {
        Judgement::Below { budget }
    } else {
        Judgement::Kept
    }
}

impl Judgement {
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Above { .. } | Self::Unknown)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => Ok(()),
            Self::Above { budget } => write!(f, "ABOVE its budget of {budget}"),
            Self::Below { budget } => write!(f, "below its budget of {budget}: store the new one"),
            Self::Unknown => write!(f, "HAS NO BUDGET"),
        }
    }
}

/// The total of a file that callgrind wrote.
pub(super) fn total(profile: &str) -> anyhow::Result<u64> {
    let of = |label: &str| profile.lines().rev().find_map(|line| line.strip_prefix(label));
    let total = of("totals:").or_else(|| of("summary:")).context("no total in callgrind's file")?;
    let first = total.split_whitespace().next().unwrap_or_default();
    first.parse().with_context(|| format!("callgrind's total is `{total}`"))
}

/// Instructions per operation, of runs with so many operations and twice as many: what comes before
/// the first operation and after the last one cancels out.
pub(super) fn per_operation(once: u64, twice: u64, n_operations: u64) -> anyhow::Result<u64> {
    ensure!(n_operations > 0 && twice > once, "twice the operations took {twice}, not over {once}");
    Ok((twice - once + n_operations / 2) / n_operations)
}
