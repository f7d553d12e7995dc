//! Pure. What a router says of itself: HELLO, INFO, CONFIG, COMMAND.

use std::fmt::Write;

use bytes::BytesMut;
use resp::commands::{self, COMMANDS, CommandSpec, Kind};
use resp::{Command, Protocol, encode};

use super::REDIS_VERSION;

/// What INFO tells that changes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// Wall clock, microseconds since the Unix epoch.
    pub(crate) unix_micros: u64,
    /// The number of the process.
    pub(crate) process_id: u32,
    /// Seconds since the router began.
    pub(crate) uptime_seconds: u64,
    /// The port of RESP clients.
    pub(crate) resp_port: u16,
    /// Clients at present.
    pub(crate) clients: u64,
    /// Clients ever.
    pub(crate) clients_total: u64,
    /// The most clients at a time.
    pub(crate) clients_max: u64,
    /// Commands ever.
    pub(crate) commands_total: u64,
    /// Servers of the ring, and those that this thread is connected to.
    pub(crate) servers: u64,
    /// Servers that this thread is connected to.
    pub(crate) servers_connected: u64,
    /// The epoch of the ring.
    pub(crate) ring_epoch: u64,
}

/// The settings that clients look for, with what they mean here.
const SETTINGS: [(&str, &str); 8] = [
    ("appendfsync", "always"),
    ("appendonly", "yes"),
    ("databases", "1"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("proto-max-bulk-len", "16777216"),
    ("save", ""),
    ("timeout", "0"),
];

pub(super) fn hello(id: u64, protocol: Protocol, out: &mut BytesMut) {
    encode::map_header(out, protocol, 7);
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        encode::bulk(out, name.as_bytes());
        encode::bulk(out, value.as_bytes());
    }
    encode::bulk(out, b"proto");
    encode::integer(out, if protocol == Protocol::Resp3 { 3 } else { 2 });
    encode::bulk(out, b"id");
    encode::integer(out, i64::try_from(id).unwrap_or(i64::MAX));
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        encode::bulk(out, name.as_bytes());
        encode::bulk(out, value.as_bytes());
    }
    encode::bulk(out, b"modules");
    encode::array_header(out, 0);
}

pub(super) fn info(command: &Command, facts: &Facts, protocol: Protocol, out: &mut BytesMut) {
    let wanted = |section: &str| {
        let everything = ["default", "all", "everything"];
        command.len() == 1
            || (1..command.len()).any(|place| {
                command.arg_is(place, section)
                    || everything.iter().any(|word| command.arg_is(place, word))
            })
    };
    let mut text = String::new();
    for (section, lines) in sections(facts) {
        if wanted(section) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            let mut initial = section.to_owned();
            if let Some(first) = initial.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let _ = write!(text, "# {initial}\r\n");
            for (name, value) in lines {
                let _ = write!(text, "{name}:{value}\r\n");
            }
        }
    }
    encode::verbatim(out, protocol, *b"txt", text.as_bytes());
}

