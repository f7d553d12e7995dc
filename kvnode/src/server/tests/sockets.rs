use std::time::Duration;

use resp::Value;
use tokio::io::AsyncWriteExt as _;

use super::{Harness, ServerSettings, frozen, run, serving, settings, without};
use crate::store::Durability;

#[test]
fn pipelines_are_answered_in_order() {
    for durability in [Durability::Always, Durability::EverySec] {
        run(async move {
            let harness = Harness::start(durability, settings()).await;
            let mut client = harness.connect().await;
            let mut lines = Vec::new();
            for n in 0..2_000 {
                lines.extend([format!("SET k{n} {n}"), format!("GET k{n}"), "INCR n".to_owned()]);
            }
            client.send(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
            for n in 0..2_000_i64 {
                let expected = [
                    Value::Simple("OK".into()),
                    Value::Bulk(Some(n.to_string().into())),
                    Value::Integer(n + 1),
                ];
                for value in expected {
                    assert_eq!(client.receive().await, Some(value));
                }
            }
            assert_eq!(client.ask("DBSIZE").await, Value::Integer(2_001));
            harness.finish().await;
        });
    }
}

#[test]
fn nothing_is_answered_before_it_is_on_disk() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let (mut writer, mut reader) = (harness.connect().await, harness.connect().await);
        writer.ask("SET clean v").await;
        harness.engine.hold();
        writer.send(&["SET k v"]).await;
        // The write is seen, but nobody is told of it. Who asks for another key is not held up.
        reader.send(&["GET clean", "GET k", "GET clean"]).await;
        assert_eq!(reader.receive().await, Some(Value::Bulk(Some("v".into()))));
        let early = tokio::time::timeout(Duration::from_millis(50), reader.receive()).await;
        assert!(early.is_err(), "answered too early: {early:?}");
        let early = tokio::time::timeout(Duration::from_millis(1), writer.receive()).await;
        assert!(early.is_err(), "answered too early: {early:?}");
        harness.engine.let_go();
        assert_eq!(writer.receive().await, Some(Value::Simple("OK".into())));
        for _ in 0..2 {
            assert_eq!(reader.receive().await, Some(Value::Bulk(Some("v".into()))));
        }
        harness.finish().await;
    });
}

#[test]
fn a_frozen_key_holds_one_connection_until_it_is_decided() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let (mut held, mut other) = (harness.connect().await, harness.connect().await);
        harness.publish(frozen("k")).await;
        held.send(&["SET k v", "GET k"]).await;
        harness.wait_for_commands(1).await;
        assert_eq!(other.ask("SET l v").await, Value::Simple("OK".into()));
        assert_eq!(other.ask("GET l").await, Value::Bulk(Some("v".into())));
        harness.publish(serving()).await;
        assert_eq!(held.receive().await, Some(Value::Simple("OK".into())));
        assert_eq!(held.receive().await, Some(Value::Bulk(Some("v".into()))));

        harness.publish(frozen("k")).await;
        held.send(&["SET k w"]).await;
        other.ask("PING").await;
        harness.publish(without("k")).await;
        let reply = format!("{:?}", held.receive().await);
        assert!(reply.contains("MOVED key belongs to another server"), "{reply}");
        harness.finish().await;
    });
}

#[test]
fn commands_wait_for_a_disk_that_lags() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let (mut client, mut other) = (harness.connect().await, harness.connect().await);
        harness.engine.hold();
        let value = "x".repeat(1 << 20);
        let line = format!("SET k {value}");
        for _ in 0..9 {
            client.send(&[&line]).await;
            other.send(&[&line]).await;
        }
        other.send(&["STRLEN k"]).await;
        let early = tokio::time::timeout(Duration::from_millis(20), other.receive()).await;
        assert!(early.is_err(), "answered too early: {early:?}");
        harness.engine.let_go();
        for _ in 0..9 {
            assert_eq!(client.receive().await, Some(Value::Simple("OK".into())));
            assert_eq!(other.receive().await, Some(Value::Simple("OK".into())));
        }
        assert_eq!(other.receive().await, Some(Value::Integer(1 << 20)));
        harness.finish().await;
    });
}

