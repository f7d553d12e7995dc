//! Pure. What has been measured, by one thread and then by all.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::ledger::Violation;
use crate::mix::{KINDS, Kind};
use crate::timeline::Intervals;

/// The longest latency that is told apart from longer ones.
const LATENCY_MAX: Duration = Duration::from_secs(1_000);
/// Latencies are exact to one in a thousand.
const SIGNIFICANT_DIGITS: u8 = 3;
/// The most kinds of errors that are counted apart.
pub(crate) const ERROR_KINDS_MAX: usize = 16;
/// The longest name of an error's kind, in bytes.
const ERROR_NAME_MAX: usize = 32;
/// Violations that are shown in full.
pub(crate) const EXAMPLES_MAX: usize = 5;
/// The kind of errors that are too many to be told apart.
pub(crate) const OTHER_ERRORS: &str = "other";

/// Counts of a part of a run. Times are kept in nanoseconds.
#[derive(Debug)]
pub(crate) struct Tally {
    latencies: Vec<Histogram<u64>>,
    pub(crate) errors: Errors,
    pub(crate) violations: Violations,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) intervals: Option<Intervals>,
    /// When the first request was sent, since the begin.
    first_send: Option<Duration>,
    /// When the last answer came, since the begin.
    last_answer: Duration,
}

/// How many errors of which kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Errors {
    pub(crate) kinds: BTreeMap<String, u64>,
    pub(crate) total: u64,
}

/// How many wrong answers of which kind, and some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Violations {
    pub(crate) kinds: BTreeMap<Violation, u64>,
    pub(crate) examples: Vec<String>,
}

impl Tally {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self {
            latencies: (0..KINDS).map(|_| histogram()).collect(),
            errors: Errors::default(),
            violations: Violations::default(),
            bytes_sent: 0,
            bytes_received: 0,
            intervals: interval.map(Intervals::new),
            first_send: None,
            last_answer: Duration::ZERO,
        }
    }

    /// So many bytes of requests are sent.
    #[inline]
    pub(crate) fn note_send(&mut self, at: Duration, bytes: usize) {
        self.bytes_sent += bytes as u64;
        if self.first_send.is_none() {
            self.first_send = Some(at);
        }
    }

    /// From the first request to the last answer.
    pub(crate) fn elapsed(&self) -> Duration {
        self.last_answer.saturating_sub(self.first_send.unwrap_or_default())
    }

    /// An answer that is no error.
    #[inline]
    pub(crate) fn record(&mut self, kind: Kind, latency: Duration, at: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(1);
        if let Some(histogram) = self.latencies.get_mut(kind.index()) {
            histogram.saturating_record(nanos);
        }
        if let Some(intervals) = &mut self.intervals {
            intervals.record(latency, at);
        }
        self.last_answer = at;
    }

    /// An answer that is one, or none.
    pub(crate) fn record_error(&mut self, kind: &str, count: u64, at: Duration) {
        self.errors.add(kind, count);
        if let Some(intervals) = &mut self.intervals {
            intervals.record_errors(count, at);
        }
    }

    /// Wrong answers count, whenever they came.
    pub(crate) fn add_violations(&mut self, before: &Self) {
        self.violations.extend(&before.violations);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.latencies.iter_mut().zip(&other.latencies) {
            // Their bounds are the same.
            let _ = mine.add(theirs);
        }
        for (kind, count) in &other.errors.kinds {
            self.errors.add(kind, *count);
        }
        self.violations.extend(&other.violations);
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.first_send = match (self.first_send, other.first_send) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.last_answer = self.last_answer.max(other.last_answer);
        if let (Some(mine), Some(theirs)) = (&mut self.intervals, &other.intervals) {
            mine.add(theirs);
        }
    }

    /// The latencies of one kind.
    pub(crate) fn latencies(&self, kind: Kind) -> Option<&Histogram<u64>> {
        self.latencies.get(kind.index())
    }

    /// The latencies of all kinds.
    pub(crate) fn all_latencies(&self) -> Histogram<u64> {
        let mut all = histogram();
        for one in &self.latencies {
            let _ = all.add(one);
        }
        all
    }
}

