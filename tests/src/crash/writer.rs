//! Shell. One client: writes its own keys on whichever server owns them, reads them back, and
//! writes down in its [`Book`] what it was told.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use ring::Point;

use super::book::{Book, State};
use crate::client_error::ErrorKind;
use crate::random::Random;
use crate::resp::{Answer, Client, frame};

/// How long a client waits where no server takes its commands.
const PAUSE: Duration = Duration::from_millis(1);
/// Commands in one pipeline at most, each to a key of its own.
const PIPELINE_MAX: u32 = 8;
/// One write of so many has a large value, which takes several pages of a journal.
const LARGE_EVERY: u32 = 32;
const LARGE_BYTES: u32 = 40_000;
const SMALL_BYTES: u32 = 400;
/// How many keys are read at a time.
const READ_PIPELINE: usize = 128;
/// A value that grew to this length is set anew.
const APPENDED_BYTES_MAX: usize = 4_000;
/// An expiry that no test lives to see, in seconds.
const EXPIRY_S: &[u8] = b"1000000";

/// Where servers are, and what the clients share.
#[derive(Clone)]
pub struct Shared {
    /// The RESP address of each server.
    pub addresses: Vec<String>,
    /// The clock of every book.
    pub began: Instant,
    /// Set when it is time to stop.
    pub stop: Rc<Cell<bool>>,
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What a client did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes that were refused with the promise that they were not applied.
    pub refused: u64,
    /// Writes that were sent and not answered.
    pub unanswered: u64,
    /// Reads of its own writes, all of them right.
    pub reads: u64,
}

impl Done {
    /// Adds what another one did.
    pub fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.reads += other.reads;
    }
}

/// A client and its keys.
pub struct Writer {
    keys: Vec<String>,
    /// Which server is asked first for a key.
    homes: BTreeMap<String, usize>,
    /// What it knows.
    pub book: Book,
    random: Random,
    /// Makes every value another one.
    counter: u64,
    number: u32,
}

struct Sent {
    key: String,
    state: Option<State>,
}

impl Writer {
    /// A client with so many keys.
    #[must_use]
    pub fn new(number: u32, n_keys: u32, seed: u64) -> Self {
        let keys: Vec<String> = (0..n_keys).map(|key| format!("w{number}:{key}")).collect();
        let mut book = Book::default();
        keys.iter().for_each(|key| book.add_key(key.clone()));
        let random = Random::new(seed ^ u64::from(number + 1) << 40);
        Self { keys, homes: BTreeMap::new(), book, random, counter: 0, number }
    }

