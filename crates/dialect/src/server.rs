//! Pure. Commands about the server: INFO, CONFIG, COMMAND, TIME.

use std::fmt::Write as _;

use resp::commands::{
    COMMANDS, CommandSpec, Id, Kind, arity_error, lookup, unknown_subcommand_error,
};
use resp::{Command, is_keyword};

use super::{Glob, Outcome, REDIS_VERSION, Reply};

/// Names and values.
pub type Lines = Vec<(&'static str, String)>;

/// What a server says about itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The wall clock, in microseconds since the Unix epoch.
    pub unix_micros: u64,
    /// The number of the process.
    pub process_id: u32,
    /// The port of RESP clients.
    pub port: u16,
    /// For how long it has been running.
    pub uptime_seconds: u64,
    /// Clients at present.
    pub connected_clients: u64,
    /// The most clients at a time.
    pub max_clients: u64,
    /// Clients ever.
    pub total_connections: u64,
    /// Commands ever.
    pub total_commands: u64,
    /// The longest value.
    pub max_value_bytes: u64,
    /// When writes are brought to disk, in Redis' word for it; `None` where others keep the data.
    pub appendfsync: Option<&'static str>,
    /// It does not serve yet.
    pub is_loading: bool,
    /// Keys by the last count, if there was one.
    pub keys: Option<u64>,
    /// What only this kind of server has to say, by sections of INFO.
    pub own: Vec<(&'static str, Lines)>,
}

/// Answers a command of kind `Server`.
pub fn answer_about_server(id: Id, command: &Command, facts: &Facts) -> Outcome {
    match id {
        Id::Info => Ok(info(command, facts)),
        Id::Config => config(command, facts),
        Id::Command => about_commands(command),
        Id::Time => {
            let parts = [facts.unix_micros / 1_000_000, facts.unix_micros % 1_000_000];
            Ok(Reply::Array(parts.map(|part| Reply::text(part.to_string())).to_vec()))
        }
        other => Err(format!("ERR {other:?} is not a command on servers").into()),
    }
}

fn info(command: &Command, facts: &Facts) -> Reply {
    let every = ["all", "default", "everything"];
    let wanted = |section: &str| {
        let mut words = command.args().skip(1).peekable();
        words.peek().is_none()
            || words.any(|word| {
                is_keyword(word, section) || every.iter().any(|name| is_keyword(word, name))
            })
    };
    let mut text = String::new();
    for (section, lines) in sections(facts) {
        if wanted(section) {
            let head = section.get(..1).unwrap_or_default().to_ascii_uppercase();
            let gap = if text.is_empty() { "" } else { "\r\n" };
            let _ = write!(text, "{gap}# {head}{}\r\n", section.get(1..).unwrap_or_default());
            for (name, value) in lines {
                let _ = write!(text, "{name}:{value}\r\n");
            }
        }
    }
    Reply::Verbatim(text)
}

fn sections(facts: &Facts) -> Vec<(&'static str, Lines)> {
    let keys = facts.keys.filter(|keys| *keys > 0);
    let mut sections = vec![
        (
            "server",
            vec![
                ("redis_version", REDIS_VERSION.to_owned()),
                ("redis_mode", "standalone".to_owned()),
                ("ringkv_version", env!("CARGO_PKG_VERSION").to_owned()),
                ("arch_bits", usize::BITS.to_string()),
                ("process_id", facts.process_id.to_string()),
                ("tcp_port", facts.port.to_string()),
                ("uptime_in_seconds", facts.uptime_seconds.to_string()),
                ("uptime_in_days", (facts.uptime_seconds / 86_400).to_string()),
            ],
        ),
        (
            "clients",
            vec![
                ("connected_clients", facts.connected_clients.to_string()),
                ("maxclients", facts.max_clients.to_string()),
                ("blocked_clients", "0".to_owned()),
            ],
        ),
        (
            "persistence",
            vec![
                ("loading", u8::from(facts.is_loading).to_string()),
                ("aof_enabled", "1".to_owned()),
            ],
        ),
        (
            "stats",
            vec![
                ("total_connections_received", facts.total_connections.to_string()),
                ("total_commands_processed", facts.total_commands.to_string()),
            ],
        ),
        ("replication", vec![("role", "master".to_owned()), ("connected_slaves", "0".to_owned())]),
        ("cluster", vec![("cluster_enabled", "0".to_owned())]),
        ("keyspace", keys.map(|keys| ("db0", format!("keys={keys}"))).into_iter().collect()),
    ];
    for (section, lines) in &mut sections {
        let own = facts.own.iter().filter(|(name, _)| name == section);
        lines.extend(own.flat_map(|(_, own)| own.iter().cloned()));
    }
    sections
}

fn config(command: &Command, facts: &Facts) -> Outcome {
    let subcommand = command.arg(1).unwrap_or_default().to_ascii_lowercase();
    match (subcommand.as_slice(), command.len()) {
        (b"get", 3..) => {
            let patterns: Vec<_> =
                command.args().skip(2).map(|word| Glob::new(&word.to_ascii_lowercase())).collect();
            let settings = settings(facts).into_iter();
            let chosen = settings
                .filter(|(name, _)| patterns.iter().any(|glob| glob.matches(name.as_bytes())));
            Ok(Reply::Map(chosen.map(|(name, v)| (Reply::text(name), Reply::text(v))).collect()))
        }
        (b"resetstat", 2) => Ok(Reply::Ok),
        (b"set" | b"rewrite", _) => {
            Err("ERR the configuration is fixed; start the server with other options".into())
        }
        (b"get" | b"resetstat", words) => {
            let name = if words == 2 { "config|get" } else { "config|resetstat" };
            Err(arity_error(name).into())
        }
        _ => Err(unknown_subcommand_error("config", command.arg(1).unwrap_or_default()).into()),
    }
}

/// In the order of their names.
fn settings(facts: &Facts) -> Lines {
    let fsync = facts.appendfsync.map(|word| ("appendfsync", word.to_owned()));
    let others = [
        ("appendonly", "yes".to_owned()),
        ("databases", "1".to_owned()),
        ("maxclients", facts.max_clients.to_string()),
        ("maxmemory", "0".to_owned()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("port", facts.port.to_string()),
        ("proto-max-bulk-len", facts.max_value_bytes.to_string()),
        ("save", String::new()),
        ("timeout", "0".to_owned()),
    ];
    fsync.into_iter().chain(others).collect()
}

/// What nodes and routers say to each other is nobody else's.
fn is_public(spec: &CommandSpec) -> bool {
    spec.kind != Kind::Node
}

fn public() -> impl Iterator<Item = &'static CommandSpec> {
    COMMANDS.iter().filter(|spec| is_public(spec))
}

fn about_commands(command: &Command) -> Outcome {
    let Some(word) = command.arg(1) else {
        return Ok(Reply::Array(public().map(describe).collect()));
    };
    let named = || command.args().skip(2).map(|name| lookup(name).filter(|spec| is_public(spec)));
    let subcommand = word.to_ascii_lowercase();
    match (subcommand.as_slice(), command.len()) {
        (b"count", 2) => Ok(Reply::count(public().count())),
        (b"list", 2..) => Ok(Reply::Array(public().map(|spec| Reply::text(spec.name)).collect())),
        (b"info", 2) => Ok(Reply::Array(public().map(describe).collect())),
        (b"info", _) => {
            Ok(Reply::Array(named().map(|spec| spec.map_or(Reply::NullArray, describe)).collect()))
        }
        (b"docs", 2) => Ok(Reply::Map(public().map(document).collect())),
        (b"docs", _) => Ok(Reply::Map(named().flatten().map(document).collect())),
        (b"getkeys", 4..) => keys_of(command),
        (b"count" | b"getkeys", _) => {
            let name = format!("command|{}", String::from_utf8_lossy(&subcommand));
            Err(arity_error(&name).into())
        }
        _ => Err(unknown_subcommand_error("command", word).into()),
    }
}

fn keys_of(command: &Command) -> Outcome {
    let spec = command.arg(2).and_then(lookup).ok_or("ERR Invalid command specified")?;
    let words = command.len() - 2;
    if !spec.has_arity(words) {
        return Err("ERR Invalid number of arguments specified for command".into());
    }
    let keys: Vec<_> =
        spec.key_places(words).map(|place| Reply::value(command.arg_bytes(place + 2))).collect();
    if keys.is_empty() {
        return Err("ERR The command has no key arguments".into());
    }
    Ok(Reply::Array(keys))
}

/// The ten elements of COMMAND INFO.
fn describe(spec: &CommandSpec) -> Reply {
    let flags: &[&'static str] = match spec.kind {
        Kind::Read => &["readonly", "fast"],
        Kind::Write => &["write", "denyoom", "fast"],
        Kind::Range => &["readonly"],
        Kind::Connection | Kind::Server => &["loading", "stale", "fast"],
        Kind::Node => &["admin"],
    };
    let empty = || Reply::Array(Vec::new());
    Reply::Array(vec![
        Reply::text(spec.name),
        Reply::Integer(i64::from(spec.arity)),
        Reply::Set(flags.iter().map(|flag| Reply::Simple(flag)).collect()),
        Reply::count(spec.keys.first),
        Reply::Integer(i64::from(spec.keys.last)),
        Reply::count(spec.keys.step),
        Reply::Set(Vec::new()),
        empty(),
        empty(),
        empty(),
    ])
}

fn document(spec: &CommandSpec) -> (Reply, Reply) {
    let group = match spec.kind {
        Kind::Connection => "connection",
        Kind::Server | Kind::Node => "server",
        Kind::Read | Kind::Write | Kind::Range => "generic",
    };
    let pair = |name: &str, value: &str| (Reply::text(name), Reply::text(value));
    let pairs =
        vec![pair("summary", spec.summary), pair("since", spec.since), pair("group", group)];
    (Reply::text(spec.name), Reply::Map(pairs))
}
