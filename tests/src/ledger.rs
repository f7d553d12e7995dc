//! Shell. The ledger of everything that the clients did, and the verdict on it.
//!
//! Only the clock is touched here; judging is done in [`crate::register`].

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::client_error::{ClientError, ErrorKind};
use crate::history::History;
use crate::register::{self, Action, Operation, Violation};

/// The number of a key.
pub type KeyNumber = u32;

/// How many texts of errors and violations are kept for the report.
const SAMPLES_MAX: usize = 8;
/// How many errors are kept one by one; the others are only counted.
const ERRORS_KEPT_MAX: usize = 10_000;

/// What some clients did, on one clock.
#[derive(Clone, Debug)]
pub struct Ledger {
    began: Instant,
    entries: Vec<(KeyNumber, Operation)>,
    error_count: u64,
    errors: Vec<ClientError>,
}

impl Ledger {
    /// An empty ledger; its clock starts now.
    #[must_use]
    pub fn new() -> Self {
        Self::since(Instant::now())
    }

    /// An empty ledger on the clock of another one.
    #[must_use]
    pub fn beside(other: &Self) -> Self {
        Self::since(other.began)
    }

    fn since(began: Instant) -> Self {
        Self { began, entries: Vec::new(), error_count: 0, errors: Vec::new() }
    }

    /// The time on the ledger's clock, in nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Writes down an operation that was called at `called` and is answered now.
    pub fn record(&mut self, key: KeyNumber, action: Action, called: u64) {
        let answered = if matches!(action, Action::Uncertain(_)) { u64::MAX } else { self.now() };
        self.entries.push((key, Operation { action, called, answered }));
    }

    /// Writes down an error that a client saw now, in an operation that was called at `called`.
    pub fn record_error(
        &mut self,
        kind: ErrorKind,
        key: Option<KeyNumber>,
        called: u64,
        text: String,
    ) {
        let answered = self.now();
        self.error_count += 1;
        if self.errors.len() < ERRORS_KEPT_MAX {
            self.errors.push(ClientError { kind, key, called, answered, text });
        }
    }

    /// Adds what another ledger on the same clock holds.
    pub fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.error_count += other.error_count;
        let room = ERRORS_KEPT_MAX.saturating_sub(self.errors.len());
        self.errors.extend(other.errors.into_iter().take(room));
    }

    /// Every operation, with its key.
    #[must_use]
    pub fn entries(&self) -> &[(KeyNumber, Operation)] {
        &self.entries
    }

    /// The errors that were kept, and how many there were in all.
    #[must_use]
    pub fn errors(&self) -> (&[ClientError], u64) {
        (&self.errors, self.error_count)
    }

    /// Judges everything. Contradictions in reads that were called from `end` on, when all clients
    /// had stopped, are lost writes; earlier ones are stale reads.
    #[must_use]
    pub fn judge(&self, end: u64) -> Verdict {
        let mut keys: BTreeMap<KeyNumber, Vec<Operation>> = BTreeMap::new();
        for (key, operation) in &self.entries {
            keys.entry(*key).or_default().push(*operation);
        }
        let mut verdict = Verdict {
            operations: self.entries.len(),
            keys: keys.len(),
            errors: self.error_count,
            lost: 0,
            stale: 0,
            error_samples: self.errors.iter().take(SAMPLES_MAX).map(|e| e.text.clone()).collect(),
            violations: Vec::new(),
            histories: Vec::new(),
            write_latency: Latency::of(self.write_latencies()),
        };
        for (key, operations) in &keys {
            let Err(violation) = register::check(operations) else { continue };
            match violation {
                Violation::Contradiction { first_seen, .. } if first_seen >= end => {
                    verdict.lost += 1;
                }
                _ => verdict.stale += 1,
            }
            if verdict.violations.len() < SAMPLES_MAX {
                verdict.violations.push(format!("key {key}: {violation}"));
                verdict.histories.push(History {
                    name: format!("key {key}: {violation}"),
                    is_linearizable: None,
                    operations: operations.clone(),
                });
            }
        }
        verdict
    }

    fn write_latencies(&self) -> Vec<u64> {
        let operations = self.entries.iter().map(|(_, operation)| operation);
        let writes = operations.filter(|operation| matches!(operation.action, Action::Write(_)));
        writes.map(|write| write.answered.saturating_sub(write.called)).collect()
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

/// How long the acknowledged writes took, as the clients saw it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    /// The median.
    pub p50: Duration,
    /// 99 of 100 were faster.
    pub p99: Duration,
    /// The slowest.
    pub max: Duration,
}