    /// Works until it is time to stop.
    ///
    /// # Errors
    /// A server answered what it never should.
    pub async fn run(&mut self, shared: Shared) -> anyhow::Result<Done> {
        let mut connections: Vec<Option<Client>> = shared.addresses.iter().map(|_| None).collect();
        let mut done = Done::default();
        while !shared.stop.get() {
            let first = self.random_key();
            let server = self.home(&first, shared.addresses.len());
            let Some(client) = connect(&mut connections, &shared.addresses, server).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let batch = self.batch(first, server, shared.addresses.len());
            if batch.is_empty() {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let goes_on = self.exchange(client, batch, server, &shared, &mut done).await?;
            if !goes_on && let Some(connection) = connections.get_mut(server) {
                *connection = None;
            }
        }
        Ok(done)
    }

    fn random_key(&mut self) -> String {
        let index = self.random.below(u32::try_from(self.keys.len()).unwrap_or(u32::MAX));
        self.keys.get(index as usize).cloned().unwrap_or_default()
    }

    /// Which server is believed to own a key.
    fn home(&mut self, key: &str, n_servers: usize) -> usize {
        // By the first assignment, or by chance: MOVED tells better.
        let guess = usize::from(Point::of(key.as_bytes()).0 >> 127 == 1) % n_servers;
        *self.homes.entry(key.to_owned()).or_insert(guess)
    }

    /// Some keys of one server, each once, and what is done with them.
    fn batch(&mut self, first: String, server: usize, n_servers: usize) -> Vec<(Sent, Vec<u8>)> {
        let length = 1 + self.random.below(PIPELINE_MAX);
        let mut keys = vec![first];
        for _ in 1..length {
            let key = self.random_key();
            if !keys.contains(&key) && self.home(&key, n_servers) == server {
                keys.push(key);
            }
        }
        keys.into_iter().filter_map(|key| self.command(key)).collect()
    }

    /// A command on a key, and the state that it leaves; `None` as a state is a read.
    fn command(&mut self, key: String) -> Option<(Sent, Vec<u8>)> {
        let known = self.book.known(&key)?.clone();
        self.counter += 1;
        let token = format!("{}.{};", self.number, self.counter);
        let name = key.as_bytes();
        let (state, command) = match (self.random.below(8), known) {
            (0, _) => (None, frame(&[b"GET", name])),
            (1, State::Value { .. }) => (Some(State::Absent), frame(&[b"DEL", name])),
            (2..=4, State::Value { bytes, expires }) if bytes.len() < APPENDED_BYTES_MAX => {
                let bytes = [bytes, token.clone().into_bytes()].concat();
                let command = frame(&[b"APPEND", name, token.as_bytes()]);
                (Some(State::Value { bytes, expires }), command)
            }
            (kind, _) => {
                let bytes = self.value(&token);
                let expires = kind == 5;
                let command = if expires {
                    frame(&[b"SET", name, &bytes, b"EX", EXPIRY_S])
                } else {
                    frame(&[b"SET", name, &bytes])
                };
                (Some(State::Value { bytes, expires }), command)
            }
        };
        Some((Sent { key, state }, command))
    }

    /// A value of its own, of some length, which does not compress to nothing.
    fn value(&mut self, token: &str) -> Vec<u8> {
        let is_large = self.random.below(LARGE_EVERY) == 0;
        let length = self.random.below(if is_large { LARGE_BYTES } else { SMALL_BYTES }) as usize;
        let mut bytes = token.as_bytes().to_vec();
        while bytes.len() < length {
            bytes.extend_from_slice(&self.random.next().to_be_bytes());
        }
        bytes
    }

    /// Sends a batch and takes its answers; whether the connection can be used on.
    async fn exchange(
        &mut self,
        client: &mut Client,
        batch: Vec<(Sent, Vec<u8>)>,
        server: usize,
        shared: &Shared,
        done: &mut Done,
    ) -> anyhow::Result<bool> {
        let mut bytes = Vec::new();
        let now = shared.now();
        for (sent, command) in &batch {
            bytes.extend_from_slice(command);
            if let Some(state) = &sent.state {
                self.book.sent(&sent.key, state.clone(), server, now);
            }
        }
        let mut goes_on = client.send(&bytes).await.is_ok();
        let mut is_refused = false;
        for (sent, _) in batch {
            let answer = if goes_on { client.answer().await.ok() } else { None };
            let Some(answer) = answer else {
                goes_on = false;
                done.unanswered += u64::from(sent.state.is_some());
                continue;
            };
            is_refused |= self.take(sent, &answer, server, shared, done)?;
        }
        if is_refused {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(goes_on)
    }

    /// Takes one answer; whether it was a refusal.
    fn take(
        &mut self,
        sent: Sent,
        answer: &Answer,
        server: usize,
        shared: &Shared,
        done: &mut Done,
    ) -> anyhow::Result<bool> {
        let Sent { key, state } = sent;
        if let Answer::Error(text) = answer {
            if text.starts_with("MOVED") {
                self.homes.insert(key.clone(), (server + 1) % shared.addresses.len());
            } else {
                ensure!(ErrorKind::of_answer(text).is_refusal(), "{key}: {text}");
            }
            if state.is_some() {
                self.book.refused(&key);
                done.refused += 1;
            }
            return Ok(true);
        }
        match (&state, answer) {
            (None, Answer::Bulk(bytes)) => {
                let known = match self.book.known(&key) {
                    Some(State::Value { bytes, .. }) => Some(bytes),
                    Some(State::Absent) | None => None,
                };
                ensure!(bytes.as_ref() == known, "{key}: read {}, known {known:?}", answer.text());
                done.reads += 1;
            }
            (Some(State::Absent), Answer::Integer(1)) | (Some(_), Answer::Simple(_)) => {
                self.acknowledged(&key, shared, done);
            }
            (Some(State::Value { bytes, .. }), Answer::Integer(length)) => {
                ensure!(usize::try_from(*length)? == bytes.len(), "{key}: {length} bytes");
                self.acknowledged(&key, shared, done);
            }
            _ => bail!("{key}: {} to {state:?}", answer.text()),
        }
        Ok(false)
    }

    fn acknowledged(&mut self, key: &str, shared: &Shared, done: &mut Done) {
        self.book.acknowledged(key, shared.now());
        done.acknowledged += 1;
    }
}

async fn connect<'a>(
    connections: &'a mut [Option<Client>],
    addresses: &[String],
    server: usize,
) -> Option<&'a mut Client> {
    let connection = connections.get_mut(server)?;
    if connection.is_none() {
        *connection = Client::connect(addresses.get(server)?).await.ok();
    }
    connection.as_mut()
}

/// Reads every key with its expiry, from whichever server owns it.
///
/// # Errors
/// A server answers with an error other than MOVED, or a key is owned by nobody.
pub async fn read_all<'a>(
    keys: impl Iterator<Item = &'a str>,
    addresses: &[String],
) -> anyhow::Result<BTreeMap<String, State>> {
    const ROUNDS_MAX: u32 = 5_000;
    let mut seen = BTreeMap::new();
    let mut left: Vec<&str> = keys.collect();
    for round in 0..ROUNDS_MAX {
        for address in addresses {
            if left.is_empty() {
                return Ok(seen);
            }
            let mut client = Client::connect(address).await?;
            let mut moved = Vec::new();
            for some in left.chunks(READ_PIPELINE) {
                moved.extend(read(&mut client, some, &mut seen).await?);
            }
            left = moved;
        }
        if round > 0 && !left.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    ensure!(left.is_empty(), "{} keys are owned by nobody, such as {:?}", left.len(), left.first());
    Ok(seen)
}

/// Reads the states of some keys; gives back those that another server has.
async fn read<'a>(
    client: &mut Client,
    keys: &[&'a str],
    seen: &mut BTreeMap<String, State>,
) -> anyhow::Result<Vec<&'a str>> {
    let mut bytes = Vec::new();
    for key in keys {
        bytes.extend(frame(&[b"GET", key.as_bytes()]));
        bytes.extend(frame(&[b"PTTL", key.as_bytes()]));
    }
    client.send(&bytes).await?;
    let mut moved = Vec::new();
    for key in keys {
        let state = match (client.answer().await?, client.answer().await?) {
            (Answer::Bulk(None), Answer::Integer(-2)) => State::Absent,
            (Answer::Bulk(Some(bytes)), Answer::Integer(left)) if left != -2 => {
                State::Value { bytes, expires: left > 0 }
            }
            // It may move between the two.
            (_, Answer::Error(text)) if text.starts_with("MOVED") => {
                moved.push(*key);
                continue;
            }
            (one, two) => bail!("GET and PTTL of {key}: {} and {}", one.text(), two.text()),
        };
        seen.insert((*key).to_owned(), state);
    }
    Ok(moved)
}
