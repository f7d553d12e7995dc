//! Shell. A client: writes and reads through the routers, and notes everything.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use anyhow::bail;
use bytes::BytesMut;
use e2e::client_error::ErrorKind;
use e2e::register::{Action, NIL};
use resp::{Command, Limits, ReplyDecoder, Value};
use shell::net::TcpStream;
use shell::simulation::next_u64;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::RESP_PORT;
use crate::history::Outcome;
use crate::plan::ROUTERS;
use crate::stage::{Stage, Work};

/// How long a client waits for an answer.
const ANSWER: Duration = Duration::from_secs(20);
/// How long it waits before it connects again, or looks again at what others do.
const RECONNECT: Duration = Duration::from_millis(30);
/// How long it thinks at most.
const THINK_US: u64 = 12_000;
/// How long keys with an expiry live, in milliseconds.
const SOON_MS: u64 = 2_000;
const LATE_MS: u64 = 3_600_000;
/// Keys of one MSET.
const MSET_KEYS: u32 = 50;
/// Keys that it deletes before it forgets about them.
const DELETED_KEPT: usize = 8;

/// Runs until everything is read.
pub(crate) async fn run(stage: Rc<Stage>, number: usize) -> turmoil::Result {
    let mut client = Client {
        stage,
        number,
        n_filled: 0,
        n_temporary: 0,
        deleted: Vec::new(),
        is_at_rest: false,
    };
    loop {
        match client.work().await {
            Ok(()) => break,
            Err(error) => client.say(&format!("reconnects: {error:#}")),
        }
        sleep(RECONNECT).await;
    }
    client.stage.n_finished.set(client.stage.n_finished.get() + 1);
    std::future::pending().await
}

struct Client {
    stage: Rc<Stage>,
    number: usize,
    n_filled: u32,
    n_temporary: u64,
    deleted: Vec<String>,
    is_at_rest: bool,
}

impl Client {
    fn say(&self, text: &str) {
        self.stage.say(&format!("client-{} {text}", self.number));
    }

    /// Works on one connection; ends when everything was read a last time.
    async fn work(&mut self) -> anyhow::Result<()> {
        let router = next_u64() % ROUTERS as u64;
        let mut connection = Connection::open(&format!("router-{router}:{RESP_PORT}")).await?;
        if self.number == 0 {
            self.fill(&mut connection).await?;
        }
        while self.stage.work.get() == Work::Go {
            sleep(Duration::from_micros(next_u64() % THINK_US)).await;
            match next_u64() % 10 {
                0..=3 => self.write(&mut connection).await?,
                4..=6 => self.read_any(&mut connection).await?,
                7 => self.count(&mut connection).await?,
                8 if next_u64().is_multiple_of(2) => {
                    self.write_and_delete(&mut connection).await?;
                }
                8 => self.write_with_expiry(&mut connection).await?,
                _ => self.read_deleted(&mut connection).await?,
            }
        }
        self.wait_for_the_others().await;
        self.read_all(&mut connection).await
    }

    /// What is read last is judged by what all clients have done, so they have to know that.
    async fn wait_for_the_others(&mut self) {
        let n_at_rest = &self.stage.n_at_rest;
        if !std::mem::replace(&mut self.is_at_rest, true) {
            n_at_rest.set(n_at_rest.get() + 1);
        }
        while n_at_rest.get() < self.stage.plan.clients {
            sleep(RECONNECT).await;
        }
    }

    /// Writes what is there from the beginning, many keys at a time.
    async fn fill(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let n_keys = self.stage.plan.bulk_keys;
        while self.n_filled < n_keys {
            let keys = self.n_filled..(self.n_filled + MSET_KEYS).min(n_keys);
            self.n_filled = keys.end;
            let mut words = vec!["MSET".to_owned()];
            let mut written = Vec::new();
            for number in keys {
                let value = self.stage.history.borrow_mut().new_value();
                written.push((format!("bulk-{number}"), value));
                words.extend([format!("bulk-{number}"), value.to_string()]);
            }
            let called = self.stage.history.borrow_mut().tick();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let answer = connection.call(&words).await;
            self.say(&format!("MSET of {}: {answer:?}", written.len()));
            for (key, value) in written {
                let action = match answer {
                    Ok(Value::Simple(_)) => Action::Write(value),
                    _ => Action::Uncertain(value),
                };
                self.stage.history.borrow_mut().note(&key, action, called);
            }
            answer?;
        }
        Ok(())
    }

