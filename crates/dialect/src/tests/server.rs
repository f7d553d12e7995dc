use resp::commands::{COMMANDS, Kind, lookup};

use super::command;
use crate::{Facts, Outcome, Reply, answer_about_server};

fn facts() -> Facts {
    Facts {
        unix_micros: 5_000_007,
        port: 6379,
        max_clients: 10,
        max_value_bytes: 99,
        appendfsync: Some("always"),
        keys: Some(3),
        own: vec![("cluster", vec![("ringkv_arcs", "5".to_owned())])],
        ..Facts::default()
    }
}

fn ask(line: &str) -> Outcome {
    let command = command(line);
    let spec = lookup(command.name()).expect("a command");
    answer_about_server(spec.id, &command, &facts())
}

fn info(line: &str) -> String {
    match ask(line) {
        Ok(Reply::Verbatim(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn info_has_sections() {
    let all = info("INFO");
    for line in ["# Server\r\n", "\r\n\r\n# Clients\r\n", "\r\ntcp_port:6379\r\n"] {
        assert!(all.contains(line), "{line:?} in {all}");
    }
    assert_eq!(all, info("INFO everything"));
    assert_eq!(info("INFO cluster"), "# Cluster\r\ncluster_enabled:0\r\nringkv_arcs:5\r\n");
    assert_eq!(info("INFO KeySpace"), "# Keyspace\r\ndb0:keys=3\r\n");
    assert_eq!(info("INFO nothing"), "");
}

#[test]
fn settings_are_read_by_patterns() {
    let check = |line: &str, expected: &[(&str, &str)]| {
        let pairs = expected.iter().map(|(name, value)| (Reply::text(*name), Reply::text(*value)));
        assert_eq!(ask(line), Ok(Reply::Map(pairs.collect())), "{line}");
    };
    check("CONFIG GET save", &[("save", "")]);
    check("CONFIG GET APPEND*", &[("appendfsync", "always"), ("appendonly", "yes")]);
    check("CONFIG GET p?rt max?lients", &[("maxclients", "10"), ("port", "6379")]);
    check("CONFIG GET proto-max-bulk-len", &[("proto-max-bulk-len", "99")]);
    check("CONFIG GET nothing", &[]);
    assert!(ask("CONFIG SET save x").is_err_and(|text| text.contains("fixed")));
    assert!(ask("CONFIG GET").is_err_and(|text| text.contains("config|get")));
}

#[test]
fn commands_between_nodes_and_routers_are_not_told() {
    let n_public = COMMANDS.iter().filter(|spec| spec.kind != Kind::Node).count();
    assert!(n_public < COMMANDS.len());
    assert_eq!(ask("COMMAND COUNT"), Ok(Reply::count(n_public)));
    for line in ["COMMAND", "COMMAND LIST", "COMMAND INFO"] {
        assert!(matches!(ask(line), Ok(Reply::Array(all)) if all.len() == n_public), "{line}");
    }
    let Ok(Reply::Array(named)) = ask("COMMAND INFO get nothing RINGKV.WATCH") else {
        panic!("an array")
    };
    assert!(matches!(named.as_slice(), [Reply::Array(_), Reply::NullArray, Reply::NullArray]));
    assert!(matches!(ask("COMMAND DOCS get nothing"), Ok(Reply::Map(docs)) if docs.len() == 1));
}

#[test]
fn the_keys_of_a_command() {
    let keys =
        |words: &[&str]| Ok(Reply::Array(words.iter().map(|key| Reply::text(*key)).collect()));
    assert_eq!(ask("COMMAND GETKEYS MSET a 1 b 2"), keys(&["a", "b"]));
    assert_eq!(ask("COMMAND GETKEYS MSET a 1 b"), keys(&["a", "b"]));
    for line in ["COMMAND GETKEYS PING x", "COMMAND GETKEYS GET a b", "COMMAND GETKEYS WHAT a"] {
        assert!(ask(line).is_err(), "{line}");
    }
}

#[test]
fn the_time_is_seconds_and_microseconds() {
    assert_eq!(ask("TIME"), Ok(Reply::Array(vec![Reply::text("5"), Reply::text("7")])));
}