type Lines = Vec<(&'static str, String)>;

fn sections(facts: &Facts) -> [(&'static str, Lines); 6] {
    let server = vec![
        ("redis_version", REDIS_VERSION.to_owned()),
        ("redis_mode", "standalone".to_owned()),
        ("ringkv_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("ringkv_role", "router".to_owned()),
        ("arch_bits", usize::BITS.to_string()),
        ("process_id", facts.process_id.to_string()),
        ("tcp_port", facts.resp_port.to_string()),
        ("uptime_in_seconds", facts.uptime_seconds.to_string()),
        ("uptime_in_days", (facts.uptime_seconds / 86_400).to_string()),
    ];
    let clients = vec![
        ("connected_clients", facts.clients.to_string()),
        ("maxclients", facts.clients_max.to_string()),
        ("blocked_clients", "0".to_owned()),
    ];
    let persistence = vec![("loading", "0".to_owned()), ("aof_enabled", "1".to_owned())];
    let stats = vec![
        ("total_connections_received", facts.clients_total.to_string()),
        ("total_commands_processed", facts.commands_total.to_string()),
    ];
    let replication = vec![("role", "master".to_owned()), ("connected_slaves", "0".to_owned())];
    let cluster = vec![
        ("cluster_enabled", "0".to_owned()),
        ("ringkv_servers", facts.servers.to_string()),
        ("ringkv_servers_connected", facts.servers_connected.to_string()),
        ("ringkv_ring_epoch", facts.ring_epoch.to_string()),
    ];
    [
        ("server", server),
        ("clients", clients),
        ("persistence", persistence),
        ("stats", stats),
        ("replication", replication),
        ("cluster", cluster),
    ]
}

pub(super) fn config(command: &Command, protocol: Protocol, out: &mut BytesMut) {
    if command.arg_is(1, "GET") && command.len() >= 3 {
        let found: Vec<_> = SETTINGS
            .iter()
            .filter(|(name, _)| {
                (2..command.len())
                    .any(|place| matches(command.arg(place).unwrap_or_default(), name))
            })
            .collect();
        encode::map_header(out, protocol, found.len());
        for (name, value) in found {
            encode::bulk(out, name.as_bytes());
            encode::bulk(out, value.as_bytes());
        }
    } else if command.arg_is(1, "GET") {
        encode::error(out, &commands::arity_error("config|get"));
    } else if command.arg_is(1, "RESETSTAT") {
        encode::ok(out);
    } else if command.arg_is(1, "SET") || command.arg_is(1, "REWRITE") {
        encode::error(
            out,
            "ERR a router is configured at its start; CONFIG SET and REWRITE are not supported",
        );
    } else {
        let given = command.arg(1).unwrap_or_default();
        encode::error(out, &commands::unknown_subcommand_error("config", given));
    }
}

/// Names of settings are matched whole, or by what is before a `*` at the end.
fn matches(pattern: &[u8], name: &str) -> bool {
    match pattern.strip_suffix(b"*") {
        Some(prefix) => name
            .as_bytes()
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
        None => pattern.eq_ignore_ascii_case(name.as_bytes()),
    }
}

pub(super) fn command(command: &Command, protocol: Protocol, out: &mut BytesMut) {
    let public = || COMMANDS.iter().filter(|spec| spec.kind != Kind::Node);
    if command.len() == 1 {
        encode::array_header(out, public().count());
        public().for_each(|spec| describe(spec, protocol, out));
    } else if command.arg_is(1, "COUNT") {
        encode::integer(out, i64::try_from(public().count()).unwrap_or(i64::MAX));
    } else if command.arg_is(1, "LIST") {
        encode::array_header(out, public().count());
        public().for_each(|spec| encode::bulk(out, spec.name.as_bytes()));
    } else if command.arg_is(1, "INFO") {
        let named = (2..command.len()).filter_map(|place| command.arg(place));
        encode::array_header(out, named.clone().count());
        for name in named {
            match commands::lookup(name).filter(|spec| spec.kind != Kind::Node) {
                Some(spec) => describe(spec, protocol, out),
                None => encode::null_array(out, protocol),
            }
        }
    } else if command.arg_is(1, "DOCS") {
        let named = |spec: &&CommandSpec| {
            command.len() == 2 || (2..command.len()).any(|place| command.arg_is(place, spec.name))
        };
        encode::map_header(out, protocol, public().filter(named).count());
        for spec in public().filter(named) {
            encode::bulk(out, spec.name.as_bytes());
            encode::map_header(out, protocol, 2);
            for (name, value) in [("summary", spec.summary), ("since", spec.since)] {
                encode::bulk(out, name.as_bytes());
                encode::bulk(out, value.as_bytes());
            }
        }
    } else {
        let given = command.arg(1).unwrap_or_default();
        encode::error(out, &commands::unknown_subcommand_error("command", given));
    }
}

fn describe(spec: &CommandSpec, protocol: Protocol, out: &mut BytesMut) {
    let flags: &[&str] = match spec.kind {
        Kind::Write => &["write"],
        Kind::Read => &["readonly"],
        Kind::Range | Kind::Connection | Kind::Server | Kind::Node => &[],
    };
    encode::array_header(out, 6);
    encode::bulk(out, spec.name.as_bytes());
    encode::integer(out, i64::from(spec.arity));
    encode::set_header(out, protocol, flags.len());
    flags.iter().for_each(|flag| encode::simple(out, flag));
    let place = |place: usize| i64::try_from(place).unwrap_or(0);
    encode::integer(out, place(spec.keys.first));
    encode::integer(out, i64::from(spec.keys.last));
    encode::integer(out, place(spec.keys.step));
}
