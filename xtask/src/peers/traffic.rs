//! Shell. Traffic while data moves: connections in a closed loop, half GET and half SET of keys
//! that are there, the same for ringkv and for a Redis Cluster, whose redirections it follows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use super::connection::{Connection, Reply, Route};
use super::moves::Seen;
use super::protocol::{Random, Redirection, key, put_command, value};
use super::statistics::percentile;

/// Connections.
const CONNECTIONS: u64 = 8;
/// Times that one command is sent on at the most.
const REDIRECTIONS_MAX: u32 = 16;
/// Latencies that one connection keeps.
const LATENCIES_MAX: usize = 20_000_000;

/// Parts of a measurement, one after the other.
const PHASES: usize = 2;
const ENDED: usize = PHASES;

/// What one connection saw in one phase: microseconds, and errors.
#[derive(Default)]
struct Part {
    latencies: Vec<u32>,
    errors: u64,
}

/// Goes on until it is ended.
pub(crate) struct Traffic {
    phase: Arc<AtomicUsize>,
    workers: Vec<JoinHandle<anyhow::Result<Vec<Part>>>>,
    /// When each phase began.
    began: Vec<Instant>,
}

impl Traffic {
    /// Begins the first phase.
    pub(crate) fn start(route: &Route, keys: u64, value_bytes: u32) -> Self {
        let phase = Arc::new(AtomicUsize::new(0));
        let workers = (0..CONNECTIONS)
            .map(|seed| {
                let (route, phase) = (route.clone(), Arc::clone(&phase));
                let work = Work { keys, value_bytes, random: Random::new(seed) };
                thread::spawn(move || Worker::new(route, work).run(&phase))
            })
            .collect();
        Self { phase, workers, began: vec![Instant::now()] }
    }

    /// Begins the second phase.
    pub(crate) fn next_phase(&mut self) {
        self.began.push(Instant::now());
        self.phase.store(self.began.len() - 1, Ordering::Relaxed);
    }

    /// Ends it: what was seen in each phase.
    pub(crate) fn end(mut self) -> anyhow::Result<Vec<Seen>> {
        self.phase.store(ENDED, Ordering::Relaxed);
        self.began.push(Instant::now());
        let mut parts: Vec<Vec<Part>> = Vec::new();
        for worker in std::mem::take(&mut self.workers) {
            let ended = worker.join().unwrap_or_else(|_| bail!("a connection's thread panicked"));
            parts.push(ended.context("traffic")?);
        }
        let mut seen = Vec::new();
        for (phase, pair) in self.began.windows(2).enumerate() {
            let [from, to] = pair else { continue };
            let seconds = (*to - *from).as_secs_f64().max(1e-3);
            let of_phase = parts.iter().filter_map(|of_worker| of_worker.get(phase));
            seen.push(summary(of_phase, seconds));
        }
        Ok(seen)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.phase.store(ENDED, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

fn summary<'a>(parts: impl Iterator<Item = &'a Part>, seconds: f64) -> Seen {
    let (mut latencies, mut errors) = (Vec::new(), 0);
    for part in parts {
        latencies.extend_from_slice(&part.latencies);
        errors += part.errors;
    }
    let per_second = latencies.len() as f64 / seconds;
    let mut at = |share: f64| f64::from(percentile(&mut latencies, share)) / 1e3;
    Seen { per_second, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0), errors }
}

/// What one connection does.
struct Work {
    keys: u64,
    value_bytes: u32,
    random: Random,
}

impl Work {
    /// The next key and command.
    fn next(&mut self) -> (String, Vec<u8>) {
        let random = self.random.next();
        let number = (random >> 1) % self.keys;
        let key = key(number);
        let mut command = Vec::new();
        if random & 1 == 0 {
            put_command(&mut command, &[b"GET", key.as_bytes()]);
        } else {
            let value = value(number, self.value_bytes);
            put_command(&mut command, &[b"SET", key.as_bytes(), &value]);
        }
        (key, command)
    }
}

struct Worker {
    route: Route,
    work: Work,
    connections: BTreeMap<u16, Connection>,
}

impl Worker {
    fn new(route: Route, work: Work) -> Self {
        Self { route, work, connections: BTreeMap::new() }
    }

    fn run(mut self, phase: &AtomicUsize) -> anyhow::Result<Vec<Part>> {
        let mut parts: Vec<Part> = (0..PHASES).map(|_| Part::default()).collect();
        loop {
            let (key, command) = self.work.next();
            let began = Instant::now();
            let reply = self.follow(&key, &command)?;
            let micros = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
            let Some(part) = parts.get_mut(phase.load(Ordering::Relaxed)) else { break };
            match reply {
                Reply::Error(_) => part.errors += 1,
                Reply::Simple(_) | Reply::Bulk(Some(_)) => part.latencies.push(micros),
                Reply::Bulk(None) => bail!("{key} is gone"),
            }
            ensure!(part.latencies.len() < LATENCIES_MAX, "too many commands; give fewer --keys");
        }
        Ok(parts)
    }

    /// Sends a command to where it belongs and, from there, on to where it is sent.
    fn follow(&mut self, key: &str, command: &[u8]) -> anyhow::Result<Reply> {
        let mut port = self.route.port(key.as_bytes());
        let mut asks = false;
        for _ in 0..REDIRECTIONS_MAX {
            let connection = match self.connections.entry(port) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Connection::open(port)?),
            };
            if asks {
                connection.ask(&[b"ASKING"])?;
            }
            connection.send(command)?;
            let reply = connection.reply()?;
            let Reply::Error(error) = &reply else { return Ok(reply) };
            match Redirection::parse(error) {
                None => return Ok(reply),
                Some(Redirection::Ask(to)) => (port, asks) = (to, true),
                Some(Redirection::Moved(slot, to)) => {
                    self.route.learn(slot, to);
                    (port, asks) = (to, false);
                }
            }
        }
        bail!("{key} was sent on {REDIRECTIONS_MAX} times")
    }
}
