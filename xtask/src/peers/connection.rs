//! Shell. A connection to a server that speaks RESP, and what is written and looked up through many
//! of them before a measurement.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::protocol::{Random, SLOTS, key, put_command, slot_of, value};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The longest line and the longest value that are read.
const LINE_BYTES_MAX: u64 = 64 * 1024;
const BULK_BYTES_MAX: usize = 64 << 20;
/// Connections that write keys, and commands that each sends at once.
const WRITERS: u64 = 4;
const AT_ONCE: usize = 200;
/// Keys that are looked up to see how many are there.
const LOOKUPS: u64 = 1_000;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status or a number, as text.
    Simple(String),
    /// A value; `None` where there is none.
    Bulk(Option<Vec<u8>>),
    /// An error.
    Error(String),
}

/// One connection.
pub(crate) struct Connection {
    port: u16,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to that port of this machine.
    pub(crate) fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port));
        let stream = stream.with_context(|| format!("cannot connect to port {port}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self { port, stream: BufReader::new(stream) })
    }

    /// Sends what [`put_command`] has made.
    pub(crate) fn send(&mut self, commands: &[u8]) -> anyhow::Result<()> {
        self.stream.get_mut().write_all(commands).with_context(|| self.what("cannot write to"))
    }

    /// Reads the next answer.
    pub(crate) fn reply(&mut self) -> anyhow::Result<Reply> {
        let mut line = String::new();
        let read = (&mut self.stream).take(LINE_BYTES_MAX).read_line(&mut line);
        read.with_context(|| self.what("no answer from"))?;
        let text = line.strip_suffix("\r\n").with_context(|| self.what("the end of"))?;
        match text.split_at_checked(1) {
            Some(("+" | ":", rest)) => Ok(Reply::Simple(rest.to_owned())),
            Some(("-", rest)) => Ok(Reply::Error(rest.to_owned())),
            Some(("$", "-1")) => Ok(Reply::Bulk(None)),
            Some(("$", length)) => {
                let length: usize = length.parse().with_context(|| format!("length {length}"))?;
                ensure!(length <= BULK_BYTES_MAX, "an answer of {length} bytes");
                let mut bulk = vec![0; length + 2];
                self.stream.read_exact(&mut bulk).with_context(|| self.what("no answer from"))?;
                bulk.truncate(length);
                Ok(Reply::Bulk(Some(bulk)))
            }
            _ => bail!("port {} answered {text:?}", self.port),
        }
    }

    /// Sends one command and waits for its answer.
    pub(crate) fn ask(&mut self, words: &[&[u8]]) -> anyhow::Result<Reply> {
        let mut command = Vec::new();
        put_command(&mut command, words);
        self.send(&command)?;
        self.reply()
    }

    fn what(&self, failed: &str) -> String {
        format!("{failed} port {}", self.port)
    }
}

/// Who has which key.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// Whatever is behind this port.
    One(u16),
    /// The port of the owner of each slot.
    Slots(Vec<u16>),
}

impl Route {
    /// Masters that share all slots as `redis-cli --cluster create` does it.
    pub(crate) fn even(ports: &[u16]) -> anyhow::Result<Self> {
        ensure!(!ports.is_empty(), "a cluster without masters");
        let share = f64::from(SLOTS) / ports.len() as f64;
        let port_of = |slot: u16| {
            let first_of = |index: usize| (index as f64 * share).round() as u16;
            let owner = ports.iter().enumerate().rfind(|(index, _)| first_of(*index) <= slot);
            owner.map_or(0, |(_, port)| *port)
        };
        Ok(Self::Slots((0..SLOTS).map(port_of).collect()))
    }

    /// The port for a key.
    pub(crate) fn port(&self, key: &[u8]) -> u16 {
        match self {
            Self::One(port) => *port,
            Self::Slots(ports) => ports.get(usize::from(slot_of(key))).copied().unwrap_or(0),
        }
    }

    /// The slot has another owner.
    pub(crate) fn learn(&mut self, slot: u16, port: u16) {
        if let Self::Slots(ports) = self
            && let Some(owner) = ports.get_mut(usize::from(slot))
        {
            *owner = port;
        }
    }
}

/// Writes every key with a value of its own.
pub(crate) fn write_all(route: &Route, keys: u64, value_bytes: u32) -> anyhow::Result<()> {
    let results: Vec<anyhow::Result<()>> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write_share(route, writer, keys, value_bytes)))
            .collect();
        let ended = writers.into_iter().map(|writer| writer.join());
        ended.map(|end| end.unwrap_or_else(|_| bail!("a writer panicked"))).collect()
    });
    results.into_iter().collect::<anyhow::Result<()>>().context("cannot write the keys")
}

fn write_share(route: &Route, writer: u64, keys: u64, value_bytes: u32) -> anyhow::Result<()> {
    let mut connections: BTreeMap<u16, Connection> = BTreeMap::new();
    let numbers: Vec<u64> = (writer..keys).step_by(WRITERS as usize).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let mut batches: BTreeMap<u16, (usize, Vec<u8>)> = BTreeMap::new();
        for number in numbers {
            let key = key(*number);
            let (count, commands) = batches.entry(route.port(key.as_bytes())).or_default();
            *count += 1;
            put_command(commands, &[b"SET", key.as_bytes(), &value(*number, value_bytes)]);
        }
        for (port, (_, commands)) in &batches {
            let connection = match connections.entry(*port) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Connection::open(*port)?),
            };
            connection.send(commands)?;
        }
        for (port, (count, _)) in &batches {
            let connection = connections.get_mut(port).context("no connection")?;
            for _ in 0..*count {
                let reply = connection.reply()?;
                ensure!(reply == Reply::Simple("OK".to_owned()), "SET was answered {reply:?}");
            }
        }
    }
    Ok(())
}

/// The share of random keys that are there.
pub(crate) fn hit_share(port: u16, keys: u64) -> anyhow::Result<f64> {
    let mut connection = Connection::open(port)?;
    let mut random = Random::new(keys);
    let mut hits = 0;
    for _ in 0..LOOKUPS {
        let key = key(random.next() % keys);
        match connection.ask(&[b"GET", key.as_bytes()])? {
            Reply::Bulk(found) => hits += u64::from(found.is_some()),
            other => bail!("GET {key} was answered {other:?}"),
        }
    }
    Ok(hits as f64 / LOOKUPS as f64)
}

/// Whether what is there answers.
pub(crate) fn answers(port: u16) -> bool {
    let reply = Connection::open(port).and_then(|mut connection| connection.ask(&[b"PING"]));
    reply.is_ok_and(|reply| reply == Reply::Simple("PONG".to_owned()))
}
