//! Pure. The result of a run as people read it.

use bench::outcome::{Latency, Outcome};
use bench::row::Row;

use crate::figures;

/// One run.
pub(super) fn run(row: &Row, outcome: &Outcome) -> String {
    let mut text = format!("{}\n", bench::plot::conditions(row));
    text.push_str(&format!(
        "{} in {:.2} s: {} a second; {} sent, {} received\n\n",
        figures::of(outcome.operations, "operation"),
        outcome.elapsed_s,
        whole(outcome.throughput),
        figures::bytes(outcome.bytes_sent),
        figures::bytes(outcome.bytes_received),
    ));
    let header = ["latency in µs", "operations", "min", "p50", "p90", "p99", "p99.9", "max"];
    let mut rows: Vec<Vec<String>> =
        outcome.kinds.iter().map(|(name, latency)| cells(name, latency)).collect();
    if rows.len() != 1 {
        rows.push(cells("all", &outcome.latency));
    }
    text.push_str(&figures::table(&header, &rows));
    text.push_str(match row.rate {
        Some(_) => "latency counts from when a request was meant to be sent\n",
        None => "latency counts from when a request was sent (closed loop)\n",
    });
    if outcome.errors > 0 {
        let kinds = outcome.error_kinds.iter();
        let kinds: Vec<String> = kinds.map(|(kind, count)| format!("{kind} {count}")).collect();
        text.push_str(&format!("ERRORS: {} ({})\n", outcome.errors, kinds.join(", ")));
    }
    if row.verify {
        text.push_str(&verdict(outcome));
    }
    text
}

fn verdict(outcome: &Outcome) -> String {
    if outcome.violations == 0 {
        return "verified: every answer was right\n".to_owned();
    }
    let kinds = outcome.violation_kinds.iter();
    let kinds: Vec<String> = kinds.map(|(kind, count)| format!("{kind} {count}")).collect();
    let mut text = format!("WRONG ANSWERS: {} ({})\n", outcome.violations, kinds.join(", "));
    for example in &outcome.violation_examples {
        text.push_str(&format!("  {example}\n"));
    }
    text
}

/// All runs of a sweep, a line each.
pub(super) fn sweep(rows: &[&Row]) -> String {
    let varied = rows.first().map_or("", |row| row.sweep.as_str());
    let first = if varied.is_empty() { "run" } else { varied };
    let header = [first, "run", "ops/s", "p50 µs", "p99 µs", "max µs", "errors", "wrong"];
    let line = |row: &&Row| {
        vec![
            row.point.clone(),
            row.repetition.to_string(),
            whole(row.throughput),
            format!("{:.1}", row.p50_us),
            format!("{:.1}", row.p99_us),
            format!("{:.1}", row.max_us),
            figures::count(row.errors),
            if row.verify { figures::count(row.violations) } else { "-".to_owned() },
        ]
    };
    format!("\n{}", figures::table(&header, &rows.iter().map(line).collect::<Vec<_>>()))
}

fn cells(name: &str, latency: &Latency) -> Vec<String> {
    let times = [
        latency.min_us,
        latency.p50_us,
        latency.p90_us,
        latency.p99_us,
        latency.p999_us,
        latency.max_us,
    ];
    let mut cells = vec![name.to_owned(), figures::count(latency.operations)];
    cells.extend(times.map(|micros| format!("{micros:.1}")));
    cells
}

/// A rate without its fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
fn whole(rate: f64) -> String {
    figures::count(rate.round() as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use bench::outcome::{Latency, Outcome};
    use bench::row::Row;

    use super::{run, sweep};

    fn row() -> Row {
        Row {
            version: "0.1.0".into(),
            date: "2026-11-28T01:02:03Z".into(),
            target: "127.0.0.1:6379".into(),
            cpus: 2,
            clients: 50,
            pipeline: 1,
            value_size: 256,
            keys: 100,
            distribution: "uniform".into(),
            mix: "mixed".into(),
            requests: Some(1_200),
            verify: true,
            repetition: 1,
            ..Row::default()
        }
    }

    fn outcome() -> Outcome {
        let latency = Latency {
            operations: 600,
            min_us: 20.1,
            p50_us: 50.0,
            p90_us: 80.0,
            p99_us: 120.5,
            p999_us: 900.0,
            max_us: 1_234.5,
        };
        Outcome {
            elapsed_s: 0.012,
            operations: 1_200,
            throughput: 100_000.4,
            latency: Latency { operations: 1_200, ..latency },
            kinds: BTreeMap::from([("get", latency), ("set", latency)]),
            errors: 3,
            error_kinds: BTreeMap::from([("MOVED".into(), 2), ("connection".into(), 1)]),
            violations: 1,
            violation_kinds: BTreeMap::from([("stale", 1)]),
            violation_examples: vec!["stale: get key:000000000001: x".into()],
            bytes_sent: 2_048,
            bytes_received: 1_000,
            began: Duration::ZERO,
            timeline: Vec::new(),
        }
    }

    #[test]
    fn a_run_is_a_table_with_what_went_wrong_below() {
        assert_eq!(
            run(&row(), &outcome()),
            "\
127.0.0.1:6379 · 50 clients · pipeline 1 · values of 256 B · 100 keys (uniform) · mix mixed · \
closed loop · 1200 requests · 2 cores · ringkv 0.1.0 · 2026-11-28
1,200 operations in 0.01 s: 100,000 a second; 2.0 KiB sent, 1000 B received

latency in µs  operations   min   p50   p90    p99  p99.9     max
get                   600  20.1  50.0  80.0  120.5  900.0  1234.5
set                   600  20.1  50.0  80.0  120.5  900.0  1234.5
all                 1,200  20.1  50.0  80.0  120.5  900.0  1234.5
latency counts from when a request was sent (closed loop)
ERRORS: 3 (MOVED 2, connection 1)
WRONG ANSWERS: 1 (stale 1)
  stale: get key:000000000001: x
"
        );
    }

    #[test]
    fn a_sweep_is_a_line_for_each_run() {
        let row = Row {
            sweep: "clients".into(),
            point: "5".into(),
            throughput: 1_234.5,
            p50_us: 10.0,
            p99_us: 20.0,
            max_us: 30.0,
            ..row()
        };
        assert_eq!(
            sweep(&[&row]),
            "
clients  run  ops/s  p50 µs  p99 µs  max µs  errors  wrong
5          1  1,235    10.0    20.0    30.0       0      0
"
        );
    }
}
