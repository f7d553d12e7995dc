use std::collections::BTreeMap;

use proptest::prelude::*;
use ring::{Arc, ArcSet};
use tokio::sync::oneshot;

use super::super::{ControlRequest, Hold, Verdict};
use super::{Bench, arc_of, error_of, frozen, range_text, serving, without};
use crate::command::Reply;
use crate::store::{Record, RecordKey};

fn records(queue: &super::CaptureQueue) -> Vec<(RecordKey, Record)> {
    let drained = queue.drain_durable(u64::MAX, usize::MAX);
    let decode = |entry: super::super::Captured| {
        let record = Record::decode(entry.record).expect("a record");
        assert_eq!(record.version, entry.version);
        (entry.key, record)
    };
    drained.into_iter().map(decode).collect()
}

#[test]
fn a_capture_gets_writes_of_its_arcs_only() {
    let mut bench = Bench::new();
    bench.ask("SET before v");
    let queue = bench.open_capture(arc_of("k").into(), 1 << 20);
    bench.ask("SET k v PX 100000");
    bench.ask("SET other v");
    bench.ask("GET k");
    bench.ask("APPEND k w");
    let found = records(&queue);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(key, record)| key.key() == b"k" && record.expiry_ms.is_some()));
    assert!(found[0].1.version < found[1].1.version);
    assert_eq!(queue.last_version(), found[1].1.version);
    bench.close_capture();
    bench.ask("SET k x");
    assert!(queue.is_empty());
}

#[test]
fn a_removal_is_a_tombstone_where_a_capture_is_open() {
    let mut bench = Bench::new();
    bench.ask("MSET k v l v");
    let queue = bench.open_capture(arc_of("k").into(), 1 << 20);
    bench.ask("DEL k l");
    let found = records(&queue);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1.value, None);
    bench.settle();
    let stored = |key: &str| bench.store.get(&RecordKey::new(key.as_bytes())).expect("read");
    assert_eq!(stored("k"), Some(found[0].1.clone()), "in the same batch");
    assert_eq!(stored("l"), None);
    assert_eq!(bench.ask("DEL k"), Reply::Integer(0));
    assert_eq!(bench.ask("GET k"), Reply::Null);
    assert!(queue.is_empty(), "nothing was there to remove");
    bench.ask("SET k again");
    assert_eq!(records(&queue).len(), 1);
}

#[test]
fn expired_records_are_removed_when_told_so() {
    let mut bench = Bench::new();
    let queue = bench.open_capture(arc_of("k").into(), 1 << 20);
    bench.ask("SET k v PXAT 9000000000000");
    bench.ask("SET l v");
    let keys = ["k", "l", "none"].map(|key| RecordKey::new(key.as_bytes()));
    let mut expire = |keys: &[RecordKey]| {
        let (removed, mut answer) = oneshot::channel();
        bench.executor.control(ControlRequest::Expire { keys: keys.to_vec(), removed });
        answer.try_recv().expect("an answer at once")
    };
    assert_eq!(expire(&keys), 0);
    bench.executor.clock.raise_expiry_now(9_000_000_000_000);
    let expire = |bench: &mut Bench| {
        let (removed, mut answer) = oneshot::channel();
        bench.executor.control(ControlRequest::Expire { keys: keys.to_vec(), removed });
        answer.try_recv().expect("an answer at once")
    };
    bench.publish(&frozen("k"));
    assert_eq!(expire(&mut bench), 0, "a frozen arc is left alone");
    bench.publish(&without("k"));
    assert_eq!(expire(&mut bench), 0, "an arc of another is left alone");
    bench.publish(&serving());
    assert_eq!(expire(&mut bench), 1);
    assert_eq!(records(&queue).last().map(|(_, record)| record.value.clone()), Some(None));
    assert_eq!(expire(&mut bench), 0);
}

