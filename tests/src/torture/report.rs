//! Pure. What a campaign has done so far, and found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::client_error::ErrorKind;

/// Sums over all rounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Where the choices began.
    pub seed: u64,
    /// Seconds since the beginning.
    pub seconds: u64,
    /// Clusters that were made.
    pub lives: u32,
    /// Rounds that were judged.
    pub rounds: u32,
    /// Operations that ended well.
    pub operations: u64,
    /// Keys whose history was judged.
    pub keys: u64,
    /// Changes of size that were accepted.
    pub changes: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Errors that clients saw, by kind; each is explained by a fault.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Connections through the proxy, and those of which nobody knows who made them.
    pub connections: (u64, u64),
    /// What must not be: a line each.
    pub violations: Vec<String>,
}

impl Summary {
    /// Adds what a round has done.
    pub fn add(&mut self, round: &Sums) {
        self.rounds += 1;
        self.operations += round.operations;
        self.keys += round.keys;
        self.changes += round.changes;
        for fault in &round.faults {
            *self.faults.entry((*fault).to_owned()).or_default() += 1;
        }
        for (kind, count) in &round.errors {
            *self.errors.entry(*kind).or_default() += count;
        }
    }
}

/// Sums of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Operations that ended well.
    pub operations: u64,
    /// Keys whose history was judged.
    pub keys: u64,
    /// Changes of size that were accepted.
    pub changes: u64,
    /// The kinds of the faults.
    pub faults: Vec<&'static str>,
    /// Errors by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.faults.values().sum();
        write!(
            f,
            "{} s: {} rounds on {} clusters, {} operations, {} keys judged, {} changes of size, \
             {faults} faults {:?}, errors {:?}, {} violations",
            self.seconds,
            self.rounds,
            self.lives,
            self.operations,
            self.keys,
            self.changes,
            self.faults,
            self.errors,
            self.violations.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_add_up() {
        let mut summary = Summary::default();
        let errors = BTreeMap::from([(ErrorKind::TryAgain, 2)]);
        let round =
            Sums { operations: 10, keys: 3, changes: 1, faults: vec!["kill", "kill"], errors };
        summary.add(&round);
        summary.add(&round);
        assert_eq!((summary.rounds, summary.operations, summary.keys), (2, 20, 6));
        assert_eq!(summary.faults.get("kill"), Some(&4));
        let text = summary.to_string();
        assert!(text.contains("4 faults") && text.contains("TryAgain: 4"), "{text}");
    }
}
