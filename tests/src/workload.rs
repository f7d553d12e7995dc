//! Shell. Clients that write unique values and read them back, until they are told to stop.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use tokio::task::JoinHandle;

use crate::client_error::ErrorKind;
use crate::ledger::{KeyNumber, Ledger};
use crate::random::Random;
use crate::register::{Action, NIL, Value};
use crate::resp::{Answer, Client, frame};
use worker::Worker;

mod worker;

/// Keys that every client writes; the others have one writer each and many readers.
const SHARED_KEYS: u32 = 64;
/// Of so many writes one goes to a shared key.
const SHARED_EVERY: u64 = 10;
/// Commands in one pipeline when all keys are written or read.
const PIPELINE: u32 = 256;
/// What a client does before it waits for its pace: a write and two reads.
pub const OPERATIONS_A_ROUND: u32 = 3;

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

/// Where clients connect to, and how fast they work.
#[derive(Clone, Debug)]
pub struct Access {
    /// `host:port` of the router.
    pub address: String,
    /// The password, where one is asked for.
    pub password: Option<String>,
    /// The shortest time between two rounds of a client; without one they work as fast as they can.
    pub pace: Option<Duration>,
}

impl Access {
    /// Without a password, as fast as it goes.
    #[must_use]
    pub fn plain(address: &str) -> Self {
        Self { address: address.to_owned(), password: None, pace: None }
    }

    /// Connects, and gives the password.
    ///
    /// # Errors
    /// Nobody listens there, or the password is refused.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        let mut client = Client::connect(&self.address).await?;
        if let Some(password) = &self.password {
            let answer = client.call(&[b"AUTH", password.as_bytes()]).await?.text();
            ensure!(answer == "OK", "AUTH: {answer}");
        }
        Ok(client)
    }
}

/// What clients have done since somebody looked last.
#[derive(Debug, Default)]
pub struct Progress {
    /// Operations that were answered without an error.
    pub operations: Cell<u64>,
    /// The longest that one of them took, in nanoseconds.
    pub worst: Cell<u64>,
    /// Errors by kind.
    pub errors: RefCell<BTreeMap<ErrorKind, u64>>,
}

/// Clients at work.
pub struct Workload {
    stop: Rc<Cell<bool>>,
    progress: Rc<Progress>,
    clients: Vec<JoinHandle<Ledger>>,
}

impl Workload {
    /// Starts the clients on the current `LocalSet`; their ledgers are on the clock of `ledger`.
    #[must_use]
    pub fn start(plan: Plan, address: &str, ledger: &Ledger) -> Self {
        Self::start_with(plan, &Access::plain(address), ledger)
    }

    /// The same with a password or at a pace.
    #[must_use]
    pub fn start_with(plan: Plan, access: &Access, ledger: &Ledger) -> Self {
        let stop = Rc::new(Cell::new(false));
        let progress = Rc::new(Progress::default());
        let clients = (0..plan.clients)
            .map(|number| {
                let worker = Worker {
                    plan,
                    number,
                    access: access.clone(),
                    progress: Rc::clone(&progress),
                    ledger: Ledger::beside(ledger),
                    written: 0,
                    random: Random::new(plan.seed ^ (u64::from(number) + 1) << 32),
                };
                tokio::task::spawn_local(worker.run(Rc::clone(&stop)))
            })
            .collect();
        Self { stop, progress, clients }
    }

    /// What the clients do.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
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
    write_all_with(plan, &mut Client::connect(address).await?, ledger).await
}

/// The same on a connection that there is.
///
/// # Errors
/// A write that was not acknowledged.
pub async fn write_all_with(
    plan: Plan,
    client: &mut Client,
    ledger: &mut Ledger,
) -> anyhow::Result<()> {
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
    read_all_with(plan, &mut Client::connect(address).await?, ledger).await
}

/// The same on a connection that there is.
///
/// # Errors
/// A read that failed.
pub async fn read_all_with(
    plan: Plan,
    client: &mut Client,
    ledger: &mut Ledger,
) -> anyhow::Result<()> {
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
