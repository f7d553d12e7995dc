//! Pure. What the rounds of one cell have measured, and the figures that follow.

use serde::Serialize;

use super::cell::{Cell, Durability};
use super::statistics::{Spread, median};

/// One round of one side.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    /// Requests in a second.
    pub(crate) per_second: f64,
    /// Latency of half of the requests, in milliseconds.
    pub(crate) p50_ms: f64,
    /// Latency of all but one in a hundred.
    pub(crate) p99_ms: f64,
    /// Seconds of processor time that what is in front of the servers has used.
    pub(crate) proxy_cpu_seconds: f64,
    /// The same of the servers.
    pub(crate) servers_cpu_seconds: f64,
    /// The share of one processor that all sides which had no load used meanwhile.
    pub(crate) idle_share: f64,
    /// The share of one processor that the client used.
    pub(crate) client_share: f64,
}

/// A cell with all its rounds.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// When a write is answered.
    pub(crate) durability: Durability,
    /// What was measured.
    pub(crate) cell: Cell,
    /// Requests of each round.
    pub(crate) requests: u64,
    /// By round, then by side; ours is the first.
    pub(crate) rounds: Vec<Vec<Sample>>,
}

impl Row {
    /// Ours by that side, of each round.
    pub(crate) fn ratio(&self, side: usize) -> Option<Spread> {
        let of_round = |round: &Vec<Sample>| {
            let (ours, theirs) = (round.first()?, round.get(side)?);
            Some(ours.per_second / theirs.per_second)
        };
        Spread::of(self.rounds.iter().filter_map(of_round))
    }

    /// The middle of a figure of that side.
    pub(crate) fn median(&self, side: usize, figure: fn(&Sample) -> f64) -> f64 {
        median(self.rounds.iter().filter_map(|round| round.get(side)).map(figure))
    }

    /// Seconds of processor time for a million requests.
    pub(crate) fn cpu(&self, side: usize, figure: fn(&Sample) -> f64) -> f64 {
        self.median(side, figure) * 1e6 / self.requests.max(1) as f64
    }
}

/// From this share on a thread of the client has no time left: it may be what is measured.
const BUSY: f64 = 0.9;

/// Cells in which a client of so many threads may be what holds a side back.
pub(crate) fn bound_by_client(names: &[&str], rows: &[Row], threads: u16) -> Vec<String> {
    let mut bound = Vec::new();
    for row in rows {
        for (side, name) in names.iter().enumerate() {
            let share = row.median(side, |sample| sample.client_share);
            if share >= BUSY * f64::from(threads) {
                bound.push(format!("{} {} on {name}", row.durability.name(), row.cell));
            }
        }
    }
    bound
}

/// The most that idle sides have used of a processor in some round, and in the middle.
pub(crate) fn idle(rows: &[Row]) -> Option<Spread> {
    let rounds = rows.iter().flat_map(|row| row.rounds.iter().flatten());
    Spread::of(rounds.map(|sample| sample.idle_share))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A row of two sides whose rounds had these rates.
    pub(in super::super) fn row(durability: Durability, cell: &str, rates: &[(f64, f64)]) -> Row {
        let sample = |per_second| Sample {
            per_second,
            p50_ms: 0.5,
            p99_ms: 2.0,
            proxy_cpu_seconds: 1.0,
            servers_cpu_seconds: 3.0,
            idle_share: 0.01,
            client_share: 0.4,
        };
        let rounds =
            rates.iter().map(|(ours, theirs)| vec![sample(*ours), sample(*theirs)]).collect();
        Row { durability, cell: Cell::parse(cell).unwrap(), requests: 500_000, rounds }
    }

    #[test]
    fn ratios_are_of_rounds_and_not_of_medians() {
        let rates = [(10.0, 5.0), (30.0, 10.0), (20.0, 20.0)];
        let row = row(Durability::Always, "set,50,1,16", &rates);
        assert_eq!(row.ratio(1), Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(row.ratio(2), None);
        assert_eq!(row.median(1, |sample| sample.per_second), 10.0);
    }

    #[test]
    fn a_busy_client_is_told() {
        let mut rows = [row(Durability::Always, "set,50,1,16", &[(1.0, 1.0)])];
        let names = ["ringkv", "nutcracker"];
        assert!(bound_by_client(&names, &rows, 1).is_empty());
        rows[0].rounds[0][1].client_share = 0.95;
        assert_eq!(bound_by_client(&names, &rows, 1), ["always set,50,1,16 on nutcracker"]);
        assert!(bound_by_client(&names, &rows, 2).is_empty());
    }

    #[test]
    fn processor_time_is_for_a_million() {
        let row = row(Durability::Always, "set,50,1,16", &[(1.0, 1.0)]);
        assert_eq!(row.cpu(0, |sample| sample.servers_cpu_seconds), 6.0);
        assert_eq!(idle(&[row]).unwrap().max, 0.01);
    }
}
