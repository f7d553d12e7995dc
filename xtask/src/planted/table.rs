//! Pure. The table of bugs and tiers.

use std::collections::BTreeMap;
use std::fmt;

use planted::Bug;

use super::cell::Outcome;
use super::tiers::Tier;

/// What each tier made of each bug.
pub(crate) struct Table {
    tiers: Vec<&'static str>,
    rows: BTreeMap<Bug, Vec<Outcome>>,
}

impl Table {
    pub(crate) fn new(tiers: &[&'static Tier]) -> Self {
        Self { tiers: tiers.iter().map(|tier| tier.name).collect(), rows: BTreeMap::new() }
    }

    /// The next cell of the row of a bug.
    pub(crate) fn put(&mut self, bug: Bug, outcome: Outcome) {
        self.rows.entry(bug).or_default().push(outcome);
    }

    /// Bugs that no tier has caught.
    pub(crate) fn missed(&self) -> Vec<Bug> {
        let is_caught = |row: &Vec<Outcome>| {
            row.iter().any(|outcome| matches!(outcome, Outcome::Caught { .. }))
        };
        self.rows.iter().filter(|(_, row)| !is_caught(row)).map(|(bug, _)| *bug).collect()
    }

    /// Tiers that have caught none.
    pub(crate) fn idle(&self) -> Vec<&'static str> {
        let catches = |at: usize| {
            let mut cells = self.rows.values().filter_map(|row| row.get(at));
            cells.any(|outcome| matches!(outcome, Outcome::Caught { .. }))
        };
        let tiers = self.tiers.iter().enumerate();
        tiers.filter(|(at, _)| !catches(*at)).map(|(_, name)| *name).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| bug | {} |", self.tiers.join(" | "))?;
        writeln!(f, "|---|{}", "---|".repeat(self.tiers.len()))?;
        for (bug, row) in &self.rows {
            let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
            writeln!(f, "| {bug} | {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}
