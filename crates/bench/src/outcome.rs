//! Pure. What a run has shown.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::mix::Kind;
use crate::tally::Tally;
use crate::timeline::IntervalRow;

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// From the first request to the last answer, in seconds.
    pub elapsed_s: f64,
    /// Answers that were no errors.
    pub operations: u64,
    /// Of these, a second.
    pub throughput: f64,
    /// Of all kinds together.
    pub latency: Latency,
    /// Of each kind that occurred, by its name.
    pub kinds: BTreeMap<&'static str, Latency>,
    /// Error replies and lost requests.
    pub errors: u64,
    /// The same by the reply's code; `connection` for lost connections, `not-sent` for requests
    /// of an open loop that could not be sent in time.
    pub error_kinds: BTreeMap<String, u64>,
    /// Wrong answers that `--verify` found.
    pub violations: u64,
    /// The same by what is wrong.
    pub violation_kinds: BTreeMap<&'static str, u64>,
    /// Some of them in words.
    pub violation_examples: Vec<String>,
    /// Bytes of requests.
    pub bytes_sent: u64,
    /// Bytes of replies.
    pub bytes_received: u64,
    /// When it began, by the clock that it was given.
    #[serde(skip)]
    pub began: Duration,
    /// The timeline, if it was asked for.
    #[serde(skip)]
    pub timeline: Vec<IntervalRow>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many.
    pub operations: u64,
    /// The shortest.
    pub min_us: f64,
    /// Half are at most so long.
    pub p50_us: f64,
    /// 90 of 100 are.
    pub p90_us: f64,
    /// 99 of 100 are.
    pub p99_us: f64,
    /// 999 of 1000 are.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Latency {
    fn of(nanos: &Histogram<u64>) -> Self {
        let at = |quantile| micros(nanos.value_at_quantile(quantile));
        Self {
            operations: nanos.len(),
            min_us: micros(nanos.min()),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: micros(nanos.max()),
        }
    }
}

impl Outcome {
    pub(crate) fn new(tally: Tally, began: Duration) -> Self {
        let elapsed_s = tally.elapsed().as_secs_f64();
        let latency = Latency::of(&tally.all_latencies());
        let of_kind = |kind: Kind| {
            let latencies = tally.latencies(kind).filter(|all| !all.is_empty())?;
            Some((kind.name(), Latency::of(latencies)))
        };
        let violations = tally.violations.kinds.iter();
        Self {
            elapsed_s,
            operations: latency.operations,
            throughput: per_second(latency.operations, elapsed_s),
            latency,
            kinds: Kind::ALL.into_iter().filter_map(of_kind).collect(),
            errors: tally.errors.total,
            violations: tally.violations.kinds.values().sum(),
            violation_kinds: violations.map(|(kind, count)| (kind.name(), *count)).collect(),
            error_kinds: tally.errors.kinds,
            violation_examples: tally.violations.examples,
            bytes_sent: tally.bytes_sent,
            bytes_received: tally.bytes_received,
            began,
            timeline: tally.intervals.map(super::timeline::Intervals::rows).unwrap_or_default(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure to be shown")]
fn per_second(operations: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { (operations as f64 / seconds * 10.0).round() / 10.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "a figure to be shown")]
fn micros(nanos: u64) -> f64 {
    (nanos as f64 / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Outcome;
    use crate::mix::Kind;
    use crate::tally::Tally;

    #[test]
    fn an_outcome_sums_up_a_tally() {
        let mut tally = Tally::new(None);
        for number in 1..=1_000_u64 {
            tally.record(Kind::Set, Duration::from_micros(number), Duration::from_millis(number));
        }
        tally.record_error("MOVED", 3, Duration::from_millis(1));
        let outcome = Outcome::new(tally, Duration::from_secs(5));
        assert_eq!((outcome.operations, outcome.elapsed_s, outcome.throughput), (1_000, 1.0, 1e3));
        let set = outcome.kinds["set"];
        assert_eq!((outcome.kinds.len(), set), (1, outcome.latency));
        for (figure, expected) in
            [(set.min_us, 1.0), (set.p50_us, 500.0), (set.p99_us, 990.0), (set.max_us, 1_000.0)]
        {
            assert!((figure - expected).abs() <= expected / 500.0, "{figure} for {expected}");
        }
        assert_eq!(outcome.error_kinds["MOVED"], 3);
    }

    #[test]
    fn nothing_measured_is_no_division_by_zero() {
        let outcome = Outcome::new(Tally::new(None), Duration::ZERO);
        assert_eq!((outcome.operations, outcome.throughput, outcome.elapsed_s), (0, 0.0, 0.0));
    }
}
