use ring::{Arc, Point};

use super::super::{Hold, Verdict};
use super::{Bench, FIRST, arc_of, batch_of, error_of, frozen, range_text, serving, without};
use crate::command::Reply;
use crate::store::RecordKey;

fn fill(bench: &mut Bench, n_keys: usize) {
    (0..n_keys).for_each(|n| drop(bench.ask(&format!("SET key{n} v"))));
}

/// Runs pieces from the start of the ring to its end; the second elements of their answers.
fn go_around(bench: &mut Bench, name: &str, rest: &str) -> Vec<Reply> {
    let (mut results, mut from) = (Vec::new(), FIRST);
    loop {
        let line = format!("{name} {from} {} {rest}", Point::MAX);
        let Reply::Array(pair) = bench.ask_as_router(&line) else { panic!("{line}") };
        let [next, result] = <[Reply; 2]>::try_from(pair).expect("two elements");
        results.push(result);
        match next {
            Reply::Null => return results,
            Reply::Bulk(next) => {
                let next = std::str::from_utf8(&next).expect("text").parse().expect("a point");
                assert!(from < next, "it goes forward");
                from = next;
            }
            other => panic!("not a point: {other:?}"),
        }
    }
}

fn sum(results: &[Reply]) -> i64 {
    let number = |reply: &Reply| match reply {
        Reply::Integer(number) => *number,
        other => panic!("not a number: {other:?}"),
    };
    results.iter().map(number).sum()
}

#[test]
fn pieces_cover_the_ring_once() {
    let mut bench = Bench::new();
    fill(&mut bench, 100);
    bench.settle();
    fill(&mut bench, 20);
    bench.ask("DEL key1 key2");
    bench.ask("SET gone v PXAT 1");
    let counts = go_around(&mut bench, "RINGKV.COUNT", "7");
    assert_eq!(sum(&counts), 98);
    assert!(counts.len() >= 14);
    let mut keys = Vec::new();
    for reply in go_around(&mut bench, "RINGKV.SCAN", "7 MATCH key*") {
        let Reply::Array(found) = reply else { panic!("not keys: {reply:?}") };
        keys.extend(found.iter().map(|key| format!("{key:?}")));
    }
    assert_eq!(keys.len(), 98);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 98);
    assert_eq!(sum(&go_around(&mut bench, "RINGKV.FLUSH", "7")), 98);
    assert_eq!(sum(&go_around(&mut bench, "RINGKV.COUNT", "1000")), 0);
}

#[test]
fn a_piece_ends_with_the_segment_of_its_start() {
    let mut bench = Bench::new();
    fill(&mut bench, 10);
    bench.publish(&without("key3"));
    let gap = arc_of("key3");
    let whole = range_text(Arc::FULL);
    let Reply::Array(pair) = bench.ask_as_router(&format!("RINGKV.COUNT {whole} 1000")) else {
        panic!("an answer")
    };
    assert_eq!(pair[0], Reply::text(gap.start().to_string()));
    let line = format!("RINGKV.COUNT {} {} 1000", gap.start(), Point::MAX);
    let text = format!("MOVED {} 0 ?", range_text(gap));
    assert_eq!(error_of(bench.ask_as_router(&line)), text);
    // The point is marked, other pieces are not concerned.
    bench.publish(&serving());
    let text = format!("FROZEN {}", range_text(gap));
    assert_eq!(error_of(bench.ask_as_router(&line)), text);
    assert_eq!(error_of(bench.ask_as_router("GET key3")), text);
    bench.ask_as_router(&format!("RINGKV.RESUME {}", range_text(gap)));
    assert_eq!(sum(&go_around(&mut bench, "RINGKV.COUNT", "3")), 10);
}

#[test]
fn a_piece_ends_before_what_is_refused_to_its_router() {
    let mut bench = Bench::new();
    fill(&mut bench, 10);
    bench.publish(&frozen("key3"));
    let mark = range_text(arc_of("key3"));
    assert_eq!(error_of(bench.ask_as_router("SET key3 w")), format!("FROZEN {mark}"));
    bench.publish(&serving());
    let flush = format!("RINGKV.FLUSH {} 1000", range_text(Arc::FULL));
    let Reply::Array(pair) = bench.ask_as_router(&flush) else { panic!("an answer") };
    assert_eq!(pair[0], Reply::text(arc_of("key3").start().to_string()));
    assert_eq!(bench.ask("GET key3"), Reply::text("v"));
    // To others nothing was refused.
    let Reply::Array(pair) = bench.ask(&flush) else { panic!("an answer") };
    assert_eq!(pair[0], Reply::Null);
    assert_eq!(bench.ask("GET key3"), Reply::Null);
}

#[test]
fn pieces_of_frozen_segments_wait() {
    let mut bench = Bench::new();
    bench.publish(&frozen("k"));
    let line = format!("RINGKV.COUNT {} 1", range_text(arc_of("k")));
    assert!(matches!(bench.run(&line), Verdict::Hold(Hold::Segments(_))));
    assert_eq!(error_of(bench.ask_as_router(&line)), format!("FROZEN {}", range_text(arc_of("k"))));
}

#[test]
fn pieces_depend_on_what_they_saw() {
    let mut bench = Bench::new();
    let count = format!("RINGKV.COUNT {} 1000", range_text(Arc::FULL));
    assert_eq!(batch_of(bench.run(&count)), 0);
    bench.ask("SET k v");
    assert_eq!(batch_of(bench.run(&count)), 1);
    bench.settle();
    assert_eq!(batch_of(bench.run(&count)), 0);
    bench.ask("DEL k");
    assert_eq!(batch_of(bench.run(&count)), 2);
    let key = RecordKey::new(b"k");
    let flush = format!("RINGKV.FLUSH {} {} 10", key.point(), key.point());
    assert_eq!(batch_of(bench.run(&flush)), 2);
}
