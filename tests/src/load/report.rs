//! Pure. What a load has to say at the end, as one line of JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client_error::{ClientError, ErrorKind};
use crate::ledger::Ledger;
use crate::register::Action;
use crate::workload::key_name;

/// The end of a load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// When its clients had stopped, likewise.
    pub ended_ms: u64,
    /// Operations that were judged.
    pub operations: u64,
    /// Writes that were answered with success.
    pub acknowledged_writes: u64,
    /// Writes that may or may not have been applied.
    pub ambiguous: u64,
    /// Keys that lost an acknowledged write.
    pub lost: u64,
    /// Keys on which a read returned an old value, or one that cannot be.
    pub stale: u64,
    /// Some of what was lost or stale.
    pub violations: Vec<String>,
    /// The longest that an operation took which ended well.
    pub slowest_ms: u64,
    /// The longest time in which no operation at all ended well.
    pub longest_pause_ms: u64,
    /// Errors by kind.
    pub errors: BTreeMap<ErrorKind, KindErrors>,
    /// The errors one by one.
    pub error_list: Vec<KeyError>,
    /// Errors that are counted and not in the list.
    pub errors_not_listed: u64,
}

/// Errors of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindErrors {
    /// How many.
    pub count: u64,
    /// When the first one came, in milliseconds since 1970.
    pub first_ms: u64,
    /// When the last one came.
    pub last_ms: u64,
    /// The text of the first one.
    pub first: String,
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyError {
    /// What kind.
    pub kind: ErrorKind,
    /// The key; absent where there was no connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When the operation was called, in milliseconds since 1970.
    pub called_ms: u64,
    /// When the error came.
    pub answered_ms: u64,
}

impl Report {
    /// Judges a ledger whose clients had stopped at `end` on its clock, which began at `began_ms`.
    #[must_use]
    pub fn of(ledger: &Ledger, end: u64, began_ms: u64) -> Self {
        let verdict = ledger.judge(end);
        let (errors, error_count) = ledger.errors();
        let unix = |nanoseconds: u64| began_ms + nanoseconds / 1_000_000;
        let count = |fits: fn(&Action) -> bool| {
            ledger.entries().iter().filter(|(_, operation)| fits(&operation.action)).count() as u64
        };
        Self {
            began_ms,
            ended_ms: unix(end),
            operations: verdict.operations as u64,
            acknowledged_writes: count(|action| matches!(action, Action::Write(_))),
            ambiguous: count(|action| matches!(action, Action::Uncertain(_))),
            lost: verdict.lost as u64,
            stale: verdict.stale as u64,
            violations: verdict.violations,
            slowest_ms: slowest(ledger) / 1_000_000,
            longest_pause_ms: longest_pause(ledger, end) / 1_000_000,
            errors: by_kind(errors, &unix),
            error_list: errors.iter().map(|error| key_error(error, &unix)).collect(),
            errors_not_listed: error_count.saturating_sub(errors.len() as u64),
        }
    }

    /// Whether nothing was lost and nothing was stale.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.lost == 0 && self.stale == 0
    }

    /// How many errors there were.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.error_list.len() as u64 + self.errors_not_listed
    }
}

fn key_error(error: &ClientError, unix: &impl Fn(u64) -> u64) -> KeyError {
    KeyError {
        kind: error.kind,
        key: error.key.map(key_name),
        called_ms: unix(error.called),
        answered_ms: unix(error.answered),
    }
}

fn by_kind(errors: &[ClientError], unix: &impl Fn(u64) -> u64) -> BTreeMap<ErrorKind, KindErrors> {
    let mut kinds: BTreeMap<ErrorKind, KindErrors> = BTreeMap::new();
    for error in errors {
        let at = unix(error.answered);
        let kind = kinds.entry(error.kind).or_insert_with(|| KindErrors {
            count: 0,
            first_ms: at,
            last_ms: at,
            first: error.text.clone(),
        });
        kind.count += 1;
        kind.first_ms = kind.first_ms.min(at);
        kind.last_ms = kind.last_ms.max(at);
    }
    kinds
}

fn slowest(ledger: &Ledger) -> u64 {
    let operations = ledger.entries().iter().map(|(_, operation)| operation);
    let ended = operations.filter(|operation| has_ended_well(&operation.action));
    ended.map(|operation| operation.answered.saturating_sub(operation.called)).max().unwrap_or(0)
}

/// The longest time between two successes, until the clients had stopped.
fn longest_pause(ledger: &Ledger, end: u64) -> u64 {
    let operations = ledger.entries().iter().map(|(_, operation)| operation);
    let ended = operations.filter(|operation| has_ended_well(&operation.action));
    let mut moments: Vec<u64> = ended.map(|operation| operation.answered.min(end)).collect();
    moments.push(end);
    moments.sort_unstable();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

const fn has_ended_well(action: &Action) -> bool {
    matches!(action, Action::Write(_) | Action::Read(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_its_json_and_counts_what_happened() {
        let mut ledger = Ledger::new();
        let called = ledger.now();
        ledger.record(1, Action::Write(1), called);
        ledger.record(1, Action::Uncertain(2), called);
        ledger.record_error(ErrorKind::Connection, Some(1), called, "SET: broke".to_owned());
        ledger.record_error(ErrorKind::TryAgain, None, called, "GET: down".to_owned());
        let report = Report::of(&ledger, ledger.now(), 1_000);
        assert_eq!((report.operations, report.acknowledged_writes, report.ambiguous), (2, 1, 1));
        assert_eq!(report.error_count(), 2);
        assert!(report.is_sound());
        let first = report.error_list.first().expect("two errors");
        assert_eq!(first.key.as_deref(), Some("key:00000001"));
        let json = serde_json::to_string(&report).expect("plain data");
        assert!(!json.contains('\n') && json.contains("\"try-again\":{\"count\":1"), "{json}");
        assert_eq!(serde_json::from_str::<Report>(&json).expect("its own JSON"), report);
    }
}