    async fn write(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let key = self.some_key();
        let value = self.stage.history.borrow_mut().new_value();
        let called = self.stage.history.borrow_mut().tick();
        let text = value.to_string();
        let answer = connection.call(&["SET", &key, &text]).await;
        let (action, shown) = match &answer {
            Ok(Value::Simple(_)) => (Action::Write(value), "OK".to_owned()),
            Ok(Value::Error(error)) => {
                let error = String::from_utf8_lossy(error).into_owned();
                let kind = ErrorKind::of_answer(&error);
                let refused = kind.is_refusal();
                let action =
                    if refused { Action::Refused(value) } else { Action::Uncertain(value) };
                (action, error)
            }
            other => (Action::Uncertain(value), format!("{other:?}")),
        };
        self.note(&format!("SET {key} {value}"), &shown, matches!(action, Action::Write(_)));
        self.stage.history.borrow_mut().note(&key, action, called);
        answer.map(drop)
    }

    async fn read_any(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let key = self.some_key();
        self.read(connection, &key).await
    }

    /// Reads a register; an error says nothing.
    async fn read(&mut self, connection: &mut Connection, key: &str) -> anyhow::Result<()> {
        let called = self.stage.history.borrow_mut().tick();
        let answer = connection.call(&["GET", key]).await;
        let (value, shown) = match &answer {
            Ok(Value::Bulk(None)) => (Some(NIL), "nil".to_owned()),
            Ok(Value::Bulk(Some(bytes))) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                (Some(text.parse().unwrap_or(u64::MAX)), text)
            }
            other => (None, format!("{other:?}")),
        };
        self.note(&format!("GET {key}"), &shown, value.is_some());
        if let Some(value) = value {
            self.stage.history.borrow_mut().note(key, Action::Read(value), called);
        }
        answer.map(drop)
    }

    async fn count(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let key = format!("counter-{}-{}", self.number, next_u64() % 4);
        let answer = connection.call(&["INCR", &key]).await;
        let outcome = match &answer {
            Ok(Value::Integer(value)) => Outcome::Answered(*value),
            Ok(Value::Error(error))
                if ErrorKind::of_answer(&String::from_utf8_lossy(error)).is_refusal() =>
            {
                Outcome::Refused
            }
            _ => Outcome::Uncertain,
        };
        let is_done = matches!(outcome, Outcome::Answered(_));
        self.note(&format!("INCR {key}"), &format!("{outcome:?}"), is_done);
        self.stage.history.borrow_mut().note_counter(&key, 1, outcome);
        answer.map(drop)
    }

    /// A key that is written once and deleted for good.
    async fn write_and_delete(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        self.n_temporary += 1;
        let key = format!("temporary-{}-{}", self.number, self.n_temporary);
        let answer = connection.call(&["SET", &key, "x"]).await?;
        self.note(&format!("SET {key}"), &format!("{answer:?}"), true);
        if next_u64().is_multiple_of(2) {
            sleep(Duration::from_micros(next_u64() % 300_000)).await;
        }
        let answer = connection.call(&["DEL", &key]).await?;
        let is_deleted = matches!(answer, Value::Integer(_));
        self.note(&format!("DEL {key}"), &format!("{answer:?}"), is_deleted);
        if is_deleted {
            self.stage.history.borrow_mut().note_deleted(&key);
            self.deleted.push(key);
            if self.deleted.len() > DELETED_KEPT {
                self.deleted.remove(0);
            }
        }
        Ok(())
    }

    /// A key that is written once and expires soon, or does not.
    async fn write_with_expiry(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        self.n_temporary += 1;
        let key = format!("expiring-{}-{}", self.number, self.n_temporary);
        let is_soon = next_u64().is_multiple_of(2);
        let life_ms = if is_soon { SOON_MS } else { LATE_MS };
        let answer = connection.call(&["SET", &key, "x", "PX", &life_ms.to_string()]).await?;
        let is_written = matches!(answer, Value::Simple(_));
        self.note(&format!("SET {key} PX {life_ms}"), &format!("{answer:?}"), is_written);
        if is_written {
            self.stage.history.borrow_mut().note_expiry(&key, is_soon);
        }
        Ok(())
    }

    async fn read_deleted(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let n_deleted = self.deleted.len() as u64;
        if n_deleted == 0 {
            return Ok(());
        }
        let index = usize::try_from(next_u64() % n_deleted)?;
        let Some(key) = self.deleted.get(index).cloned() else { return Ok(()) };
        self.read_absent(connection, &key).await
    }

    async fn read_absent(&mut self, connection: &mut Connection, key: &str) -> anyhow::Result<()> {
        let answer = connection.call(&["EXISTS", key]).await?;
        if let Value::Integer(n_found) = answer {
            self.note(&format!("EXISTS {key}"), &n_found.to_string(), true);
            self.stage.history.borrow_mut().note_absent(key, n_found == 0);
        }
        Ok(())
    }

    /// The last look at everything; errors are not expected any more.
    async fn read_all(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let registers = self.stage.history.borrow().registers();
        let reads_bulk = self.number == 0;
        for key in registers.iter().filter(|key| reads_bulk || !key.starts_with("bulk")) {
            self.read(connection, key).await?;
        }
        let deleted = self.stage.history.borrow().deleted();
        for key in deleted {
            self.read_absent(connection, &key).await?;
        }
        // No clock is behind the one by which a key got its expiry; another client may have written
        // one just now.
        sleep(Duration::from_millis(SOON_MS + SOON_MS / 2)).await;
        let expiring = self.stage.history.borrow().with_expiry();
        for key in expiring {
            if let Value::Integer(left_ms) = connection.call(&["PTTL", &key]).await? {
                self.note(&format!("PTTL {key}"), &left_ms.to_string(), true);
                let left_ms = (left_ms != -2).then_some(left_ms);
                self.stage.history.borrow_mut().note_life(&key, left_ms);
            }
        }
        let counters = self.stage.history.borrow().counters();
        for key in counters {
            let answer = connection.call(&["GET", &key]).await?;
            let value = match &answer {
                Value::Bulk(None) => Some(0),
                Value::Bulk(Some(bytes)) => std::str::from_utf8(bytes)?.parse().ok(),
                _ => None,
            };
            self.note(&format!("GET {key}"), &format!("{answer:?}"), value.is_some());
            let Some(value) = value else { bail!("a counter cannot be read: {answer:?}") };
            self.stage.history.borrow_mut().note_counter(&key, 0, Outcome::Answered(value));
        }
        Ok(())
    }

    fn note(&self, command: &str, answer: &str, is_good: bool) {
        self.say(&format!("{command}: {answer}"));
        if !is_good {
            self.stage.history.borrow_mut().n_errors += 1;
        }
    }

    fn some_key(&self) -> String {
        format!("key-{}", next_u64() % u64::from(self.stage.plan.shared_keys))
    }
}

struct Connection {
    stream: TcpStream,
    decoder: ReplyDecoder,
    input: BytesMut,
}

impl Connection {
    async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = timeout(ANSWER, TcpStream::connect(address)).await??;
        let decoder = ReplyDecoder::new(Limits::default());
        Ok(Self { stream, decoder, input: BytesMut::new() })
    }

    async fn call(&mut self, words: &[&str]) -> anyhow::Result<Value> {
        let call = async {
            self.stream.write_all(Command::new(words).raw()).await?;
            loop {
                if let Some(reply) = self.decoder.decode(&mut self.input)? {
                    return anyhow::Ok(Value::parse(&reply)?);
                }
                if self.stream.read_buf(&mut self.input).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
            }
        };
        timeout(ANSWER, call).await?
    }
}
