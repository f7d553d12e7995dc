//! Pure. What moving data from three servers to four has taken: figures, their table, and the goals
//! that they miss.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::goals::{FOREGROUND_KEPT, FOREGROUND_P99, MOVING_RATIO, PAUSE_MS, moving_rate};
use super::statistics::{Spread, median};
use super::table::{markdown, ratio};

/// What clients saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Seen {
    /// Commands in a second.
    pub(crate) per_second: f64,
    /// Latency of half of them, in milliseconds.
    pub(crate) p50_ms: f64,
    /// Of all but one in a hundred.
    pub(crate) p99_ms: f64,
    /// Of the slowest.
    pub(crate) max_ms: f64,
    /// Answers that were errors.
    pub(crate) errors: u64,
}

/// The command that moves data.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    /// From its start to its end, as whoever gave it has to wait.
    pub(crate) seconds: f64,
    /// Processor time meanwhile of all processes but the command's own.
    pub(crate) cpu_seconds: f64,
    /// What clients saw before and meanwhile; nothing where there were none.
    pub(crate) seen: Vec<Seen>,
}

/// One move.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Move {
    /// Keys that have another server now.
    pub(crate) keys: u64,
    /// Their bytes, keys and values.
    pub(crate) bytes: u64,
    /// The command.
    #[serde(flatten)]
    pub(crate) run: Run,
    /// The time that ringkv says: without the start of the new server, and of the command.
    pub(crate) own_seconds: Option<f64>,
    /// How long writes were held up: all but one in a hundred of the pauses, and the longest.
    pub(crate) pause_ms: Option<(f64, f64)>,
}

impl Move {
    /// Megabytes a second.
    pub(crate) fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.run.seconds.max(1e-3)
    }

    /// The same of the time that ringkv counts.
    fn own_rate(&self) -> Option<f64> {
        Some(self.bytes as f64 / 1e6 / self.own_seconds?.max(1e-3))
    }

    fn keys_per_second(&self) -> f64 {
        self.keys as f64 / self.run.seconds.max(1e-3)
    }

    /// Seconds of processor time for a million keys.
    fn cpu(&self) -> f64 {
        self.run.cpu_seconds * 1e6 / self.keys.max(1) as f64
    }

    /// A figure of what clients saw meanwhile, by that of before.
    fn change(&self, figure: fn(&Seen) -> f64) -> Option<f64> {
        let [before, during] = self.run.seen.as_slice() else { return None };
        Some(figure(during) / figure(before).max(1e-6))
    }
}

/// All rounds of one size of values, with a load or without.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    /// Bytes of a value.
    pub(crate) value_bytes: u32,
    /// Whether there was traffic.
    pub(crate) loaded: bool,
    /// Ours, then the peer's, by round.
    pub(crate) rounds: Vec<[Move; 2]>,
}

impl Case {
    fn name(&self) -> String {
        let load = if self.loaded { "under load" } else { "idle" };
        format!("{} B, {load}", self.value_bytes)
    }

    fn median(&self, side: usize, figure: impl Fn(&Move) -> Option<f64>) -> f64 {
        median(self.rounds.iter().filter_map(|round| figure(round.get(side)?)))
    }

    fn ratio(&self) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(|[ours, theirs]| ours.rate() / theirs.rate()))
    }

    /// How a round went, in a line.
    pub(crate) fn last(&self) -> String {
        let Some([ours, theirs]) = self.rounds.last() else { return self.name() };
        let of = |side: &Move| format!("{} keys in {:.2} s", side.keys, side.run.seconds);
        format!("{}: ringkv {}, redis {}", self.name(), of(ours), of(theirs))
    }
}

/// What `ringkv status --json` says, as far as it is needed.
#[derive(Deserialize)]
struct Status {
    last_rebalance: Option<LastRebalance>,
    router: Router,
}

#[derive(Deserialize)]
struct LastRebalance {
    keys_moved: u64,
    bytes_moved: u64,
    duration_ms: u64,
}

#[derive(Deserialize)]
struct Router {
    write_pause: WritePause,
}

#[derive(Deserialize)]
struct WritePause {
    p99_ms: f64,
    max_ms: f64,
}

/// A move of ringkv from what it says of itself.
pub(crate) fn of_status(text: &str, run: Run) -> anyhow::Result<Move> {
    let status: Status = serde_json::from_str(text)?;
    let Some(last) = status.last_rebalance else {
        anyhow::bail!("ringkv knows of no rebalance that has ended")
    };
    let pause = status.router.write_pause;
    Ok(Move {
        keys: last.keys_moved,
        bytes: last.bytes_moved,
        run,
        own_seconds: Some(last.duration_ms as f64 / 1e3),
        pause_ms: Some((pause.p99_ms, pause.max_ms)),
    })
}

