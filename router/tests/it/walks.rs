use std::collections::BTreeSet;
use std::time::Duration;

use resp::Value;
use ring::{Arc, Point};

use crate::client::Client;
use crate::fake::Cut;
use crate::world::{World, part};

const KEYS: usize = 300;

fn fill(client: &mut Client) -> BTreeSet<String> {
    let keys: BTreeSet<String> = (0..KEYS).map(|n| format!("key{n}")).collect();
    client.send_all(keys.iter().map(|key| format!("SET {key} x")));
    for _ in &keys {
        assert_eq!(client.reply(), "OK");
    }
    keys
}

fn texts(value: &Value) -> Vec<String> {
    let values = value.as_slice().expect("an array").iter();
    values.map(crate::client::show).collect()
}

fn scan_all(client: &mut Client, options: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        client.send(&format!("SCAN {cursor}{options}"));
        let answer = client.value();
        let [next, keys] = answer.as_slice().expect("two parts") else { panic!("{answer:?}") };
        found.extend(texts(keys));
        cursor = crate::client::show(next);
        if cursor == "0" {
            return found;
        }
    }
}

#[test]
fn the_whole_ring_is_counted_listed_and_emptied() {
    let world = World::start(3);
    let mut client = world.client();
    let keys = fill(&mut client);
    assert_eq!(client.ask("DBSIZE"), KEYS.to_string());
    client.send("KEYS *");
    assert_eq!(texts(&client.value()).into_iter().collect::<BTreeSet<_>>(), keys);
    let scanned = scan_all(&mut client, " COUNT 7");
    assert_eq!(scanned.iter().cloned().collect::<BTreeSet<_>>(), keys);
    assert_eq!(scanned.len(), KEYS, "no key twice, as nothing moved");
    assert!(keys.contains(&client.ask("RANDOMKEY")));
    client.send_all(["SET one 1", "FLUSHALL", "DBSIZE", "SET two 2", "DBSIZE"]);
    for answer in ["OK", "OK", "0", "OK", "1"] {
        assert_eq!(client.reply(), answer);
    }
    assert_eq!(client.ask("FLUSHDB ASYNC"), "OK");
    assert_eq!(client.ask("RANDOMKEY"), "nil");
    assert_eq!(client.ask("KEYS *"), "[]");
    assert_eq!(client.ask("SCAN 0"), "[0 []]");
}

#[test]
fn a_move_in_the_middle_of_a_walk_loses_and_doubles_nothing() {
    let half = Arc::new(Point(0), Point(part(0, 2).last().0 / 2)).expect("an arc");
    let later = Arc::new(Point(u128::MAX / 4 * 3), Point::MAX).expect("an arc");
    for command in ["DBSIZE", "KEYS *", "SCAN", "FLUSHALL"] {
        let world = World::start(2);
        let mut client = world.client();
        let keys = fill(&mut client);
        // Before the walk's first piece runs, one part of what it covers moves on, and with the
        // next piece another part comes back.
        let movers = (world.nodes.clone(), world.nodes.clone());
        world.nodes[0].hook("RINGKV.", move || {
            let nodes = movers.0;
            nodes[0].freeze(half, true);
            nodes[1].own(half, 2, nodes[0].records(half));
            nodes[0].give(half);
        });
        world.nodes[1].hook("RINGKV.", move || {
            let nodes = movers.1;
            nodes[1].freeze(later, true);
            nodes[0].own(later, 2, nodes[1].records(later));
            nodes[1].give(later);
        });
        match command {
            "DBSIZE" => assert_eq!(client.ask(command), KEYS.to_string()),
            "KEYS *" => {
                client.send(command);
                let found = texts(&client.value());
                assert_eq!(found.len(), KEYS);
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), keys);
            }
            "SCAN" => {
                let found = scan_all(&mut client, " COUNT 50");
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), keys);
            }
            _ => {
                assert_eq!(client.ask(command), "OK");
                assert_eq!(client.ask("DBSIZE"), "0");
            }
        }
        let refused: usize = world.nodes.iter().map(|node| node.refusals()).sum();
        assert!(refused > 0, "{command}: no piece met a moving arc");
    }
}

#[test]
fn bounds_and_errors_end_a_walk_clearly() {
    let world = World::start_with(2, |config| {
        config.keys_reply_bytes_max = 500;
        config.server_wait = Duration::from_millis(200);
    });
    let mut client = world.client();
    fill(&mut client);
    let answer = client.ask("KEYS *");
    assert_eq!(answer, "-ERR the matching keys are over the limit of 500 bytes; use SCAN");
    world.nodes[1].cut_at("RINGKV.FLUSH", Cut::Executed);
    let answer = client.ask("FLUSHALL");
    assert!(answer.starts_with("-ERR outcome unknown: connection to kv-1"), "{answer}");
    world.nodes[1].hold(true);
    let answer = client.ask("DBSIZE");
    assert!(answer.starts_with("-TRYAGAIN"), "{answer}");
}
