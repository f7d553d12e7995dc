//! Pure. What ringkv has to reach, as ratios of ours to a peer's or as rates, and which cells miss
//! it. The median of the rounds decides.

use super::cell::{Cell, Durability, Kind};
use super::options::What;
use super::rows::Row;

/// Connections with which a SET that waits for the disk shares its fsync with many.
const SHARED_FSYNC_FROM: u32 = 50;

/// The least ratio to that side; 1 is the peer, 2 the servers without anything in front.
pub(crate) fn goal(what: What, durability: Durability, cell: &Cell, side: usize) -> Option<f64> {
    match (what, side) {
        (What::Path, 1) => path(durability, cell),
        (What::Router, 1) if cell.pipeline == 1 => Some(1.2),
        (What::Router, 1) if cell.pipeline >= 16 => Some(1.5),
        (What::Router, 1) => Some(1.0),
        (What::Router, 2) if cell.pipeline == 1 => Some(0.88),
        _ => None,
    }
}

fn path(durability: Durability, cell: &Cell) -> Option<f64> {
    match (durability, cell.kind) {
        (Durability::Everysec, Kind::Set | Kind::Get) => Some(1.0),
        (Durability::Always, Kind::Set) if cell.connections >= SHARED_FSYNC_FROM => Some(2.0),
        (Durability::Always, Kind::GetBesideSet) => Some(5.0),
        _ => None,
    }
}

/// Each goal that a cell misses, in a sentence.
pub(crate) fn missed(what: What, names: &[&str], rows: &[Row]) -> Vec<String> {
    let mut missed = Vec::new();
    for row in rows {
        for (side, name) in names.iter().enumerate().skip(1) {
            let Some(goal) = goal(what, row.durability, &row.cell, side) else { continue };
            let ratio = row.ratio(side).map_or(0.0, |ratio| ratio.median);
            if ratio < goal {
                let (durability, cell) = (row.durability.name(), row.cell);
                missed.push(format!("{durability} {cell}: {ratio:.2} of {name}, goal {goal:.2}"));
            }
        }
    }
    missed
}

/// The least rate of moving data, in MB a second, for values of that size.
pub(crate) fn moving_rate(value_bytes: u32) -> f64 {
    if value_bytes >= 1_024 { 150.0 } else { 40.0 }
}

/// How many times as fast as the peer data moves at the least.
pub(crate) const MOVING_RATIO: f64 = 5.0;
/// The least share of its throughput that the foreground keeps while data moves.
pub(crate) const FOREGROUND_KEPT: f64 = 0.8;
/// The most by which its p99 grows meanwhile.
pub(crate) const FOREGROUND_P99: f64 = 2.0;
/// The longest pauses of writes: all but one in a hundred, and all; milliseconds.
pub(crate) const PAUSE_MS: (f64, f64) = (20.0, 50.0);

#[cfg(test)]
mod tests {
    use super::super::rows::tests::row;
    use super::*;

    fn check(what: What, durability: Durability, cell: &str, expected: [Option<f64>; 2]) {
        let parsed = Cell::parse(cell).unwrap();
        let goals = [1, 2].map(|side| goal(what, durability, &parsed, side));
        assert_eq!(goals, expected, "{what:?} {durability:?} {cell}");
    }

    #[test]
    fn every_cell_has_the_goal_that_was_agreed() {
        use Durability::{Always, Everysec, Memory};
        check(What::Router, Memory, "get,50,1,16", [Some(1.2), Some(0.88)]);
        check(What::Router, Memory, "set,1,16,16", [Some(1.5), None]);
        check(What::Router, Memory, "set,1,100,16", [Some(1.5), None]);
        check(What::Router, Memory, "set,1,4,16", [Some(1.0), None]);
        check(What::Path, Everysec, "set,1,1,16", [Some(1.0), None]);
        check(What::Path, Everysec, "get,200,100,1024", [Some(1.0), None]);
        check(What::Path, Always, "set,1,1,16", [None, None]);
        check(What::Path, Always, "set,50,16,16", [Some(2.0), None]);
        check(What::Path, Always, "set,200,1,16", [Some(2.0), None]);
        check(What::Path, Always, "get,50,1,16", [None, None]);
        check(What::Path, Always, "get-beside-set,50,1,256", [Some(5.0), None]);
    }

    #[test]
    fn the_median_decides_and_equality_is_enough() {
        let names = ["ringkv", "nutcracker"];
        let rows = [
            row(Durability::Everysec, "set,1,1,16", &[(9.0, 10.0), (10.0, 10.0), (20.0, 10.0)]),
            row(Durability::Everysec, "get,1,1,16", &[(9.0, 10.0), (8.0, 10.0), (20.0, 10.0)]),
        ];
        assert_eq!(
            missed(What::Path, &names, &rows),
            ["everysec get,1,1,16: 0.90 of nutcracker, goal 1.00"]
        );
    }
}