impl Errors {
    /// The kind is the first word of an error reply, or a word of ours.
    pub(crate) fn add(&mut self, kind: &str, count: u64) {
        self.total += count;
        if let Some(known) = self.kinds.get_mut(kind) {
            *known += count;
        } else {
            let full = self.kinds.len() >= ERROR_KINDS_MAX - 1;
            let kind = if full { OTHER_ERRORS } else { kind };
            *self.kinds.entry(kind.to_owned()).or_default() += count;
        }
    }
}

impl Violations {
    fn extend(&mut self, other: &Self) {
        for (kind, count) in &other.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room).cloned());
    }

    pub(crate) fn add(&mut self, violation: Violation, example: impl FnOnce() -> String) {
        *self.kinds.entry(violation).or_default() += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(format!("{}: {}", violation.name(), example()));
        }
    }
}

/// The kind of an error reply without its `-`: its code, made fit to be shown.
pub(crate) fn error_kind(reply: &[u8]) -> String {
    let word = reply.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).next().unwrap_or_default();
    let shown = word.iter().take(ERROR_NAME_MAX).map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(*byte),
        _ => '?',
    });
    let kind: String = shown.collect();
    if kind.is_empty() { OTHER_ERRORS.to_owned() } else { kind }
}

fn histogram() -> Histogram<u64> {
    let most = u64::try_from(LATENCY_MAX.as_nanos()).unwrap_or(u64::MAX);
    match Histogram::new_with_bounds(1, most, SIGNIFICANT_DIGITS) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("these bounds are allowed"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ERROR_KINDS_MAX, EXAMPLES_MAX, Errors, Tally, error_kind};
    use crate::ledger::Violation;
    use crate::mix::Kind;

    #[test]
    fn latencies_are_kept_by_kind_and_added_up() {
        let ms = Duration::from_millis;
        let (mut one, mut other) = (Tally::new(None), Tally::new(None));
        one.record(Kind::Get, ms(1), ms(10));
        other.record(Kind::Get, ms(3), ms(7));
        other.record(Kind::Set, Duration::from_secs(1_000_000), ms(20));
        one.add(&other);
        let gets = one.latencies(Kind::Get).expect("gets");
        assert_eq!((gets.len(), one.all_latencies().len()), (2, 3));
        assert!(gets.max() >= 3_000_000 && gets.max() < 3_010_000);
        one.note_send(ms(4), 10);
        other.note_send(ms(2), 10);
        one.add(&Tally::new(None));
        assert_eq!(one.elapsed(), ms(16));
        one.add(&other);
        assert_eq!((one.elapsed(), one.bytes_sent), (ms(18), 20));
        assert!(one.all_latencies().max() >= 1_000_000_000_000, "at the bound, not dropped");
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let mut errors = Errors::default();
        for number in 0..100 {
            errors.add(&format!("E{number}"), 2);
        }
        assert_eq!((errors.kinds.len(), errors.total), (ERROR_KINDS_MAX, 200));
        assert_eq!(errors.kinds.get("E0"), Some(&2));
        assert_eq!(errors.kinds.get("other"), Some(&(200 - 2 * 15)));
    }

    #[test]
    fn the_kind_of_an_error_is_its_code() {
        assert_eq!(error_kind(b"MOVED 1 127.0.0.1:1\r\n"), "MOVED");
        assert_eq!(error_kind(b"ERR"), "ERR");
        assert_eq!(error_kind(b"\x1b[31m,\r\n"), "??31m?");
        assert_eq!(error_kind(b""), "other");
        assert_eq!(error_kind(&[b'A'; 100]).len(), 32);
    }

    #[test]
    fn some_violations_are_shown_and_all_counted() {
        let mut tally = Tally::new(None);
        for number in 0..10 {
            tally.violations.add(Violation::Stale, || format!("key {number}"));
        }
        assert_eq!(tally.violations.kinds.get(&Violation::Stale), Some(&10));
        assert_eq!(tally.violations.examples.len(), EXAMPLES_MAX);
        assert_eq!(tally.violations.examples.first().map(String::as_str), Some("stale: key 0"));
    }
}
