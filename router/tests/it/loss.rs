use std::time::Duration;

use crate::fake::Cut;
use crate::world::{World, key_in, part, until};

const SHORT: Duration = Duration::from_millis(200);

#[test]
fn a_write_that_may_have_been_applied_is_never_sent_again() {
    for cut in [Cut::Executed, Cut::Unexecuted] {
        let world = World::start(1);
        let mut client = world.client();
        assert_eq!(client.ask("SET a x"), "OK");
        world.nodes[0].cut_at("APPEND a 1", cut);
        client.send_all(["GET a", "APPEND a 1", "GET a", "GET a"]);
        assert_eq!(client.reply(), "x");
        assert_eq!(
            client.reply(),
            "-ERR outcome unknown: connection to kv-0 was lost after sending; the command may or \
             may not have been applied"
        );
        // Reads are sent again.
        let expected = if cut == Cut::Executed { "x1" } else { "x" };
        assert_eq!((&*client.reply(), &*client.reply()), (expected, expected));
        let appended = world.nodes[0].executed().iter().filter(|c| c.starts_with("APPEND")).count();
        assert_eq!(appended, usize::from(cut == Cut::Executed));
    }
}

#[test]
fn what_a_server_did_not_take_before_its_last_word_is_sent_again() {
    let world = World::start(1);
    let mut client = world.client();
    assert_eq!(client.ask("SET a x"), "OK");
    world.nodes[0].cut_at("APPEND a 1", Cut::Bye);
    client.send_all(["GET a", "APPEND a 1", "GET a", "APPEND a 2", "GET a"]);
    let replies: Vec<String> = (0..5).map(|_| client.reply()).collect();
    assert_eq!(replies, ["x", "2", "x1", "3", "x12"]);
}

#[test]
fn a_read_is_not_sent_again_where_it_could_see_a_later_write_of_its_client() {
    let world = World::start(1);
    let mut client = world.client();
    assert_eq!(client.ask("SET a x"), "OK");
    world.nodes[0].cut_at("GET a", Cut::Unexecuted);
    client.send_all(["GET a", "GET a", "APPEND a 1", "GET a"]);
    let lost = "-TRYAGAIN connection to kv-0 was lost before the answer came; try again";
    assert_eq!((&*client.reply(), &*client.reply()), (lost, lost));
    assert!(client.reply().starts_with("-ERR outcome unknown"));
    assert_eq!(client.reply(), "x");
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let world = World::start_with(2, |config| config.server_wait = SHORT);
    let (near, far) = (key_in(part(0, 2)), key_in(part(1, 2)));
    let mut client = world.client();
    assert_eq!(client.ask(&format!("SET {far} 0")), "OK");
    world.nodes[1].hold(true);
    client.send_all([format!("SET {far} 1"), format!("SET {near} 1")]);
    let answer = client.reply();
    assert!(answer.starts_with("-ERR outcome unknown: connection to kv-1 was lost"), "{answer}");
    assert_eq!(client.reply(), "OK");
    // It does not even greet any more.
    assert_eq!(
        client.ask(&format!("SET {far} 2")),
        format!(
            "-TRYAGAIN server kv-1 ({}) is unreachable; the command was not applied; try again",
            world.nodes[1].address
        )
    );
    assert_eq!(client.ask(&format!("GET {near}")), "1");
    world.nodes[1].hold(false);
    until("the server is back", || client.ask(&format!("SET {far} 3")) == "OK");
    assert!(!world.nodes[1].executed().contains(&format!("SET {far} 2")));
}

#[test]
fn a_full_queue_to_a_server_is_waited_for_and_named() {
    let world = World::start_with(1, |config| {
        config.upstream_queue_bytes_max = 10;
        config.refusal_wait = SHORT;
        config.threads = 1;
    });
    let (holder, mut first, mut second) = (world.nodes[0].clone(), world.client(), world.client());
    world.nodes[0].hook("GET a", move || holder.hold(true));
    world.nodes[0].cut_at("GET a", Cut::Unexecuted);
    let before = world.nodes[0].accepted();
    // The read waits for the greeting of a new connection, with which it fills the queue.
    first.send("GET a");
    until("the router has come again", || world.nodes[0].accepted() > before);
    until("the queue is full", || {
        let answer = second.ask("GET b");
        answer.starts_with("-TRYAGAIN server kv-0 takes commands too slowly")
    });
    world.nodes[0].hold(false);
    assert_eq!(first.reply(), "nil");
    assert_eq!(second.ask("SET b 2"), "OK");
}

#[test]
fn a_router_that_stops_answers_what_could_not_be_sent() {
    let world = World::start(1);
    let mut client = world.client();
    assert_eq!(client.ask("SET a 1"), "OK");
    world.nodes[0].freeze(ring::Arc::FULL, true);
    client.send("SET a 2");
    until("the command was taken", || {
        let metrics = world.http("GET", "/metrics", &[], b"");
        metrics.body.contains("ringkv_router_commands_total 2")
    });
    let World { router, nodes, .. } = world;
    let stopping = std::thread::spawn(move || router.stop());
    let answer = client.reply();
    assert!(answer.ends_with("the command was not applied; try again"), "{answer}");
    assert_eq!(client.try_value(), None);
    stopping.join().expect("no panic").expect("the router stopped in order");
    assert_eq!(nodes[0].executed(), ["SET a 1"]);
}

#[test]
fn a_range_without_a_server_is_waited_for_and_named() {
    let world = World::start_with(2, |config| config.refusal_wait = SHORT);
    let arc = part(1, 2);
    world.nodes[1].give(arc);
    let mut client = world.client();
    until("the router knows", || {
        world.http("GET", "/metrics", &[], b"").body.contains("ringkv_router_table_complete 0")
    });
    assert_eq!(world.http("GET", "/readyz", &[], b"").status, 200, "the others are served");
    let answer = client.ask(&format!("SET {} 1", key_in(arc)));
    assert!(answer.starts_with("-TRYAGAIN no server serves the key's range"), "{answer}");
    assert!(answer.contains("it belongs to kv-"), "{answer}");
    assert_eq!(client.ask(&format!("SET {} 1", key_in(part(0, 2)))), "OK");
}

#[test]
fn commands_sent_before_the_end_of_input_are_answered() {
    let world = World::start(2);
    let mut client = world.client();
    client.send_all(["SET a 1", "SET b 2", "MGET a b"]);
    client.end();
    assert_eq!(client.reply(), "OK");
    assert_eq!(client.reply(), "OK");
    assert_eq!(client.reply(), "[1 2]");
    assert_eq!(client.try_value(), None);
}

#[test]
fn a_router_that_stops_answers_what_it_took() {
    let world = World::start(1);
    let mut client = world.client();
    let mut idle = world.client();
    assert_eq!(idle.ask("PING"), "PONG");
    world.nodes[0].hold(true);
    client.send_all(["SET a 1", "GET a"]);
    until("the commands are on their way", || {
        let metrics = world.http("GET", "/metrics", &[], b"");
        metrics.body.contains("ringkv_router_commands_total 3")
    });
    let World { nodes, router, .. } = world;
    let stopping = std::thread::spawn(move || router.stop());
    assert_eq!(idle.try_value(), None);
    nodes[0].hold(false);
    assert_eq!(client.reply(), "OK");
    assert_eq!(client.reply(), "1");
    assert_eq!(client.try_value(), None);
    stopping.join().expect("no panic").expect("the router stopped in order");
}
