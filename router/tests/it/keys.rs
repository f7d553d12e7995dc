use crate::fake::Cut;
use crate::world::{World, key_in, keys_in, part};

#[test]
fn commands_reach_the_owner_of_their_key() {
    let world = World::start(3);
    let mut client = world.client();
    for index in 0..3 {
        let key = key_in(part(index, 3));
        assert_eq!(client.ask(&format!("SET {key} {index}")), "OK");
        assert_eq!(client.ask(&format!("GET {key}")), index.to_string());
        assert_eq!(
            world.nodes[index].executed(),
            [format!("SET {key} {index}"), format!("GET {key}")]
        );
    }
    assert_eq!(client.ask("GET nothing"), "nil");
}

#[test]
fn answers_keep_the_order_of_a_pipeline() {
    let world = World::start(3);
    let mut client = world.client();
    let set = (0..3_000).map(|n| format!("SET key{n} value{n}"));
    let get = (0..3_000).map(|n| format!("GET key{n}"));
    client.send_all(set.chain(["PING".to_owned()]).chain(get));
    for _ in 0..3_000 {
        assert_eq!(client.reply(), "OK");
    }
    assert_eq!(client.reply(), "PONG");
    for n in 0..3_000 {
        assert_eq!(client.reply(), format!("value{n}"));
    }
}

#[test]
fn commands_over_several_keys_are_split_and_merged_in_order() {
    let world = World::start(3);
    let mut client = world.client();
    let keys: Vec<String> = (0..40).map(|n| format!("key{n}")).collect();
    let pairs: Vec<String> = keys.iter().map(|key| format!("{key} of-{key}")).collect();
    assert_eq!(client.ask(&format!("MSET {}", pairs.join(" "))), "OK");
    assert!(world.nodes.iter().all(|node| node.executed().len() == 1));
    let values: Vec<String> = keys.iter().map(|key| format!("of-{key}")).collect();
    assert_eq!(
        client.ask(&format!("MGET none {} none", keys.join(" "))),
        format!("[nil {} nil]", values.join(" "))
    );
    assert_eq!(client.ask(&format!("EXISTS {} none key0", keys.join(" "))), "41");
    assert_eq!(client.ask(&format!("TOUCH {}", keys.join(" "))), "40");
    assert_eq!(client.ask("DEL key0 key1 key1 none"), "2");
    assert_eq!(client.ask(&format!("UNLINK {}", keys.join(" "))), "38");
    assert_eq!(client.ask("MSET a 1 a 2 b 3 a 4"), "OK");
    assert_eq!(client.ask("MGET a b"), "[4 3]");
}

#[test]
fn an_error_of_one_part_says_how_much_was_applied() {
    let world = World::start_with(2, |config| {
        config.server_wait = std::time::Duration::from_millis(200);
    });
    let (near, far) = (key_in(part(0, 2)), key_in(part(1, 2)));
    world.nodes[1].cut_at("MSET", Cut::Unexecuted);
    let mut client = world.client();
    assert_eq!(
        client.ask(&format!("MSET {near} 1 {far} 2")),
        "-ERR outcome unknown: connection to kv-1 was lost after sending; the command may or may \
         not have been applied (MSET was applied to 1 of its 2 keys)"
    );
    assert_eq!(client.ask(&format!("MGET {near} {far}")), "[1 nil]");
}

#[test]
fn commands_that_need_their_keys_together_are_refused() {
    let world = World::start(2);
    let mut client = world.client();
    let keys: Vec<String> = keys_in(part(0, 2), "k").take(2).collect();
    for command in [
        format!("RENAME {} {}", keys[0], keys[1]),
        format!("RENAMENX {} {}", keys[0], keys[1]),
        format!("MSETNX {} 1 {} 2", keys[0], keys[1]),
    ] {
        let answer = client.ask(&command);
        assert!(answer.starts_with("-CROSSSLOT "), "{command}: {answer}");
    }
    assert!(world.nodes[0].executed().is_empty());
}
