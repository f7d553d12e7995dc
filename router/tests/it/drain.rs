use std::sync::Arc as Shared;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::client::Client;
use crate::world::{World, until};

/// What waits for the router when it is told to stop, so that not all of it has been read.
const WAITING: usize = 2_000;

#[test]
fn a_router_that_leaves_says_so_and_goes_on() {
    let world = World::start(1);
    let mut before = world.client();
    world.router.leave();
    let ready = world.http("GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("leaving"), "{}", ready.body);
    let mut after = world.client();
    for client in [&mut before, &mut after] {
        assert_eq!(client.ask("SET a 1"), "OK");
    }
    assert_eq!(world.http("GET", "/kv/a", &[], b"").body, "1");
    assert_eq!(world.http("GET", "/healthz", &[], b"").status, 200);
}

#[test]
fn a_connection_is_closed_when_nothing_of_it_is_unanswered() {
    let world = World::start_with(1, |config| config.pipeline_commands_max = 10);
    let mut client = world.client();
    world.nodes[0].hold(true);
    client.send_all((0..WAITING).map(|n| format!("SET k{n} {}", "x".repeat(1_000))));
    until("some commands are on their way", || {
        let metrics = world.http("GET", "/metrics", &[], b"");
        metrics.body.contains("ringkv_router_commands_total 10")
    });
    let World { nodes, router, .. } = world;
    let address = router.resp_address();
    let stopping = thread::spawn(move || router.stop());
    until("no more clients are taken", || std::net::TcpStream::connect(address).is_err());
    nodes[0].hold(false);
    for _ in 0..WAITING {
        assert_eq!(client.reply(), "OK");
    }
    assert_eq!(client.try_value(), None);
    stopping.join().expect("no panic").expect("the router stopped in order");
}

#[test]
fn half_a_command_is_waited_for() {
    let world = World::start(1);
    let mut client = world.client();
    assert_eq!(client.ask("SET a 1"), "OK");
    client.send_raw(b"*2\r\n$3\r\nGET\r\n$1\r\n");
    let address = world.router.resp_address();
    let World { router, nodes: _nodes, .. } = world;
    let mut idle = Client::connect(address);
    assert_eq!(idle.ask("PING"), "PONG");
    let stopping = thread::spawn(move || router.stop());
    assert_eq!(idle.try_value(), None);
    client.send_raw(b"a\r\n");
    assert_eq!(client.reply(), "1");
    assert_eq!(client.try_value(), None);
    stopping.join().expect("no panic").expect("the router stopped in order");
}

#[test]
fn a_server_that_leaves_is_left_without_a_command_in_doubt() {
    let world = World::start(1);
    let stop = Shared::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (mut client, stop) = (world.client(), Shared::clone(&stop));
            thread::spawn(move || {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) || n < 100 {
                    assert_eq!(client.ask(&format!("SET w{writer} {n}")), "OK");
                    assert_eq!(client.ask(&format!("GET w{writer}")), n.to_string());
                    n += 1;
                }
            })
        })
        .collect();
    let mut old = world.nodes[0].clone();
    for _ in 0..3 {
        let before = old.executed().len();
        until("commands are under way", || old.executed().len() > before + 100);
        old.leave();
        until("the router has left", || old.connections() == 0);
        let records = old.records(ring::Arc::FULL);
        let new = old.start_again(records);
        world.announce(std::slice::from_ref(&new));
        old = new;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().expect("every command was answered");
    }
}