/// The table for people, in Markdown.
pub(crate) fn text(cases: &[Case]) -> String {
    let heads = [
        "values",
        "ratio of MB/s (min, max)",
        "ringkv MB/s, own count",
        "redis MB/s",
        "ringkv keys/s",
        "redis keys/s",
        "ringkv s, own count",
        "redis s",
        "CPU s per 1M keys: ringkv, redis",
        "ringkv /s, p99 ms: before, during",
        "redis /s, p99 ms: before, during",
    ];
    let lines: Vec<Vec<String>> = cases.iter().map(line).collect();
    markdown(&heads.map(str::to_owned), &lines)
}

fn line(case: &Case) -> Vec<String> {
    let figure = |side, of: fn(&Move) -> f64| case.median(side, |it| Some(of(it)));
    let mut fields = vec![case.name(), case.ratio().map_or("-".to_owned(), ratio)];
    let own = case.median(0, Move::own_rate);
    fields.push(format!("{:.1}, {own:.1}", figure(0, Move::rate)));
    fields.push(format!("{:.1}", figure(1, Move::rate)));
    fields.extend([0, 1].map(|side| format!("{:.0}", figure(side, Move::keys_per_second))));
    let own = case.median(0, |it| it.own_seconds);
    fields.push(format!("{:.2}, {own:.2}", figure(0, |it| it.run.seconds)));
    fields.push(format!("{:.2}", figure(1, |it| it.run.seconds)));
    let cost = [0, 1].map(|side| format!("{:.1}", figure(side, Move::cpu)));
    // Under load it is mostly that of the load.
    fields.push(if case.loaded { "-".to_owned() } else { cost.join(", ") });
    fields.extend([0, 1].map(|side| {
        if !case.loaded {
            return "-".to_owned();
        }
        let of = |at: usize, figure: fn(&Seen) -> f64| {
            case.median(side, |it| it.run.seen.get(at).map(figure))
        };
        let (before, during) = (of(0, |it| it.per_second), of(1, |it| it.per_second));
        let (p99_before, p99_during) = (of(0, |it| it.p99_ms), of(1, |it| it.p99_ms));
        format!("{before:.0}, {p99_before:.2}: {during:.0}, {p99_during:.2}")
    }));
    fields
}

/// Each goal that is missed, in a sentence; errors that clients of ringkv saw, too.
pub(crate) fn missed(cases: &[Case]) -> Vec<String> {
    let mut missed = Vec::new();
    for case in cases {
        let name = case.name();
        let mut least = |what: &str, is: f64, goal: f64| {
            if is < goal {
                missed.push(format!("{name}: {what} {is:.2}, goal at least {goal:.2}"));
            }
        };
        let ratio = case.ratio().map_or(0.0, |ratio| ratio.median);
        least("ratio to redis-cli --cluster reshard", ratio, MOVING_RATIO);
        if !case.loaded {
            least("MB/s, own count", case.median(0, Move::own_rate), moving_rate(case.value_bytes));
            continue;
        }
        let kept = case.median(0, |it| it.change(|seen| seen.per_second));
        least("share of its throughput that the foreground keeps", kept, FOREGROUND_KEPT);
        let mut most = |what: &str, is: f64, goal: f64| {
            if is > goal {
                missed.push(format!("{name}: {what} {is:.2}, goal at most {goal:.2}"));
            }
        };
        let grown = case.median(0, |it| it.change(|seen| seen.p99_ms));
        most("p99 of the foreground by that before", grown, FOREGROUND_P99);
        most("ms of write pause, p99", case.median(0, |it| Some(it.pause_ms?.0)), PAUSE_MS.0);
        most("ms of write pause, longest", case.median(0, |it| Some(it.pause_ms?.1)), PAUSE_MS.1);
        let errors =
            |round: &[Move; 2]| round[0].run.seen.iter().map(|seen| seen.errors).sum::<u64>();
        most("errors", case.rounds.iter().map(errors).sum::<u64>() as f64, 0.0);
    }
    missed
}

