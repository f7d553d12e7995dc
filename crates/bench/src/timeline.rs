//! Pure. The same by the interval: throughput and latencies over the time of a run.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::plan::INTERVALS_MAX;

/// Latencies of an interval are exact to one in a hundred.
const SIGNIFICANT_DIGITS: u8 = 2;

/// One interval of a timeline: a row of its CSV.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IntervalRow {
    /// When the interval began, since the begin of the run.
    pub seconds: f64,
    /// Answers that were no errors, a second.
    pub throughput: f64,
    /// Half of their latencies were below, in microseconds; 0 without answers.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// All.
    pub max_us: f64,
    /// Errors in the interval.
    pub errors: u64,
    /// Handoffs under way, the most that were seen in the interval.
    pub handoffs: u64,
}

/// Latencies by the interval in which their answers came.
#[derive(Debug)]
pub(crate) struct Intervals {
    interval: Duration,
    parts: Vec<Part>,
    /// The interval under way.
    current: u64,
    latencies: Histogram<u32>,
    errors: u64,
}

/// An interval that is over, as the values that occur in it: few, where a histogram has room for
/// all.
#[derive(Debug, Default)]
struct Part {
    index: u64,
    latencies: Vec<(u64, u32)>,
    errors: u64,
}

impl Intervals {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, parts: Vec::new(), current: 0, latencies: histogram(), errors: 0 }
    }

    #[inline]
    pub(crate) fn record(&mut self, latency: Duration, at: Duration) {
        if self.go_to(at) {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
            self.latencies.saturating_record(micros);
        }
    }

    pub(crate) fn record_errors(&mut self, count: u64, at: Duration) {
        if self.go_to(at) {
            self.errors += count;
        }
    }

    /// Whether there is room for what came at that time.
    #[inline]
    fn go_to(&mut self, at: Duration) -> bool {
        let index = at.as_nanos() / self.interval.as_nanos().max(1);
        let index = u64::try_from(index).unwrap_or(u64::MAX);
        if index != self.current {
            self.close();
            self.current = index;
        }
        index < INTERVALS_MAX
    }

    fn close(&mut self) {
        if self.latencies.is_empty() && self.errors == 0 {
            return;
        }
        let recorded = self.latencies.iter_recorded();
        let latencies = recorded.map(|one| (one.value_iterated_to(), one.count_at_value()));
        let part =
            Part { index: self.current, latencies: latencies.collect(), errors: self.errors };
        self.parts.push(part);
        self.latencies.reset();
        self.errors = 0;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.close();
        let parts = other.parts.iter().map(|part| Part {
            index: part.index,
            latencies: part.latencies.clone(),
            errors: part.errors,
        });
        self.parts.extend(parts);
        if let Some(part) = other.open_part() {
            self.parts.push(part);
        }
    }

    fn open_part(&self) -> Option<Part> {
        let recorded = self.latencies.iter_recorded();
        let latencies: Vec<_> =
            recorded.map(|one| (one.value_iterated_to(), one.count_at_value())).collect();
        let is_empty = latencies.is_empty() && self.errors == 0;
        (!is_empty).then_some(Part { index: self.current, latencies, errors: self.errors })
    }

    /// Every interval from the begin to the last one in which something came; those in between
    /// without an answer too. The last is as long as the others, so a run's end shows as a fall.
    pub(crate) fn rows(mut self) -> Vec<IntervalRow> {
        self.close();
        self.parts.sort_by_key(|part| part.index);
        let Some(last) = self.parts.last().map(|part| part.index) else { return Vec::new() };
        let mut parts = self.parts.iter().peekable();
        let mut rows = Vec::new();
        for index in 0..=last {
            self.latencies.reset();
            let mut errors = 0;
            while let Some(part) = parts.next_if(|part| part.index == index) {
                for (value, count) in &part.latencies {
                    self.latencies.saturating_record_n(*value, *count);
                }
                errors += part.errors;
            }
            rows.push(row(index, self.interval, &self.latencies, errors));
        }
        rows
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures to be shown")]
fn row(index: u64, interval: Duration, latencies: &Histogram<u32>, errors: u64) -> IntervalRow {
    let seconds = interval.as_secs_f64();
    let at = |quantile| latencies.value_at_quantile(quantile) as f64;
    IntervalRow {
        seconds: (index as f64 * seconds * 1e6).round() / 1e6,
        throughput: (latencies.len() as f64 / seconds * 10.0).round() / 10.0,
        p50_us: at(0.5),
        p99_us: at(0.99),
        max_us: latencies.max() as f64,
        errors,
        handoffs: 0,
    }
}

/// How many handoffs were under way, as of moments in the order of time.
pub fn mark_handoffs(rows: &mut [IntervalRow], interval: Duration, seen: &[(Duration, u64)]) {
    let mut under_way = 0;
    let mut seen = seen.iter().peekable();
    for row in rows {
        let end = row.seconds + interval.as_secs_f64();
        row.handoffs = under_way;
        while let Some((_, count)) = seen.next_if(|(at, _)| at.as_secs_f64() < end) {
            row.handoffs = row.handoffs.max(*count);
            under_way = *count;
        }
    }
}

/// In microseconds; it grows with the values.
fn histogram() -> Histogram<u32> {
    match Histogram::new_with_max(1_000_000_000, SIGNIFICANT_DIGITS) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("these bounds are allowed"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{IntervalRow, Intervals, mark_handoffs};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn rows_are_of_all_threads_and_without_a_gap() {
        let (mut one, mut other) = (Intervals::new(MS(100)), Intervals::new(MS(100)));
        one.record(MS(1), MS(5));
        one.record(MS(3), MS(350));
        other.record(MS(2), MS(50));
        other.record_errors(2, MS(350));
        one.add(&other);
        let rows = one.rows();
        let figures: Vec<_> = rows.iter().map(|r| (r.seconds, r.throughput, r.errors)).collect();
        assert_eq!(figures, [(0.0, 20.0, 0), (0.1, 0.0, 0), (0.2, 0.0, 0), (0.3, 10.0, 2)]);
        let (p50, max) = (rows[0].p50_us, rows[0].max_us);
        assert!((1_000.0..1_010.0).contains(&p50) && (2_000.0..2_020.0).contains(&max));
        assert_eq!(Intervals::new(MS(100)).rows(), []);
    }

    #[test]
    fn a_handoff_marks_the_intervals_that_it_touches() {
        let row = |tenth: f64| IntervalRow { seconds: tenth / 10.0, ..IntervalRow::default() };
        let mut rows = [0.0, 1.0, 2.0, 3.0].map(row);
        mark_handoffs(&mut rows, MS(100), &[(MS(110), 2), (MS(130), 1), (MS(210), 0)]);
        assert_eq!(rows.map(|row| row.handoffs), [0, 2, 1, 0]);
    }
}
