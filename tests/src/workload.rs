//! Shell. Clients that write unique values and read them back, until they are told to stop.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use tokio::task::JoinHandle;

use crate::ledger::{KeyNumber, Ledger};
use crate::random::Random;
use crate::register::{Action, NIL, Value};
use crate::resp::{Answer, Client, frame};

/// Keys that every client writes; the others have one writer each and many readers.
const SHARED_KEYS: u32 = 64;
/// Of so many writes one goes to a shared key.
const SHARED_EVERY: u64 = 10;
/// Commands in one pipeline when all keys are written or read.
const PIPELINE: u32 = 256;
/// Beginnings of errors that promise that nothing was applied.
const NOT_APPLIED: [&str; 3] = ["TRYAGAIN", "LOADING", "ERR disk full"];

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Keys are numbered `0 .. keys`.
    pub keys: u32,
    /// How many clients.
    pub clients: u16,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Where the choices begin; the same seed makes the same choices.
    pub seed: u64,
}

/// The name of a key.
#[must_use]
pub fn key_name(key: KeyNumber) -> String {
    format!("key:{key:08}")
}

/// Clients at work.
pub struct Workload {
    stop: Rc<Cell<bool>>,
    clients: Vec<JoinHandle<Ledger>>,
}

impl Workload {
    /// Starts the clients on the current `LocalSet`; their ledgers are on the clock of `ledger`.
    #[must_use]
    pub fn start(plan: Plan, address: &str, ledger: &Ledger) -> Self {
        let stop = Rc::new(Cell::new(false));
        let clients = (0..plan.clients)
            .map(|number| {
                let worker = Worker {
                    plan,
                    number,
                    address: address.to_owned(),
                    ledger: Ledger::beside(ledger),
                    written: 0,
                    random: Random::new(plan.seed ^ (u64::from(number) + 1) << 32),
                };
                tokio::task::spawn_local(worker.run(Rc::clone(&stop)))
            })
            .collect();
        Self { stop, clients }
    }

    /// Lets the clients finish their operation, and adds what they did to the ledger.
    ///
    /// # Errors
    /// A client panicked.
    pub async fn stop(self, ledger: &mut Ledger) -> anyhow::Result<()> {
        self.stop.set(true);
        for client in self.clients {
            ledger.merge(client.await?);
        }
        Ok(())
    }
}

/// Writes every key once.
///
/// # Errors
/// A write that was not acknowledged.
pub async fn write_all(plan: Plan, address: &str, ledger: &mut Ledger) -> anyhow::Result<()> {
    let mut client = Client::connect(address).await?;
    let numbers: Vec<u32> = (0..plan.keys).collect();
    for keys in numbers.chunks(PIPELINE as usize) {
        let mut bytes = Vec::new();
        for key in keys {
            let value = value_bytes(Value::from(*key) + 1, plan.value_bytes);
            bytes.extend(frame(&[b"SET", key_name(*key).as_bytes(), &value]));
        }
        let called = ledger.now();
        client.send(&bytes).await?;
        for key in keys {
            let answer = client.answer().await?;
            ensure!(answer.text() == "OK", "SET {}: {}", key_name(*key), answer.text());
            ledger.record(*key, Action::Write(Value::from(*key) + 1), called);
        }
    }
    Ok(())
}

/// Reads every key once.
///
/// # Errors
/// A read that failed.
pub async fn read_all(plan: Plan, address: &str, ledger: &mut Ledger) -> anyhow::Result<()> {
    let mut client = Client::connect(address).await?;
    let numbers: Vec<u32> = (0..plan.keys).collect();
    for keys in numbers.chunks(PIPELINE as usize) {
        let frames = keys.iter().flat_map(|key| frame(&[b"GET", key_name(*key).as_bytes()]));
        let bytes: Vec<u8> = frames.collect();
        let called = ledger.now();
        client.send(&bytes).await?;
        for key in keys {
            let answer = client.answer().await?;
            let Some(value) = value_of(&answer) else {
                anyhow::bail!("GET {}: {}", key_name(*key), answer.text());
            };
            ledger.record(*key, Action::Read(value), called);
        }
    }
    Ok(())
}

