use std::time::Duration;

use handoff::HandoffId;
use rebalance::{HandoffProgress, HandoffState, PairProgress, Rebalance};

use super::Tracker;

/// A change from three to four servers; each handoff moves (moved, total) keys of 1 KiB to kv-3.
fn rebalance(handoffs: &[(&str, HandoffState, u64, u64)]) -> Rebalance {
    let progress =
        |(source, state, keys_moved, keys_total): &(&str, _, u64, u64)| HandoffProgress {
            id: HandoffId(1),
            source: (*source).into(),
            target: "kv-3".into(),
            state: *state,
            arc_share: 0.1,
            keys_moved: *keys_moved,
            keys_total: *keys_total,
            bytes_moved: keys_moved * 1_024,
            bytes_total: keys_total * 1_024,
            error: None,
        };
    let handoffs: Vec<HandoffProgress> = handoffs.iter().map(progress).collect();
    let kept = || handoffs.iter().filter(|handoff| handoff.state != HandoffState::Cancelled);
    let pair = |handoff: &HandoffProgress| PairProgress {
        source: handoff.source.clone(),
        target: handoff.target.clone(),
        keys_moved: handoff.keys_moved,
        keys_total: handoff.keys_total,
        bytes_moved: handoff.bytes_moved,
    };
    Rebalance {
        from: 3,
        to: 4,
        pairs: kept().map(pair).collect(),
        keys_moved: kept().map(|handoff| handoff.keys_moved).sum(),
        keys_total: kept().map(|handoff| handoff.keys_total).sum(),
        bytes_moved: kept().map(|handoff| handoff.bytes_moved).sum(),
        duration_ms: 2_400,
        handoffs,
        ..Rebalance::default()
    }
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_first_look_knows_no_rate() {
    let tracker = Tracker::new(at(0), &rebalance(&[("kv-0", HandoffState::Starting, 0, 1_000)]));
    assert_eq!(tracker.title(), "rebalance 3 -> 4 servers");
    assert_eq!(tracker.text(), "0/1,000 keys  0 B  handoffs 0/1");
}

#[test]
fn rate_and_time_left_follow_the_observations() {
    let mut tracker = Tracker::new(at(0), &rebalance(&[("kv-0", HandoffState::Copying, 0, 1_000)]));
    tracker.observe(at(1_000), &rebalance(&[("kv-0", HandoffState::Copying, 100, 1_000)]));
    let text = "100/1,000 keys  100.0 KiB  handoffs 0/1  100.0 KiB/s  ETA 9.0 s";
    assert_eq!(tracker.text(), text);
    let pair = tracker.pairs().next().expect("one pair");
    assert_eq!(pair.title(), "kv-0 -> kv-3");
    assert_eq!(pair.text(), "100/1,000 keys  100.0 KiB  copying  100.0 KiB/s  ETA 9.0 s");
    assert_eq!(pair.bar_text(), "100/1,000 keys  ETA 9.0 s  100.0 KiB/s  100.0 KiB  copying");
}

#[test]
fn one_chunk_is_no_rate() {
    let copying = |keys| rebalance(&[("kv-0", HandoffState::Copying, keys, 1_000)]);
    let mut tracker = Tracker::new(at(0), &copying(0));
    tracker.observe(at(100), &copying(100));
    assert_eq!(tracker.text(), "100/1,000 keys  100.0 KiB  handoffs 0/1");
    for ms in [200, 300, 400, 500, 600, 700, 800, 900, 1_000] {
        tracker.observe(at(ms), &copying(100));
    }
    let text = tracker.text();
    let speed = text.split("  ").nth(3).and_then(|text| text.strip_suffix(" KiB/s"));
    let speed: f64 = speed.expect("a rate").parse().expect("a number");
    assert!((80.0..=100.0).contains(&speed), "{text}");
}

#[test]
fn looks_too_close_to_each_other_change_no_rate() {
    let mut tracker = Tracker::new(at(0), &rebalance(&[("kv-0", HandoffState::Copying, 0, 10)]));
    tracker.observe(at(1), &rebalance(&[("kv-0", HandoffState::Frozen, 5, 10)]));
    assert_eq!(tracker.text(), "5/10 keys  5.0 KiB  handoffs 0/1");
}

#[test]
fn more_keys_than_estimated_are_no_overflow() {
    let tracker = Tracker::new(at(0), &rebalance(&[("kv-0", HandoffState::Copying, 12, 10)]));
    assert_eq!(tracker.keys(), (12, 12));
    assert_eq!(tracker.pairs().next().expect("one pair").keys(), (12, 12));
}

#[test]
fn the_summary_adds_up_by_server() {
    let mut tracker = Tracker::new(at(0), &rebalance(&[]));
    tracker.observe(
        at(2_400),
        &rebalance(&[
            ("kv-0", HandoffState::Done, 1_500, 1_500),
            ("kv-1", HandoffState::Done, 1, 1),
            ("kv-2", HandoffState::Cancelled, 7, 90),
        ]),
    );
    assert_eq!(
        tracker.summary(),
        [
            "rebalance 3 -> 4 servers done in 2.4 s: 1,501 keys (1.5 MiB) moved; \
             1 handoff cancelled",
            "  kv-0  gave 1,500 keys",
            "  kv-1  gave 1 key",
            "  kv-3  got 1,501 keys",
        ]
    );
}
