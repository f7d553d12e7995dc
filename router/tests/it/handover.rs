use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use ring::{Arc, Point};

use crate::world::{World, key_in, keys_in, part, until};

/// Rounds of moving and their pipelines.
const ROUNDS: u64 = 30;

#[test]
fn order_is_kept_and_nothing_is_applied_twice_while_an_arc_moves_to_and_fro() {
    let world = World::start(2);
    let arc = part(0, 2);
    let moving: Vec<String> = keys_in(arc, "m").take(4).collect();
    let still: Vec<String> = keys_in(part(1, 2), "s").take(4).collect();
    let keys: Vec<&String> = moving.iter().chain(&still).collect();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|number| {
                let (world, keys) = (&world, &keys);
                scope.spawn(move || {
                    let mut client = world.client();
                    for round in 0..ROUNDS {
                        let commands = (0..200).map(|n| {
                            let key = keys[n % keys.len()];
                            format!("APPEND {key}-{number} {round}.{n},")
                        });
                        client.send_all(commands);
                        for _ in 0..200 {
                            let answer = client.reply();
                            assert!(answer.parse::<u64>().is_ok(), "{answer}");
                        }
                    }
                })
            })
            .collect();
        let mut epoch = 1;
        let are_busy = || clients.iter().any(|client| !client.is_finished());
        while are_busy() {
            epoch += 1;
            let (from, to) = if epoch % 2 == 0 { (0, 1) } else { (1, 0) };
            world.nodes[from].freeze(arc, true);
            if epoch % 5 == 0 {
                // A handoff that is given up.
                world.nodes[from].freeze(arc, false);
                epoch += 1;
                continue;
            }
            let records = world.nodes[from].records(arc);
            world.nodes[to].own(arc, epoch, records.clone());
            world.nodes[from].give(arc);
            // A handoff takes time: an arc that moved on before anything reached it would leave the
            // router no server to send to.
            let is_reached = || world.nodes[to].records(arc) != records || !are_busy();
            until("a command reaches the new owner", is_reached);
        }
    });
    let refused: usize = world.nodes.iter().map(|node| node.refusals()).sum();
    assert!(refused > 0, "no command met a moving arc");
    let mut client = world.client();
    for number in 0..3 {
        for (at, key) in keys.iter().enumerate() {
            let expected: String = (0..ROUNDS)
                .flat_map(|round| (0..200).map(move |n| (round, n)))
                .filter(|(_, n)| n % keys.len() == at)
                .map(|(round, n)| format!("{round}.{n},"))
                .collect();
            assert_eq!(client.ask(&format!("GET {key}-{number}")), expected, "{key}-{number}");
        }
    }
}

#[test]
fn a_held_command_waits_and_then_goes_to_the_new_server() {
    let world = World::start(2);
    let arc = part(0, 2);
    let (key, other) = (key_in(arc), key_in(part(1, 2)));
    let mut client = world.client();
    assert_eq!(client.ask(&format!("SET {key} 1")), "OK");
    world.nodes[0].freeze(arc, true);
    client.send_all([format!("SET {key} 2"), format!("GET {key}")]);
    // The other arcs go on for the other clients.
    assert_eq!(world.client().ask(&format!("SET {other} 1")), "OK");
    let records = world.nodes[0].records(arc);
    world.nodes[1].own(arc, 2, records);
    world.nodes[0].give(arc);
    assert_eq!((client.reply(), client.reply()), ("OK".to_owned(), "2".to_owned()));
    assert!(!world.nodes[0].executed().contains(&format!("SET {key} 2")));
    let status = world.http("GET", "/status", &[], b"");
    let json: serde_json::Value = serde_json::from_str(&status.body).expect("JSON");
    assert_eq!(json["router"]["write_pause"]["count"], 1, "{json}");
    let metrics = world.http("GET", "/metrics", &[], b"");
    assert!(metrics.body.contains("ringkv_router_write_pause_seconds_count 1"), "{}", metrics.body);
}

#[test]
fn a_held_command_gets_an_error_after_a_bounded_wait() {
    let world = World::start_with(1, |config| config.refusal_wait = Duration::from_millis(100));
    let mut client = world.client();
    world.nodes[0].freeze(Arc::FULL, true);
    let answer = client.ask("SET a 1");
    assert!(answer.starts_with("-TRYAGAIN the key's range is changing its server"), "{answer}");
    assert!(answer.ends_with("the command was not applied; try again"), "{answer}");
    world.nodes[0].freeze(Arc::FULL, false);
    assert_eq!(client.ask("SET a 2"), "OK");
    assert_eq!(world.nodes[0].executed(), ["SET a 2"]);
}

