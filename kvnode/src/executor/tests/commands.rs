use bytes::Bytes;

use super::super::{ExecutorLimits, Hold, Verdict};
use super::{Bench, batch_of, error_of};
use crate::command::Reply;
use crate::store::{MAX_KEY_BYTES, RecordKey, Table};

#[test]
fn writes_are_read_at_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask("SET k v"), Reply::Ok);
    assert_eq!(bench.ask("GET k"), Reply::text("v"));
    assert_eq!(bench.ask("INCR n"), Reply::Integer(1));
    assert_eq!(bench.ask("INCR n"), Reply::Integer(2));
    bench.settle();
    assert_eq!(bench.ask("GET k"), Reply::text("v"));
    assert_eq!(bench.ask("DEL k"), Reply::Integer(1));
    assert_eq!(bench.ask("GET k"), Reply::Null);
    bench.settle();
    assert_eq!(bench.ask("EXISTS k n"), Reply::Integer(1));
}

#[test]
fn every_answer_waits_for_the_write_that_it_depends_on() {
    let mut bench = Bench::new();
    bench.ask("SET clean v");
    bench.settle();
    assert_eq!(batch_of(bench.run("SET k v")), 2);
    assert_eq!(bench.executor.released(), 1);
    for line in ["GET k", "SET k w NX", "EXISTS k", "GETRANGE k 5 9", "MGET clean k", "INCR k"] {
        assert_eq!(batch_of(bench.run(line)), 2, "{line}");
    }
    bench.executor.seal();
    bench.ask("DEL gone");
    assert_eq!(batch_of(bench.run("SET other v")), 3);
    for line in ["GET clean", "DEL never", "PING", "GET a b", "NONSENSE"] {
        assert_eq!(batch_of(bench.run(line)), 0, "{line}");
    }
    bench.settle();
    assert_eq!(bench.executor.released(), 3);
    for line in ["GET k", "GET other", "SET k w NX"] {
        assert_eq!(batch_of(bench.run(line)), 0, "{line}");
    }
}

#[test]
fn a_removal_is_waited_for_too() {
    let mut bench = Bench::new();
    bench.ask("SET k v");
    bench.settle();
    assert_eq!(batch_of(bench.run("DEL k")), 2);
    assert_eq!(batch_of(bench.run("GET k")), 2);
    assert_eq!(batch_of(bench.run("DEL k")), 2);
}

#[test]
fn commands_are_checked() {
    let mut bench = Bench::new();
    let error = |bench: &mut Bench, line: &str| error_of(bench.ask(line));
    assert_eq!(error(&mut bench, "GET"), "ERR wrong number of arguments for 'get' command");
    assert!(
        error(&mut bench, "WHAT a")
            .starts_with("ERR unknown command 'WHAT', with args beginning with: 'a' ")
    );
    for line in ["RENAME a b", "RENAMENX a b", "MSETNX a 1 b 2"] {
        assert!(error(&mut bench, line).starts_with("CROSSSLOT "), "{line}");
    }
    assert_eq!(bench.ask("MSETNX a 1 a 2"), Reply::Integer(1));
    let fits = "k".repeat(MAX_KEY_BYTES);
    assert_eq!(bench.ask(&format!("SET {fits} v")), Reply::Ok);
    let text = error(&mut bench, &format!("SET {fits}k v"));
    assert!(text.starts_with("ERR key of 65520 bytes is over the limit of 65519 bytes"), "{text}");
}

#[test]
fn a_full_disk_refuses_growth_only() {
    let mut bench = Bench::new();
    bench.ask("SET k v");
    bench.settle();
    let mut bench = bench.with_full_disk();
    for line in ["SET l v", "APPEND k v", "INCR n", "MSET k w", "RINGKV.PUT k v"] {
        assert!(error_of(bench.ask(line)).starts_with("ERR disk full: "), "{line}");
    }
    assert_eq!(bench.ask("GET k"), Reply::text("v"));
    assert_eq!(bench.ask("PEXPIRE k 100000"), Reply::Integer(1));
    assert_eq!(bench.ask("DEL k"), Reply::Integer(1));
}

#[test]
fn damage_is_told_and_not_served() {
    let mut bench = Bench::new();
    bench.ask("SET k v");
    bench.settle();
    let key = RecordKey::new(b"k");
    bench.engine.damage(Table::Records, key.as_bytes(), Bytes::from_static(b"garbage"));
    for line in ["GET k", "INCR k", "DEL k"] {
        let text = error_of(bench.ask(line));
        assert!(text.starts_with("ERR stored data is damaged"), "{line}: {text}");
    }
    assert_eq!(bench.ask("SET k w"), Reply::Ok, "an overwrite repairs");
    assert_eq!(bench.ask("GET k"), Reply::text("w"));
}

#[test]
fn commands_wait_while_too_much_is_uncommitted() {
    let mut bench = Bench::with_limits(ExecutorLimits {
        max_value_bytes: 1 << 20,
        max_reply_bytes: 1 << 20,
        max_pending_bytes: 1,
    });
    assert_eq!(bench.ask("SET k v"), Reply::Ok);
    assert!(matches!(bench.run("SET k w"), Verdict::Hold(Hold::Backlog)));
    assert!(matches!(bench.run_as_router("GET k"), Verdict::Hold(Hold::Backlog)));
    bench.settle();
    assert_eq!(bench.ask("GET k"), Reply::text("v"));
}