/// Writes as fast as the cluster takes it, over a pipeline, until it is told to stop; how many
/// writes were acknowledged.
///
/// # Errors
/// A write that was not acknowledged.
pub async fn press(plan: Plan, address: &str, stop: &Cell<bool>) -> anyhow::Result<u64> {
    let mut client = Client::connect(address).await?;
    let mut random = Random::new(plan.seed);
    let value = value_bytes(1, plan.value_bytes);
    let mut acknowledged = 0;
    while !stop.get() {
        let keys: Vec<String> = (0..PIPELINE).map(|_| key_name(random.below(plan.keys))).collect();
        let frames = keys.iter().flat_map(|key| frame(&[b"SET", key.as_bytes(), &value]));
        client.send(&frames.collect::<Vec<u8>>()).await?;
        for key in &keys {
            let answer = client.answer().await?.text();
            ensure!(answer == "OK", "SET {key}: {answer}");
            acknowledged += 1;
        }
    }
    Ok(acknowledged)
}

/// The bytes of a value: its number in 16 hexadecimal digits, then filling.
fn value_bytes(value: Value, length: usize) -> Vec<u8> {
    let mut bytes = format!("{value:016x}").into_bytes();
    bytes.resize(length.max(16), b'.');
    bytes
}

/// The value in an answer to GET; `None` where it is an error or something else.
fn value_of(answer: &Answer) -> Option<Value> {
    match answer {
        Answer::Bulk(None) => Some(NIL),
        Answer::Bulk(Some(bytes)) => {
            let digits = std::str::from_utf8(bytes.get(..16)?).ok()?;
            Value::from_str_radix(digits, 16).ok()
        }
        _ => None,
    }
}

struct Worker {
    plan: Plan,
    number: u16,
    address: String,
    ledger: Ledger,
    written: u64,
    random: Random,
}

impl Worker {
    async fn run(mut self, stop: Rc<Cell<bool>>) -> Ledger {
        while !stop.get() {
            let Err(error) = self.work(&stop).await else { break };
            self.ledger.record_error(format!("client {}: {error:#}", self.number));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.ledger
    }

    /// Works on one connection until it breaks or the work is over.
    async fn work(&mut self, stop: &Cell<bool>) -> anyhow::Result<()> {
        let mut client = Client::connect(&self.address).await?;
        while !stop.get() {
            let mine = self.own_key();
            self.write(&mut client, mine).await?;
            self.read(&mut client, mine).await?;
            let any = self.random.below(self.plan.keys);
            self.read(&mut client, any).await?;
        }
        Ok(())
    }

    /// A key that this client may write.
    fn own_key(&mut self) -> KeyNumber {
        let (clients, keys) = (u32::from(self.plan.clients), self.plan.keys);
        if self.random.next().is_multiple_of(SHARED_EVERY) {
            return self.random.below(SHARED_KEYS.min(keys));
        }
        let key = SHARED_KEYS + self.random.below(keys / clients) * clients;
        (key + u32::from(self.number)).min(keys - 1)
    }

    async fn write(&mut self, client: &mut Client, key: KeyNumber) -> anyhow::Result<()> {
        self.written += 1;
        let value = (u64::from(self.number) + 1) << 40 | self.written;
        let bytes = value_bytes(value, self.plan.value_bytes);
        let called = self.ledger.now();
        let result = client.call(&[b"SET", key_name(key).as_bytes(), &bytes]).await;
        let action = match &result {
            Ok(Answer::Simple(_)) => Action::Write(value),
            Ok(Answer::Error(text)) if NOT_APPLIED.iter().any(|start| text.starts_with(start)) => {
                Action::Refused(value)
            }
            _ => Action::Uncertain(value),
        };
        self.ledger.record(key, action, called);
        if let Ok(Answer::Error(text)) = &result {
            self.ledger.record_error(format!("SET {}: {text}", key_name(key)));
        }
        result.map(drop)
    }

    async fn read(&mut self, client: &mut Client, key: KeyNumber) -> anyhow::Result<()> {
        let called = self.ledger.now();
        let answer = client.call(&[b"GET", key_name(key).as_bytes()]).await?;
        match value_of(&answer) {
            Some(value) => self.ledger.record(key, Action::Read(value), called),
            None => {
                self.ledger.record_error(format!("GET {}: {}", key_name(key), answer.text()));
            }
        }
        Ok(())
    }
}
