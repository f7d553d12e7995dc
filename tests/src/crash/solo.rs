//! Shell. One server that owns the whole ring, and a client that writes a fixed script to it.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Instant;

use anyhow::ensure;

use super::book::{Book, State};
use super::coordinator::Coordinator;
use super::script;
use crate::client_error::ErrorKind;
use crate::random::Random;
use crate::resp::{Answer, Client, frame};
use crate::server::{Server, Settings};

/// A server alone.
pub struct Solo {
    /// The server.
    pub server: Server,
    /// Its coordinator.
    pub coordinator: Coordinator,
    /// What its client knows.
    pub book: Book,
    /// Whether it has been made a ring.
    pub is_created: bool,
    /// How it ended, once it has.
    pub status: Option<ExitStatus>,
    began: Instant,
    /// How many writes of the script were sent.
    n_sent: u32,
}

/// The answer to one read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A state.
    State(State),
    /// An error that says why there is none.
    Error(String),
}

impl Solo {
    /// Prepares one in this directory, and starts nothing.
    ///
    /// # Errors
    /// No ports.
    pub async fn prepare(directory: &Path, data: &Path) -> anyhow::Result<Self> {
        let coordinator = Coordinator::start().await?;
        let settings = Settings {
            name: "kv-0".to_owned(),
            data: data.to_owned(),
            log: directory.join("kv-0.log"),
            coordinator: coordinator.address().to_owned(),
            durability: "always",
            wrapper: Vec::new(),
        };
        let server = Server::prepare(settings)?;
        Ok(Self {
            server,
            coordinator,
            book: script::book(),
            is_created: false,
            status: None,
            began: Instant::now(),
            n_sent: 0,
        })
    }

    /// Goes on where another one has been killed, on a copy of its data.
    ///
    /// # Errors
    /// That one was no ring.
    pub fn go_on_from(&mut self, other: &Self) -> anyhow::Result<()> {
        self.coordinator.adopt(&other.coordinator)?;
        self.book = other.book.clone();
        self.began = other.began;
        self.n_sent = other.n_sent;
        self.is_created = other.is_created;
        Ok(())
    }

    /// Starts it on a new directory, and makes a ring of it.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn create(&mut self) -> anyhow::Result<()> {
        self.server.start()?;
        self.coordinator.bootstrap(&mut [&mut self.server]).await?;
        self.is_created = true;
        Ok(())
    }

    /// Sends so many writes of the script, as long as the server answers; whether it does.
    ///
    /// # Errors
    /// It answers what it never should.
    pub async fn write(&mut self, count: u32) -> anyhow::Result<bool> {
        let Ok(mut client) = Client::connect(&self.server.resp()).await else { return Ok(false) };
        for _ in 0..count {
            let (key, state, command) = script::write(&self.book, self.n_sent);
            self.n_sent += 1;
            self.book.sent(&key, state, 0, self.now());
            if client.send(&command).await.is_err() {
                return Ok(false);
            }
            match client.answer().await {
                Err(_) => return Ok(false),
                Ok(Answer::Error(text)) => {
                    ensure!(ErrorKind::of_answer(&text).is_refusal(), "{key}: {text}");
                    self.book.refused(&key);
                }
                Ok(Answer::Simple(_) | Answer::Integer(_)) => {
                    self.book.acknowledged(&key, self.now());
                }
                Ok(answer) => anyhow::bail!("{key}: {}", answer.text()),
            }
        }
        Ok(true)
    }

    /// Writes so many bytes to keys that nobody looks at, so that the engine writes tables.
    ///
    /// # Errors
    /// It answers what it never should.
    pub async fn fill(&mut self, n_bytes: u32) -> anyhow::Result<bool> {
        const VALUE_BYTES: u32 = 64 << 10;
        let Ok(mut client) = Client::connect(&self.server.resp()).await else { return Ok(false) };
        let mut random = Random::new(1);
        for number in 0..n_bytes / VALUE_BYTES {
            let words = (0..VALUE_BYTES / 8).flat_map(|_| random.next().to_be_bytes());
            let value: Vec<u8> = words.collect();
            let answer = client.call(&[b"SET", format!("f:{number}").as_bytes(), &value]).await?;
            ensure!(answer.text() == "OK", "SET: {}", answer.text());
            // Small keys among the large ones, so that they lie in tables as well.
            self.write(1).await?;
        }
        Ok(true)
    }

    /// Reads every key; `None` where the server ends meanwhile.
    ///
    /// # Errors
    /// It answers what it never should.
    pub async fn read(&self) -> anyhow::Result<Option<Vec<(String, Seen)>>> {
        let Ok(mut client) = Client::connect(&self.server.resp()).await else { return Ok(None) };
        let mut seen = Vec::new();
        for key in self.book.keys() {
            let mut answers = Vec::new();
            for command in [&b"GET"[..], b"PTTL"] {
                if client.send(&frame(&[command, key.as_bytes()])).await.is_err() {
                    return Ok(None);
                }
                let Ok(answer) = client.answer().await else { return Ok(None) };
                answers.push(answer);
            }
            let state = match answers.as_slice() {
                [Answer::Bulk(None), Answer::Integer(-2)] => Seen::State(State::Absent),
                [Answer::Bulk(Some(bytes)), Answer::Integer(left)] if *left != -2 => {
                    Seen::State(State::Value { bytes: bytes.clone(), expires: *left > 0 })
                }
                [Answer::Error(text), _] | [_, Answer::Error(text)] => Seen::Error(text.clone()),
                other => anyhow::bail!("{key}: {other:?}"),
            };
            seen.push((key.to_owned(), state));
        }
        Ok(Some(seen))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
