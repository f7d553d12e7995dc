use std::sync::Arc;
use std::time::Duration;

use super::{Unasked, Workload};
use crate::ledger::Violation;
use crate::plan::{Plan, tests::plan};
use crate::tally::Tally;
use crate::values::Pool;

const NOW: Duration = Duration::from_micros(70);
const START: Duration = Duration::from_micros(20);

/// One client with one key of its own.
fn workload(mix: &str) -> Workload {
    let mix = mix.parse().expect(mix);
    let plan = Plan { clients: 1, keys: 1, verify: true, mix, ..plan("localhost:1") };
    Workload::new(&plan, 0, Arc::new(Pool::new(1, 100)), 7)
}

/// Sends a request and answers it; gives the request.
fn exchange(workload: &mut Workload, tally: &mut Tally, reply: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    workload.push(&mut out, START);
    workload.answer(reply, NOW, tally).expect("a request");
    out
}

fn violations(tally: &Tally) -> Vec<Violation> {
    tally.violations.kinds.keys().copied().collect()
}

/// The value in a `SET`, as a reply.
fn as_reply(request: &[u8]) -> Vec<u8> {
    let start = request.windows(5).rposition(|part| part == b"$100\r").expect("a value");
    request[start..].to_vec()
}

#[test]
fn latencies_are_from_the_start_given_to_the_answer() {
    let (mut workload, mut tally) = (workload("write-only"), Tally::new(None));
    exchange(&mut workload, &mut tally, b"+OK\r\n");
    let micros = tally.all_latencies().max() / 1_000;
    assert_eq!((micros, workload.in_flight(), tally.bytes_received), (50, 0, 5));
    assert_eq!(workload.answer(b"+OK\r\n", NOW, &mut tally), Err(Unasked));
    let mut out = Vec::new();
    workload.push(&mut out, START);
    workload.mark_sent(1, NOW);
    workload.answer(b"+OK\r\n", NOW, &mut tally).expect("a request");
    assert!(tally.all_latencies().min() < 1_000);
}

#[test]
fn values_are_checked_and_wrong_ones_counted() {
    let (mut workload, mut tally) = (workload("write-only"), Tally::new(None));
    let first = as_reply(&exchange(&mut workload, &mut tally, b"+OK\r\n"));
    let second = as_reply(&exchange(&mut workload, &mut tally, b"+OK\r\n"));
    workload.mix = "read-only".parse().expect("a mix");
    exchange(&mut workload, &mut tally, &second);
    assert_eq!(violations(&tally), []);

    let mut torn = second.clone();
    torn[60] ^= 1;
    for (reply, violation) in [
        (&first[..], Violation::Stale),
        (&torn, Violation::Damaged),
        (b"$-1\r\n", Violation::Lost),
        (b"_\r\n", Violation::Lost),
        (b"+OK\r\n", Violation::Damaged),
    ] {
        let mut tally = Tally::new(None);
        exchange(&mut workload, &mut tally, reply);
        assert_eq!(violations(&tally), [violation]);
        assert!(tally.violations.examples[0].contains("get key:000000000000"));
    }
}

#[test]
fn errors_and_lost_connections_leave_writes_open() {
    let (mut workload, mut tally) = (workload("write-only"), Tally::new(None));
    exchange(&mut workload, &mut tally, b"+OK\r\n");
    let failed = as_reply(&exchange(&mut workload, &mut tally, b"-READONLY no\r\n"));
    workload.push(&mut Vec::new(), START);
    workload.lose(NOW, &mut tally);
    assert_eq!(tally.errors.kinds.keys().collect::<Vec<_>>(), ["READONLY", "connection"]);
    workload.mix = "read-only".parse().expect("a mix");
    exchange(&mut workload, &mut tally, &failed);
    assert_eq!(violations(&tally), []);
    exchange(&mut workload, &mut tally, b"$-1\r\n");
    assert_eq!(violations(&tally), [Violation::Lost], "no deletion was sent");
}

#[test]
fn counters_and_deletions_are_judged_too() {
    let (mut counting, mut tally) = (workload("incr=1"), Tally::new(None));
    for reply in [&b":5\r\n"[..], b":6\r\n", b":6\r\n"] {
        exchange(&mut counting, &mut tally, reply);
    }
    assert_eq!(violations(&tally), [Violation::IncrementLost]);

    let (mut deleting, mut tally) = (workload("del=1"), Tally::new(None));
    exchange(&mut deleting, &mut tally, b":1\r\n");
    exchange(&mut deleting, &mut tally, b":0\r\n");
    assert_eq!(violations(&tally), []);
    deleting.mix = "exists=1".parse().expect("a mix");
    exchange(&mut deleting, &mut tally, b":1\r\n");
    assert_eq!(violations(&tally), [Violation::Undeleted]);
}
