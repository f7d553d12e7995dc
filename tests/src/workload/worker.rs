//! Shell. One client: writes its keys, reads them and others, and connects again when it must.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::{Access, Plan, Progress, SHARED_EVERY, SHARED_KEYS, key_name, value_bytes, value_of};
use crate::client_error::ErrorKind;
use crate::ledger::{KeyNumber, Ledger};
use crate::random::Random;
use crate::register::Action;
use crate::resp::{Answer, Client};

/// How long a client waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(50);

pub(super) struct Worker {
    pub(super) plan: Plan,
    pub(super) number: u16,
    pub(super) access: Access,
    pub(super) progress: Rc<Progress>,
    pub(super) ledger: Ledger,
    pub(super) written: u64,
    pub(super) random: Random,
}

impl Worker {
    pub(super) async fn run(mut self, stop: Rc<Cell<bool>>) -> Ledger {
        while !stop.get() {
            if self.work(&stop).await.is_err() {
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        }
        self.ledger
    }

    /// Works on one connection until it breaks or the work is over. Errors are in the ledger.
    async fn work(&mut self, stop: &Cell<bool>) -> anyhow::Result<()> {
        let called = self.ledger.now();
        let mut client = match self.access.connect().await {
            Ok(client) => client,
            Err(error) => {
                let text = format!("client {}: {error:#}", self.number);
                self.record_error(ErrorKind::Connection, None, called, text);
                return Err(error);
            }
        };
        let mut pace = self.access.pace.map(tokio::time::interval);
        if let Some(pace) = &mut pace {
            pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        while !stop.get() {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
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
        let (action, error) = match &result {
            Ok(Answer::Simple(_)) => (Action::Write(value), None),
            Ok(Answer::Error(text)) => {
                let kind = ErrorKind::of_answer(text);
                let refused = kind.is_refusal();
                let action =
                    if refused { Action::Refused(value) } else { Action::Uncertain(value) };
                (action, Some((kind, text.clone())))
            }
            Ok(other) => (Action::Uncertain(value), Some((ErrorKind::Answer, other.text()))),
            Err(error) => {
                (Action::Uncertain(value), Some((ErrorKind::Connection, format!("{error:#}"))))
            }
        };
        self.ledger.record(key, action, called);
        match error {
            None => self.record_success(called),
            Some((kind, text)) => {
                let text = format!("SET {}: {text}", key_name(key));
                self.record_error(kind, Some(key), called, text);
            }
        }
        result.map(drop)
    }

    async fn read(&mut self, client: &mut Client, key: KeyNumber) -> anyhow::Result<()> {
        let called = self.ledger.now();
        let result = client.call(&[b"GET", key_name(key).as_bytes()]).await;
        let (kind, text) = match &result {
            Ok(answer) => {
                if let Some(value) = value_of(answer) {
                    self.ledger.record(key, Action::Read(value), called);
                    self.record_success(called);
                    return Ok(());
                }
                let text = answer.text();
                (ErrorKind::of_answer(text.trim_start_matches('-')), text)
            }
            Err(error) => (ErrorKind::Connection, format!("{error:#}")),
        };
        self.record_error(kind, Some(key), called, format!("GET {}: {text}", key_name(key)));
        result.map(drop)
    }

    fn record_success(&self, called: u64) {
        let took = self.ledger.now().saturating_sub(called);
        self.progress.operations.set(self.progress.operations.get() + 1);
        self.progress.worst.set(self.progress.worst.get().max(took));
    }

    fn record_error(&mut self, kind: ErrorKind, key: Option<KeyNumber>, called: u64, text: String) {
        *self.progress.errors.borrow_mut().entry(kind).or_default() += 1;
        self.ledger.record_error(kind, key, called, text);
    }
}