#[test]
fn a_hold_is_bounded() {
    run(async {
        let settings = ServerSettings { max_hold: Duration::from_millis(20), ..settings() };
        let harness = Harness::start(Durability::Always, settings).await;
        let mut client = harness.connect().await;
        harness.publish(frozen("k")).await;
        for line in ["SET k v", "DBSIZE", "FLUSHALL"] {
            let reply = client.ask_text(line).await;
            assert!(reply.contains("TRYAGAIN"), "{line}: {reply}");
        }
        harness.publish(serving()).await;
        assert_eq!(client.ask("GET k").await, Value::Bulk(None));
        harness.finish().await;
    });
}

#[test]
fn the_end_of_the_server_finishes_what_was_taken() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let (mut client, mut held) = (harness.connect().await, harness.connect().await);
        harness.publish(frozen("k")).await;
        held.send(&["SET k v"]).await;
        client.ask("SET l v").await;
        harness.engine.hold();
        client.send(&["SET l w"]).await;
        held.send(&["PING"]).await;
        client.send(&["PING"]).await;
        harness.wait_for_commands(4).await;
        harness.drain.start();
        harness.engine.let_go();
        assert_eq!(client.receive().await, Some(Value::Simple("OK".into())));
        assert_eq!(client.receive().await, Some(Value::Simple("PONG".into())));
        assert_eq!(client.receive().await, None);
        let reply = format!("{:?}", held.receive().await);
        assert!(reply.contains("TRYAGAIN the server is stopping"), "{reply}");
        harness.finish().await;
    });
}

#[test]
fn hostile_clients_are_bounded() {
    run(async {
        let settings = ServerSettings { max_connections: 2, ..settings() };
        let harness = Harness::start(Durability::Always, settings).await;
        let mut client = harness.connect().await;
        client.ask("PING").await;
        let mut other = harness.connect().await;
        other.ask("PING").await;
        let mut third = harness.connect().await;
        let reply = format!("{:?}", third.receive().await);
        assert!(reply.contains("max number of clients reached"), "{reply}");
        assert_eq!(third.receive().await, None);

        other.stream.write_all(b"*1\r\n!4\r\nPING\r\n").await.expect("written");
        let reply = format!("{:?}", other.receive().await);
        assert!(reply.contains("Protocol error"), "{reply}");
        assert_eq!(other.receive().await, None);

        let long = "x".repeat((1 << 20) + 1);
        let reply = client.ask_text(&format!("SET k {long}")).await;
        assert!(reply.contains("over the limit"), "{reply}");
        assert_eq!(client.ask("GET k").await, Value::Bulk(None));
        harness.finish().await;
    });
}

#[test]
fn a_client_that_does_not_read_is_not_read_from() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let (mut lazy, mut other) = (harness.connect().await, harness.connect().await);
        let value = "x".repeat(1 << 20);
        other.ask(&format!("SET k {value}")).await;
        let lines = vec!["GET k"; 64];
        lazy.send(&lines).await;
        assert_eq!(other.ask("STRLEN k").await, Value::Integer(1 << 20));
        for _ in 0..64 {
            let reply = lazy.receive().await;
            assert!(matches!(reply, Some(Value::Bulk(Some(value))) if value.len() == 1 << 20));
        }
        harness.finish().await;
    });
}

