use crate::world::World;

#[test]
fn malformed_requests_get_an_error_and_end_only_their_connection() {
    let world = World::start(1);
    let mut witness = world.client();
    for (bytes, error) in [
        (&b"*1\r\n$-1\r\n"[..], "-ERR Protocol error: invalid bulk length"),
        (b"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'"),
        (b"*99999999999\r\n", "-ERR Protocol error: invalid multibulk length"),
        (b"SET \"a\r\n", "-ERR Protocol error: unbalanced quotes in request"),
        (b"*2\r\n$3\r\nGET\r\n$1\r\nab\r\n", "-ERR Protocol error: expected CRLF"),
    ] {
        let mut client = world.client();
        client.send_raw(bytes);
        assert_eq!(client.reply(), error, "{}", bytes.escape_ascii());
        assert_eq!(client.try_value(), None);
        assert_eq!(witness.ask("PING"), "PONG");
    }
    let mut half = world.client();
    half.send_raw(b"*2\r\n$3\r\nGET\r\n$100\r\nab");
    half.end();
    assert_eq!(half.try_value(), None);
    assert_eq!(witness.ask("GET a"), "nil");
}

#[test]
fn commands_over_a_limit_are_refused_and_the_connection_goes_on() {
    let world = World::start_with(1, |config| config.value_bytes_max = 1_000);
    let mut client = world.client();
    let (fits, long) = ("x".repeat(1_000), "x".repeat(1_001));
    client.send_all([format!("SET a {fits}"), format!("SET a {long}"), "STRLEN".to_owned()]);
    assert_eq!(client.reply(), "OK");
    assert_eq!(client.reply(), "-ERR value of 1001 bytes is over the limit of 1000 bytes");
    assert_eq!(client.reply(), "-ERR wrong number of arguments for 'strlen' command");
    assert_eq!(client.ask("GET a"), fits);
    assert!(client.ask("RINGKV.WATCH 0").starts_with("-ERR unknown command"));
    assert!(client.ask("NONSENSE a b").starts_with("-ERR unknown command 'NONSENSE'"));
}

#[test]
fn inline_commands_are_taken() {
    let world = World::start(1);
    let mut client = world.client();
    client.send_raw(b"set a \"b c\"\r\nget a\r\n\r\nPING\r\n");
    assert_eq!(client.reply(), "OK");
    assert_eq!(client.reply(), "b c");
    assert_eq!(client.reply(), "PONG");
}

#[test]
fn one_client_too_many_is_told_so() {
    let world = World::start_with(1, |config| config.clients_max = 1);
    let mut first = world.client();
    assert_eq!(first.ask("PING"), "PONG");
    let mut second = world.client();
    assert_eq!(second.reply(), "-ERR max number of clients reached: this router takes 1");
    assert_eq!(second.try_value(), None);
    assert_eq!(first.ask("QUIT"), "OK");
    assert_eq!(first.try_value(), None);
    crate::world::until("there is room again", || {
        let mut third = world.client();
        third.send_raw(b"PING\r\n");
        third.reply() == "PONG"
    });
}

#[test]
fn a_client_that_never_reads_is_disconnected() {
    let world = World::start_with(1, |config| {
        config.output_bytes_max = 100_000;
        config.pipeline_commands_max = 1_000_000;
        config.output_bytes_pause = usize::MAX;
    });
    let value = "x".repeat(100_000);
    let mut client = world.client();
    assert_eq!(client.ask(&format!("SET a {value}")), "OK");
    client.send_all(std::iter::repeat_n("GET a", 1_000));
    crate::world::until("the client is gone", || {
        let metrics = world.http("GET", "/metrics", &[], b"");
        metrics.body.contains("ringkv_router_clients 0")
    });
    assert_eq!(world.client().ask("PING"), "PONG");
}

#[test]
fn a_client_that_sends_much_and_reads_late_loses_nothing() {
    let world = World::start_with(1, |config| {
        config.pipeline_commands_max = 16;
        config.pipeline_bytes_max = 100_000;
        config.output_bytes_pause = 50_000;
    });
    let value = "x".repeat(10_000);
    let mut writer = world.client();
    assert_eq!(writer.ask(&format!("SET a {value}")), "OK");
    writer.send_all(std::iter::repeat_n("GET a", 500));
    for _ in 0..500 {
        assert_eq!(writer.reply(), value);
    }
}
