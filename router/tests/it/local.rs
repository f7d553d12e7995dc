use resp::Value;

use crate::world::World;

#[test]
fn commands_about_the_connection_are_answered_by_the_router() {
    let world = World::start(1);
    let mut client = world.client();
    for (command, answer) in [
        ("PING", "PONG"),
        ("PING hello", "hello"),
        ("ECHO hello", "hello"),
        ("SELECT 0", "OK"),
        ("SELECT 1", "-ERR DB index is out of range"),
        ("CLIENT SETNAME me", "OK"),
        ("CLIENT GETNAME", "me"),
        ("CLIENT SETINFO LIB-NAME test", "OK"),
        ("CONFIG GET save", "[save ]"),
        ("CONFIG GET append*", "[appendonly yes]"),
        ("CONFIG GET nothing", "[]"),
        ("RESET", "RESET"),
        ("CLIENT GETNAME", "nil"),
    ] {
        assert_eq!(client.ask(command), answer, "{command}");
    }
    for line in ["redis_version:7.0.", "arch_bits:64", "cluster_enabled:0", "redis_mode:standalone"]
    {
        assert!(client.ask("INFO").contains(line), "{line}");
    }
    assert!(!client.ask("INFO clients").contains("redis_version"));
    assert!(world.nodes[0].executed().is_empty());
}

#[test]
fn resp3_differs_in_maps_and_nulls() {
    let world = World::start(2);
    let mut client = world.client();
    assert_eq!(client.ask("GET a"), "nil");
    client.send_all(["GET a", "HELLO 3", "GET a", "MGET a b c", "MGET a", "SET a 1", "GET a"]);
    assert_eq!(client.reply(), "nil", "asked before the change of the protocol");
    let Value::Map(hello) = client.value() else { panic!("HELLO 3 answers a map") };
    assert!(hello.contains(&(Value::Bulk(Some("proto".into())), Value::Integer(3))));
    assert_eq!(client.reply(), "null");
    assert_eq!(client.reply(), "[null null null]");
    assert_eq!(client.reply(), "[null]");
    assert_eq!(client.reply(), "OK");
    assert_eq!(client.reply(), "1");
    assert_eq!(client.ask("RANDOMKEY"), "a");
    assert_eq!(client.ask("HELLO 4"), "-NOPROTO unsupported protocol version");
    assert!(client.ask("HELLO 2").starts_with('['));
    assert_eq!(client.ask("GET b"), "nil");
}