#[test]
fn commands_over_all_keys() {
    run(async {
        let harness = Harness::start(Durability::EverySec, settings()).await;
        let mut client = harness.connect().await;
        assert_eq!(client.ask("RANDOMKEY").await, Value::Bulk(None));
        let lines: Vec<_> = (0..1_500).map(|n| format!("SET k{n} v")).collect();
        client.send(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for _ in 0..1_500 {
            client.receive().await;
        }
        // Many segments, some of them without a key.
        let mut segments = serving();
        for n in 0..40_u128 {
            let arc = ring::Arc::new(ring::Point(n << 100), ring::Point((n << 100) | 7));
            let state = crate::executor::SegmentState::Serving { epoch: 2 };
            segments.arcs.insert(arc.expect("an arc"), state);
        }
        harness.publish(segments).await;
        assert_eq!(client.ask("DBSIZE").await, Value::Integer(1_500));
        assert!(matches!(client.ask("RANDOMKEY").await, Value::Bulk(Some(_))));
        let Value::Array(Some(found)) = client.ask("KEYS k1??").await else { panic!("keys") };
        assert_eq!(found.len(), 100);
        let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
        loop {
            let reply = client.ask(&format!("SCAN {cursor} COUNT 100 MATCH k*")).await;
            let Value::Array(Some(mut pair)) = reply else { panic!("{reply:?}") };
            let (Some(Value::Array(Some(some))), Some(Value::Bulk(Some(next)))) =
                (pair.pop(), pair.pop())
            else {
                panic!("a cursor and keys")
            };
            keys.extend(some.iter().map(|key| format!("{key:?}")));
            cursor = String::from_utf8(next.to_vec()).expect("text");
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(keys.len(), 1_500);
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 1_500);
        assert_eq!(client.ask("FLUSHALL").await, Value::Simple("OK".into()));
        assert_eq!(client.ask("DBSIZE").await, Value::Integer(0));
        harness.finish().await;
    });
}

#[test]
fn connections_and_the_server_tell_about_themselves() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let mut client = harness.connect().await;
        assert_eq!(client.ask("CLIENT GETNAME").await, Value::Bulk(None));
        assert_eq!(client.ask("CLIENT SETNAME me").await, Value::Simple("OK".into()));
        assert_eq!(client.ask("CLIENT GETNAME").await, Value::Bulk(Some("me".into())));
        assert!(client.ask_text("INFO server").await.contains("redis_version:7.0.15"));
        assert!(client.ask_text("CONFIG GET save").await.contains("save"));
        assert!(matches!(client.ask("COMMAND COUNT").await, Value::Integer(50..)));
        let hello = client.ask_text("HELLO 3 SETNAME you").await;
        assert!(hello.starts_with("Map"), "{hello}");
        assert_eq!(client.ask("GET none").await, Value::Null);
        assert!(client.ask_text("HELLO 9").await.contains("NOPROTO"));
        assert!(client.ask_text("SELECT 1").await.contains("DB index is out of range"));
        assert_eq!(client.ask("RESET").await, Value::Simple("RESET".into()));
        assert_eq!(client.ask("GET none").await, Value::Bulk(None));
        assert_eq!(client.ask("QUIT").await, Value::Simple("OK".into()));
        assert_eq!(client.receive().await, None);
        harness.finish().await;
    });
}

#[test]
fn a_watch_is_answered_by_a_change() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let mut client = harness.connect().await;
        let view = |value: Value| -> node_api::NodeView {
            let Value::Bulk(Some(json)) = value else { panic!("{value:?}") };
            serde_json::from_slice(&json).expect("a view")
        };
        let first = view(client.ask("RINGKV.WATCH 0").await);
        assert!(first.admitted);
        client.send(&[&format!("RINGKV.WATCH {}", first.view)]).await;
        let mut other = harness.connect().await;
        other.ask("PING").await;
        harness.publish(without("k")).await;
        let mut second = view(client.receive().await.expect("a view"));
        while second.view == first.view {
            // A heartbeat, if this machine was slow.
            second = view(client.ask(&format!("RINGKV.WATCH {}", first.view)).await);
        }
        assert_eq!(second.view, first.view + 1);
        assert_eq!(second.arcs.len(), 2);
        harness.finish().await;
    });
}