#[test]
fn writers_wait_for_a_capture_that_is_full() {
    let mut bench = Bench::new();
    let queue = bench.open_capture(arc_of("k").into(), 1);
    assert_eq!(bench.ask("SET k v"), Reply::Ok);
    assert!(matches!(bench.run("SET k w"), Verdict::Hold(Hold::Capture(_))));
    assert!(matches!(bench.run("MSET l w k w"), Verdict::Hold(Hold::Capture(_))));
    assert_eq!(bench.ask("GET k"), Reply::text("v"));
    assert_eq!(bench.ask("SET l w"), Reply::Ok);
    let text = format!("FROZEN {}", range_text(arc_of("k")));
    assert_eq!(error_of(bench.ask_as_router("SET k w")), text);
    queue.drain_durable(u64::MAX, usize::MAX);
    assert_eq!(bench.ask("SET k w"), Reply::Ok);
}

#[test]
fn a_publish_tells_the_newest_batch_with_a_write() {
    let mut bench = Bench::new();
    assert_eq!(bench.publish(&serving()), 0);
    bench.ask("SET k v");
    assert_eq!(bench.publish(&frozen("k")), 1);
    bench.settle();
    bench.ask("GET other");
    assert_eq!(bench.publish(&serving()), 1);
}

#[test]
fn views_are_numbered_by_what_routers_see() {
    let mut bench = Bench::new();
    let view = bench.executor.watch_view();
    let number = view.borrow().number;
    bench.publish(&serving());
    assert_eq!(view.borrow().number, number);
    bench.publish(&frozen("k"));
    assert_eq!(view.borrow().number, number + 1);
    let parsed: node_api::NodeView =
        serde_json::from_slice(&view.borrow().json).expect("the JSON of a view");
    assert_eq!(parsed.view, number + 1);
    assert!(parsed.arcs.get(arc_of("k").start()).is_some_and(|claim| claim.frozen));
}

fn word() -> impl Strategy<Value = String> {
    "[a-d]"
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        (word(), word()).prop_map(|(k, v)| format!("SET {k} {v}")),
        (word(), word()).prop_map(|(k, v)| format!("SET {k} {v} NX")),
        (word(), word()).prop_map(|(k, v)| format!("APPEND {k} {v}")),
        (word(), word(), word()).prop_map(|(k, l, v)| format!("MSET {k} {v} {l} {v}")),
        (word(), word()).prop_map(|(k, l)| format!("DEL {k} {l}")),
        word().prop_map(|k| format!("GETDEL {k}")),
        word().prop_map(|k| format!("SET {k} v EXAT 1")),
        word().prop_map(|k| format!("PEXPIRE {k} 100000")),
        word().prop_map(|k| format!("PEXPIRE {k} 0")),
        word().prop_map(|k| format!("PERSIST {k}")),
        Just(format!("RINGKV.FLUSH {} 2", range_text(Arc::FULL))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A target that starts with what was there before the capture, and applies what is captured,
    /// ends up with what the source has.
    #[test]
    fn a_capture_holds_every_write(
        before in proptest::collection::vec(line(), 0..10),
        after in proptest::collection::vec(line(), 0..40),
        seals in any::<u64>(),
    ) {
        let arcs: ArcSet = [arc_of("a"), arc_of("b")].into_iter().collect();
        let mut bench = Bench::new();
        before.iter().for_each(|line| drop(bench.ask(line)));
        bench.settle();
        let mut target: BTreeMap<Vec<u8>, Record> = BTreeMap::new();
        for key in ["a", "b"] {
            let record = bench.store.get(&RecordKey::new(key.as_bytes())).expect("read");
            target.extend(record.map(|record| (key.as_bytes().to_vec(), record)));
        }
        let queue = bench.open_capture(arcs, 1 << 20);
        for (n, line) in after.iter().enumerate() {
            bench.ask(line);
            if seals >> (n % 64) & 1 == 1 {
                bench.executor.seal();
            }
        }
        bench.settle();
        for (key, record) in records(&queue) {
            let old = target.insert(key.key().to_vec(), record.clone());
            prop_assert!(old.is_none_or(|old| old.version < record.version));
        }
        for key in ["a", "b"] {
            let source = bench.store.get(&RecordKey::new(key.as_bytes())).expect("read");
            prop_assert_eq!(target.get(key.as_bytes()), source.as_ref());
        }
        for key in ["c", "d"] {
            prop_assert!(!target.contains_key(key.as_bytes()));
        }
    }
}
