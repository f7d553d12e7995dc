use std::time::Duration;

use super::Tracker;
use crate::cluster_api::{HandoffProgress, Rebalance};

fn handoff(id: &str, source: &str, state: &str, moved: u64, total: u64) -> HandoffProgress {
    HandoffProgress {
        id: id.into(),
        source: source.into(),
        target: "kv-3".into(),
        state: state.into(),
        keys_moved: moved,
        keys_total: total,
        bytes_moved: moved * 1_024,
        bytes_total: total * 1_024,
    }
}

fn rebalance(handoffs: &[HandoffProgress]) -> Rebalance {
    Rebalance { from: 3, to: 4, handoffs: handoffs.to_vec() }
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_first_look_knows_no_rate() {
    let tracker = Tracker::new(at(0), &rebalance(&[handoff("a", "kv-0", "copying", 0, 1_000)]));
    assert_eq!(tracker.title(), "rebalance 3 -> 4 servers");
    assert_eq!(tracker.text(), "0/1,000 keys  0 B  handoffs 0/1  0 B/s");
}

#[test]
fn rate_and_time_left_follow_the_observations() {
    let mut tracker = Tracker::new(at(0), &rebalance(&[handoff("a", "kv-0", "copying", 0, 1_000)]));
    tracker.observe(at(1_000), &rebalance(&[handoff("a", "kv-0", "copying", 100, 1_000)]));
    let text = "100/1,000 keys  100.0 KiB  handoffs 0/1  100.0 KiB/s  ETA 9.0 s";
    assert_eq!(tracker.text(), text);
    let (_, pair) = tracker.handoffs().next().expect("one handoff");
    assert_eq!(pair.title(), "kv-0 -> kv-3");
    assert_eq!(pair.text(), "100/1,000 keys  100.0 KiB  copying  100.0 KiB/s  ETA 9.0 s");
}

#[test]
fn looks_too_close_to_each_other_change_no_rate() {
    let mut tracker = Tracker::new(at(0), &rebalance(&[handoff("a", "kv-0", "copying", 0, 10)]));
    tracker.observe(at(1), &rebalance(&[handoff("a", "kv-0", "copying", 5, 10)]));
    assert_eq!(tracker.text(), "5/10 keys  5.0 KiB  handoffs 0/1  0 B/s");
}

#[test]
fn more_keys_than_estimated_are_no_overflow() {
    let tracker = Tracker::new(at(0), &rebalance(&[handoff("a", "kv-0", "copying", 12, 10)]));
    assert_eq!(tracker.keys(), (12, 12));
}

#[test]
fn the_summary_adds_up_by_server() {
    let mut tracker =
        Tracker::new(at(500), &rebalance(&[handoff("a", "kv-0", "copying", 1, 2_000)]));
    let last = [
        handoff("a", "kv-0", "given", 1_500, 2_000),
        handoff("b", "kv-1", "owned", 1, 1),
        handoff("c", "kv-2", "dropped", 7, 90),
    ];
    tracker.observe(at(2_900), &rebalance(&last));
    assert_eq!(
        tracker.summary(),
        [
            "rebalance 3 -> 4 servers done in 2.4 s: 1,508 keys (1.5 MiB) moved; \
             1 handoff given up for a newer plan",
            "  kv-0  gave 1,500 keys",
            "  kv-1  gave 1 key",
            "  kv-3  got 1,501 keys",
        ]
    );
}
