use std::time::Duration;

use resp::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{Harness, ServerSettings, run, settings};
use crate::store::Durability;

/// Gets that a connection has sent and the node has not read yet: their answers are long.
const WAITING: usize = 20_000;

#[test]
fn a_connection_is_closed_when_nothing_of_it_is_unanswered() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let mut client = harness.connect().await;
        let value = "x".repeat(1 << 10);
        client.ask(&format!("SET k {value}")).await;
        client.send(&vec!["GET k"; WAITING]).await;
        harness.wait_for_commands(2).await;
        harness.drain.start();
        while TcpStream::connect(harness.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        for n in 0..WAITING {
            let reply = client.receive().await;
            let is_value = matches!(&reply, Some(Value::Bulk(Some(found))) if *found == value);
            assert!(is_value, "{n}: {:?}", reply.is_some());
        }
        assert_eq!(client.receive().await, None);
        harness.finish().await;
    });
}

#[test]
fn half_a_command_is_waited_for() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let mut client = harness.connect().await;
        assert_eq!(client.ask("SET k v").await, Value::Simple("OK".into()));
        client.stream.write_all(b"*2\r\n$3\r\nGET\r\n$1\r\n").await.expect("written");
        let mut idle = harness.connect().await;
        assert_eq!(idle.ask("PING").await, Value::Simple("PONG".into()));
        harness.drain.start();
        assert_eq!(idle.receive().await, None);
        client.stream.write_all(b"k\r\n").await.expect("written");
        assert_eq!(client.receive().await, Some(Value::Bulk(Some("v".into()))));
        assert_eq!(client.receive().await, None);
        harness.finish().await;
    });
}

#[test]
fn a_router_is_told_to_go_and_answered_until_it_has_gone() {
    run(async {
        let harness = Harness::start(Durability::Always, settings()).await;
        let mut router = harness.connect().await;
        let hello = format!("RINGKV.HELLO 1 ROUTER {:032x} {:032x}", 9, 7);
        assert_eq!(router.ask(&hello).await, Value::Simple("OK".into()));
        let mut late = harness.connect().await;
        assert_eq!(late.ask("PING").await, Value::Simple("PONG".into()));
        harness.engine.hold();
        router.send(&["SET k v"]).await;
        harness.wait_for_commands(3).await;
        // Half a command, so that it is not closed before it greets.
        late.stream.write_all(b"*5\r\n").await.expect("written");
        harness.drain.start();
        while TcpStream::connect(harness.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        harness.engine.let_go();
        assert_eq!(router.receive().await, Some(Value::Simple("OK".into())));
        assert_eq!(router.receive().await, Some(push("LEAVING")));
        assert_eq!(router.ask("GET k").await, Value::Bulk(Some("v".into())));
        assert_eq!(router.ask("SET k w").await, Value::Simple("OK".into()));
        let mut words = hello.split(' ').map(|word| format!("${}\r\n{word}\r\n", word.len()));
        let rest: String = words.by_ref().collect();
        late.stream.write_all(rest.as_bytes()).await.expect("written");
        let refused = format!("{:?}", late.receive().await);
        assert!(refused.contains("the server is stopping"), "{refused}");
        assert_eq!(late.receive().await, None);
        drop(router);
        harness.finish().await;
    });
}

#[test]
fn a_router_that_does_not_go_hears_that_nothing_more_was_taken() {
    run(async {
        let settings = ServerSettings { max_drain: Duration::from_millis(100), ..settings() };
        let harness = Harness::start(Durability::Always, settings).await;
        let mut router = harness.connect().await;
        let hello = format!("RINGKV.HELLO 1 ROUTER {:032x} {:032x}", 9, 7);
        assert_eq!(router.ask(&hello).await, Value::Simple("OK".into()));
        assert_eq!(router.ask("SET k v").await, Value::Simple("OK".into()));
        // The first half of a command is not one that was taken.
        router.stream.write_all(b"*2\r\n$3\r\nDEL\r\n$1\r\n").await.expect("written");
        harness.drain.start();
        assert_eq!(router.receive().await, Some(push("LEAVING")));
        assert_eq!(router.receive().await, Some(push("BYE")));
        router.stream.write_all(b"k\r\n").await.expect("written");
        assert_eq!(router.receive().await, None);
        assert_eq!(harness.metrics.total_commands(), 2);
        harness.finish().await;
    });
}

fn push(word: &'static str) -> Value {
    Value::Push(vec![Value::Bulk(Some(word.into()))])
}