#[test]
fn a_server_that_does_not_serve_yet_is_waited_for() {
    let world = World::start(1);
    world.nodes[0].set_loading(Some("recovering"));
    let mut client = world.client();
    client.send_all(["SET a 1", "APPEND a 2", "GET a"]);
    until("it was asked again", || world.nodes[0].resumes() > 2);
    world.nodes[0].set_loading(None);
    assert_eq!(client.reply(), "OK");
    assert_eq!(client.reply(), "2");
    assert_eq!(client.reply(), "12");
}

#[test]
fn a_command_over_several_keys_is_split_anew_when_some_of_them_move() {
    let world = World::start(3);
    let arc = part(0, 3);
    let half = Arc::new(Point(0), Point(arc.last().0 / 2)).expect("an arc");
    let keys: Vec<String> = keys_in(arc, "k").take(20).collect();
    let pairs: Vec<String> = keys.iter().map(|key| format!("{key} of-{key}")).collect();
    let mover = world.nodes.clone();
    world.nodes[0].hook("MSET", move || {
        mover[0].freeze(half, true);
        mover[1].own(half, 2, BTreeMap::new());
        mover[0].give(half);
    });
    let mut client = world.client();
    assert_eq!(client.ask(&format!("MSET {}", pairs.join(" "))), "OK");
    let values: Vec<String> = keys.iter().map(|key| format!("of-{key}")).collect();
    let expected = format!("[{}]", values.join(" "));
    assert_eq!(client.ask(&format!("MGET {}", keys.join(" "))), expected);
    assert!(!world.nodes[1].records(half).is_empty());
    assert!(world.nodes[0].records(half).is_empty());
}

#[test]
fn a_server_that_left_is_forgotten() {
    let world = World::start(2);
    let mut client = world.client();
    let arc = part(0, 2);
    let key = key_in(arc);
    assert_eq!(client.ask(&format!("SET {key} 1")), "OK");
    world.hand_over(0, 1, arc, 2);
    assert_eq!(client.ask(&format!("GET {key}")), "1");
    let mut membership = world.memberships.borrow().clone();
    membership.generation = 2;
    membership.servers.remove("kv-0");
    world.memberships.send_replace(membership);
    until("the router forgot the server", || {
        let metrics = world.http("GET", "/metrics", &[], b"");
        metrics.body.contains("ringkv_router_servers 1")
    });
    assert_eq!(client.ask(&format!("GET {key}")), "1");
}

#[test]
fn a_server_at_a_new_address_is_followed_and_the_old_one_is_not_waited_for_long() {
    let world = World::start_with(2, |config| config.server_wait = Duration::from_millis(300));
    let arc = part(0, 2);
    let key = key_in(arc);
    let mut client = world.client();
    assert_eq!(client.ask(&format!("SET {key} 1")), "OK");
    world.nodes[0].hold(true);
    client.send_all([format!("SET {key} 2")]);
    until("the command is on its way", || {
        let metrics = world.http("GET", "/metrics", &[], b"");
        metrics.body.contains("ringkv_router_commands_total 2")
    });
    // The same volume comes up elsewhere.
    let moved = world.start_again(0);
    until("every thread knows", || moved.greetings() == 3);
    client.send_all([format!("GET {key}"), format!("SET {key} 3"), format!("GET {key}")]);
    let answer = client.reply();
    assert!(answer.starts_with("-ERR outcome unknown: connection to kv-0"), "{answer}");
    assert_eq!(client.reply(), "1");
    assert_eq!(client.reply(), "OK");
    assert_eq!(client.reply(), "3");
    assert_eq!(moved.executed().len(), 3);
}

#[test]
fn a_command_on_one_key_does_not_overtake_a_refused_one_on_several() {
    let world = World::start(2);
    let arc = part(0, 2);
    let half = Arc::new(Point(0), Point(arc.last().0 / 2)).expect("an arc");
    let rest = Arc::new(Point(arc.last().0 / 2 + 1), arc.last()).expect("an arc");
    let (held, free) = (key_in(half), key_in(rest));
    let mover = world.nodes.clone();
    // The frozen half refuses the whole command, although its other key could be served.
    world.nodes[0].hook("MSET", move || mover[0].freeze(half, true));
    let mut client = world.client();
    client.send_all([
        format!("MSET {held} 1 {free} 1"),
        format!("APPEND {free} 2"),
        format!("MGET {free} {held}"),
        format!("SET {free} 3"),
        format!("GET {free}"),
    ]);
    until("the first command was refused", || world.nodes[0].refusals() > 0);
    world.nodes[0].freeze(half, false);
    let answers: Vec<String> = (0..5).map(|_| client.reply()).collect();
    assert_eq!(answers, ["OK", "2", "[12 1]", "OK", "3"]);
}