/// Every move as a line.
pub(crate) fn csv(cases: &[Case]) -> String {
    let mut text =
        "value_bytes,loaded,round,side,keys,bytes,seconds,cpu_s,own_seconds,pause_p99_ms,\
                    pause_max_ms,before_per_second,before_p99_ms,during_per_second,during_p99_ms\n"
            .to_owned();
    for case in cases {
        for (round, sides) in case.rounds.iter().enumerate() {
            for (name, side) in ["ringkv", "redis"].iter().zip(sides) {
                let (p99, max) = side.pause_ms.unzip();
                let of = |at: usize| side.run.seen.get(at);
                let optional = [
                    side.own_seconds,
                    p99,
                    max,
                    of(0).map(|seen| seen.per_second),
                    of(0).map(|seen| seen.p99_ms),
                    of(1).map(|seen| seen.per_second),
                    of(1).map(|seen| seen.p99_ms),
                ];
                let optional: Vec<String> = optional
                    .map(|figure| figure.map_or_else(String::new, |figure| format!("{figure:.3}")))
                    .to_vec();
                text.push_str(&format!(
                    "{},{},{},{name},{},{},{:.3},{:.2},{}\n",
                    case.value_bytes,
                    case.loaded,
                    round + 1,
                    side.keys,
                    side.bytes,
                    side.run.seconds,
                    side.run.cpu_seconds,
                    optional.join(",")
                ));
            }
        }
    }
    text
}

/// All of it.
pub(crate) fn json(cases: &[Case], conditions: &[String], missed: &[String]) -> Value {
    let sides = ["ringkv", "redis"];
    json!({ "sides": sides, "conditions": conditions, "cases": cases, "missed": missed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(per_second: f64, p99_ms: f64) -> Seen {
        Seen { per_second, p50_ms: 0.1, p99_ms, max_ms: 9.0, errors: 0 }
    }

    fn moved(mb: u64, seconds: f64, seen: Vec<Seen>) -> Move {
        let (own_seconds, pause_ms) = (Some(seconds), Some((5.0, 9.0)));
        let run = Run { seconds, cpu_seconds: 3.0, seen };
        Move { keys: mb * 1_000, bytes: mb * 1_000_000, run, own_seconds, pause_ms }
    }

    fn case(loaded: bool, ours: Move, theirs: Move) -> Case {
        Case { value_bytes: 1_024, loaded, rounds: vec![[ours, theirs]] }
    }

    #[test]
    fn what_ringkv_says_is_read() {
        let text = r#"{"epoch":3,"last_rebalance":{"bytes_moved":88293,"bytes_total":88293,
            "duration_ms":337,"keys_moved":4647,"to":4},"router":{"complete":true,
            "write_pause":{"count":2,"max_ms":9.5,"p50_ms":1.0,"p99_ms":7.5}}}"#;
        let run = Run { seconds: 1.5, cpu_seconds: 0.1, seen: Vec::new() };
        let moved = of_status(text, run.clone()).unwrap();
        assert_eq!((moved.keys, moved.bytes, moved.own_seconds), (4_647, 88_293, Some(0.337)));
        assert_eq!(moved.pause_ms, Some((7.5, 9.5)));
        let none = text.replace("\"last_rebalance\"", "\"no_rebalance\"");
        assert!(of_status(&none, run).is_err());
    }

    #[test]
    fn a_good_move_misses_nothing() {
        let ours = moved(300, 2.0, vec![seen(1_000.0, 1.0), seen(800.0, 2.0)]);
        let cases = [
            case(false, moved(300, 2.0, Vec::new()), moved(300, 10.0, Vec::new())),
            case(true, ours, moved(300, 20.0, Vec::new())),
        ];
        assert_eq!(missed(&cases), Vec::<String>::new());
    }

    #[test]
    fn a_bad_move_misses_all_of_it() {
        let mut ours = moved(300, 4.0, vec![seen(1_000.0, 1.0), seen(700.0, 2.5)]);
        ours.pause_ms = Some((21.0, 51.0));
        let cases = [
            case(false, moved(300, 4.0, Vec::new()), moved(300, 8.0, Vec::new())),
            case(true, ours, moved(300, 8.0, Vec::new())),
        ];
        let missed = missed(&cases);
        assert_eq!(missed.len(), 7, "{missed:#?}");
        assert_eq!(missed[1], "1024 B, idle: MB/s, own count 75.00, goal at least 150.00");
    }

    #[test]
    fn every_line_has_every_column() {
        let ours = moved(300, 2.0, vec![seen(1_000.0, 1.0), seen(800.0, 2.0)]);
        let cases = [case(true, ours, moved(300, 10.0, Vec::new()))];
        let csv = csv(&cases);
        let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(columns, [15, 15, 15], "{csv}");
        let idle = [case(false, moved(300, 2.0, Vec::new()), moved(300, 10.0, Vec::new()))];
        for (cases, part) in [(&cases, "| 5.00 (5.00, 5.00) "), (&idle, "| 10.0, 10.0 ")] {
            assert!(text(cases).contains(part), "{part} in {}", text(cases));
        }
    }
}