impl Latency {
    fn of(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        let at = |percent: usize| {
            let index = nanoseconds.len().saturating_sub(1) * percent / 100;
            Duration::from_nanos(nanoseconds.get(index).copied().unwrap_or_default())
        };
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.1?}, p99 {:.1?}, max {:.1?}", self.p50, self.p99, self.max)
    }
}

/// What the ledger proves.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// How many operations were judged.
    pub operations: usize,
    /// On how many keys.
    pub keys: usize,
    /// Errors that clients saw.
    pub errors: u64,
    /// Keys that lost an acknowledged write.
    pub lost: usize,
    /// Keys on which a read returned an old value, or one that cannot be.
    pub stale: usize,
    /// Some of the errors.
    pub error_samples: Vec<String>,
    /// Some of what was lost or stale.
    pub violations: Vec<String>,
    /// All that happened to those keys.
    pub histories: Vec<History>,
    /// How long writes took.
    pub write_latency: Latency,
}

impl Verdict {
    /// Fails unless nothing was lost and nothing was stale.
    ///
    /// # Errors
    /// What was lost or stale.
    pub fn require_nothing_lost(&self) -> anyhow::Result<()> {
        if self.lost == 0 && self.stale == 0 {
            return Ok(());
        }
        let kept = match self.keep_histories() {
            Ok(path) => format!("for a second opinion: cargo xtask porcupine {}", path.display()),
            Err(error) => format!("the histories could not be kept: {error:#}"),
        };
        anyhow::bail!("{}\n    {kept}", self.with_samples())
    }

    /// Fails unless, besides, no client saw an error.
    ///
    /// # Errors
    /// What was wrong.
    pub fn require_spotless(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.errors == 0, "{}", self.with_samples());
        self.require_nothing_lost()
    }

    /// Writes the histories of what was lost or stale to a file that stays.
    fn keep_histories(&self) -> anyhow::Result<PathBuf> {
        let mut builder = tempfile::Builder::new();
        let mut file = builder.prefix("ringkv-histories-").suffix(".jsonl").tempfile()?;
        for history in &self.histories {
            serde_json::to_writer(&mut file, history)?;
            file.write_all(b"\n")?;
        }
        Ok(file.keep()?.1)
    }

    fn with_samples(&self) -> String {
        std::iter::once(self.to_string())
            .chain(self.error_samples.iter().cloned())
            .chain(self.violations.iter().cloned())
            .collect::<Vec<_>>()
            .join("\n    ")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations on {} keys: {} client errors, {} lost, {} stale; writes took {}",
            self.operations, self.keys, self.errors, self.lost, self.stale, self.write_latency
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_stale_are_told_apart() {
        let mut ledger = Ledger::new();
        let entry = |action, called| (1, Operation { action, called, answered: called + 1 });
        ledger.entries = vec![entry(Action::Write(1), 1), entry(Action::Write(2), 3)];
        assert_eq!(ledger.judge(100).lost + ledger.judge(100).stale, 0);

        let mut stale = ledger.clone();
        stale.entries.push(entry(Action::Read(1), 50));
        assert_eq!((stale.judge(100).lost, stale.judge(100).stale), (0, 1));
        let error = stale.judge(100).require_nothing_lost().unwrap_err().to_string();
        let path = error.split_whitespace().last().unwrap();
        let kept = std::fs::read_to_string(path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!((kept.lines().count(), kept.matches("\"called\":").count()), (1, 3));

        let mut lost = ledger.clone();
        lost.entries.push(entry(Action::Read(1), 150));
        assert_eq!((lost.judge(100).lost, lost.judge(100).stale), (1, 0));

        ledger.record_error(ErrorKind::Connection, None, 1, "gone".to_owned());
        assert!(ledger.judge(100).require_nothing_lost().is_ok());
        assert!(ledger.judge(100).require_spotless().is_err());
    }
}
