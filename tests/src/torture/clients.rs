//! Shell. The clients of a round: each does one operation after the other, and writes down all.

mod answers;
pub(super) mod last_read;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::history::{History, Key, Operation, Trouble};
use super::plan::{Choice, Kind, Nemesis};
use crate::client_error::ErrorKind;
use crate::random::Random;
use crate::resp::{Answer, Client, frame};
use crate::{append, counter, register, sequence};
use answers::{list_length, number_of, tokens_of, value_of};

/// How many keys there are of each kind; few, so that operations meet.
const REGISTERS: u32 = 1_200;
const LISTS: u32 = 40;
const COUNTERS: u32 = 60;
const PLACES: u32 = 30;
/// A list or a sequence that has had so many writes is full, and another key takes its place.
const LIST_WRITES_MAX: u64 = 64;
const SEQUENCE_WRITES_MAX: u32 = 60;
/// Keys of one MSET or MGET, and commands of one pipeline.
const GROUP: u32 = 4;
/// The longest filling of a value.
const FILLING_MAX: u32 = 400;
/// The longest life of a value that expires.
pub(super) const LIFE_MAX: Duration = Duration::from_secs(3);
/// How long a client waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(50);

/// What all clients of a round share.
pub(super) struct Shared {
    pub(super) round: u32,
    pub(super) address: String,
    kinds: Vec<Kind>,
    /// Whether some values expire.
    expiring: bool,
    began: Instant,
    pub(super) stop: Cell<bool>,
    pub(super) operations: Cell<u64>,
    /// How many lists at each place are full.
    full: RefCell<Vec<u32>>,
    /// How many keys each writer has given up at each of its places.
    given_up: RefCell<Vec<Vec<u32>>>,
}

impl Shared {
    pub(super) fn new(round: u32, address: String, choice: &Choice, clients: u16) -> Self {
        Self {
            round,
            address,
            kinds: choice.kinds.clone(),
            // Where the wall clock jumps, nobody knows when they should.
            expiring: !choice.nemeses.contains(&Nemesis::Clock),
            began: Instant::now(),
            stop: Cell::new(false),
            operations: Cell::new(0),
            full: RefCell::new(vec![0; LISTS as usize]),
            given_up: RefCell::new(vec![vec![0; PLACES as usize]; usize::from(clients)]),
        }
    }

    /// The time on the clock of the history, in nanoseconds; above 0.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// Starts the clients on the current `LocalSet`.
pub(super) fn start(shared: &Rc<Shared>, clients: u16, seed: u64) -> Vec<JoinHandle<History>> {
    let start = |number: u16| {
        let worker = Worker {
            shared: Rc::clone(shared),
            number,
            random: Random::new(seed ^ (u64::from(number) + 1).wrapping_mul(0x9e37_79b9)),
            written: 0,
            places: vec![Place::default(); PLACES as usize],
            history: History::default(),
        };
        tokio::task::spawn_local(worker.run())
    };
    (0..clients).map(start).collect()
}

/// How an operation ended that was to change something.
enum End {
    Done(Answer),
    Refused,
    Uncertain,
}

/// What a writer knows of one of its places.
#[derive(Clone, Copy, Default)]
struct Place {
    writes: u32,
}

struct Worker {
    shared: Rc<Shared>,
    number: u16,
    random: Random,
    written: u32,
    places: Vec<Place>,
    history: History,
}

impl Worker {
    async fn run(mut self) -> History {
        while !self.shared.stop.get() {
            if self.work().await.is_err() {
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        }
        self.history
    }

    /// Works on one connection until it breaks or the work is over.
    async fn work(&mut self) -> anyhow::Result<()> {
        let called = self.shared.now();
        let mut client = match Client::connect(&self.shared.address).await {
            Ok(client) => client,
            Err(error) => {
                self.trouble(ErrorKind::Connection, &[], called, format!("{error:#}"));
                return Err(error);
            }
        };
        while !self.shared.stop.get() {
            let count = u32::try_from(self.shared.kinds.len()).unwrap_or(1);
            let kind = self.shared.kinds.get(self.random.below(count) as usize).copied();
            match kind.unwrap_or(Kind::Registers) {
                Kind::Registers => self.register(&mut client).await?,
                Kind::Lists => self.list(&mut client).await?,
                Kind::Counters => self.counter(&mut client).await?,
                Kind::Sequences => self.sequence(&mut client).await?,
            }
        }
        Ok(())
    }

    // Registers

    async fn register(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let key = self.random.below(REGISTERS);
        match self.random.below(20) {
            0..=8 => self.read_registers(client, &[key], b"GET").await,
            9..=15 => self.write_registers(client, &[key], b"SET").await,
            16 => self.write_registers(client, &neighbours(key), b"MSET").await,
            17 => self.read_registers(client, &neighbours(key), b"MGET").await,
            _ => self.pipeline(client, key).await,
        }
    }

    async fn write_registers(
        &mut self,
        client: &mut Client,
        keys: &[u32],
        command: &[u8],
    ) -> anyhow::Result<()> {
        let mut arguments = vec![command.to_vec()];
        let mut values = Vec::new();
        for key in keys {
            let value = self.next_value();
            values.push(value);
            arguments.push(Key::Register(*key).name(self.shared.round).into_bytes());
            arguments.push(self.bytes(value));
        }
        let names: Vec<Key> = keys.iter().map(|key| Key::Register(*key)).collect();
        let called = self.shared.now();
        let (end, result) = self.call(client, &arguments, &names, called).await;
        for (key, value) in keys.iter().zip(values) {
            let action = match &end {
                End::Done(_) => register::Action::Write(value),
                // Parts of a command over several keys may have been applied all the same.
                End::Refused if keys.len() == 1 => register::Action::Refused(value),
                End::Refused | End::Uncertain => register::Action::Uncertain(value),
            };
            self.record_register(*key, action, called);
        }
        result
    }

    async fn read_registers(
        &mut self,
        client: &mut Client,
        keys: &[u32],
        command: &[u8],
    ) -> anyhow::Result<()> {
        let mut arguments = vec![command.to_vec()];
        let names: Vec<Key> = keys.iter().map(|key| Key::Register(*key)).collect();
        arguments.extend(names.iter().map(|key| key.name(self.shared.round).into_bytes()));
        let called = self.shared.now();
        let (end, result) = self.call(client, &arguments, &names, called).await;
        match end {
            End::Done(Answer::Array(answers)) => {
                for (key, answer) in keys.iter().zip(&answers) {
                    self.record_register_read(*key, answer, called);
                }
            }
            End::Done(answer) => {
                for key in keys {
                    self.record_register_read(*key, &answer, called);
                }
            }
            End::Refused | End::Uncertain => {}
        }
        result
    }

    /// Writes and reads of one key and its neighbours, all sent at once.
    async fn pipeline(&mut self, client: &mut Client, key: u32) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        let mut sent = Vec::new();
        for index in 0..GROUP {
            let key = (key + index / 2) % REGISTERS;
            let name = Key::Register(key).name(self.shared.round).into_bytes();
            let value = self.next_value();
            bytes.extend(frame(&[b"SET", &name, &self.bytes(value)]));
            bytes.extend(frame(&[b"GET", &name]));
            sent.extend([(key, Some(value)), (key, None)]);
        }
        let called = self.shared.now();
        let mut broken = client.send(&bytes).await.err();
        for (key, written) in sent {
            let answer = match &broken {
                Some(error) => Err(anyhow::anyhow!("{error:#}")),
                None => client.answer().await,
            };
            let (end, result) = self.end(answer, &[Key::Register(key)], called, "pipeline");
            match (written, end) {
                (Some(value), End::Done(_)) => {
                    self.record_register(key, register::Action::Write(value), called);
                }
                (Some(value), End::Refused) => {
                    self.record_register(key, register::Action::Refused(value), called);
                }
                (Some(value), End::Uncertain) => {
                    self.record_register(key, register::Action::Uncertain(value), called);
                }
                (None, End::Done(answer)) => self.record_register_read(key, &answer, called),
                (None, End::Refused | End::Uncertain) => {}
            }
            broken = broken.or(result.err());
        }
        broken.map_or(Ok(()), Err)
    }

    fn record_register_read(&mut self, key: u32, answer: &Answer, called: u64) {
        match value_of(answer) {
            Some(value) => self.record_register(key, register::Action::Read(value), called),
            None => self.strange(Key::Register(key), answer, called),
        }
    }

    fn record_register(&mut self, key: u32, action: register::Action, called: u64) {
        let answered = self.shared.now();
        let operation = register::Operation { action, called, answered };
        self.record(Key::Register(key), Operation::Register(operation));
    }

    // Lists

    async fn list(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let place = self.random.below(LISTS);
        let full = self.shared.full.borrow().get(place as usize).copied().unwrap_or(0);
        let key = Key::List(place, full);
        let name = key.name(self.shared.round).into_bytes();
        let called = self.shared.now();
        if self.random.below(2) == 0 {
            let (end, result) = self.call(client, &[b"GET".to_vec(), name], &[key], called).await;
            if let End::Done(answer) = end {
                let action = append::Action::Read(tokens_of(&answer));
                self.record_list(key, action, called);
            }
            return result;
        }
        self.written += 1;
        let token = u32::from(self.number) << 24 | self.written;
        let arguments = [b"APPEND".to_vec(), name, format!("{token:08x};").into_bytes()];
        let (end, result) = self.call(client, &arguments, &[key], called).await;
        let action = match end {
            End::Done(answer) => {
                let length = list_length(&answer);
                if length >= LIST_WRITES_MAX
                    && let Some(now) = self.shared.full.borrow_mut().get_mut(place as usize)
                {
                    *now = (*now).max(full + 1);
                }
                append::Action::Appended(token, length)
            }
            End::Refused => append::Action::Refused(token),
            End::Uncertain => append::Action::Uncertain(token),
        };
        self.record_list(key, action, called);
        result
    }

    fn record_list(&mut self, key: Key, action: append::Action, called: u64) {
        let answered = self.shared.now();
        self.record(key, Operation::List(append::Operation { action, called, answered }));
    }

    // Counters

    async fn counter(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let key = Key::Counter(self.random.below(COUNTERS));
        let name = key.name(self.shared.round).into_bytes();
        let is_read = self.random.below(2) == 0;
        let command: &[u8] = if is_read { b"GET" } else { b"INCR" };
        let called = self.shared.now();
        let (end, result) = self.call(client, &[command.to_vec(), name], &[key], called).await;
        let action = match end {
            End::Done(answer) => match number_of(&answer) {
                Some(number) if is_read => counter::Action::Read(number),
                Some(number) => counter::Action::Incremented(number),
                None => {
                    self.strange(key, &answer, called);
                    return result;
                }
            },
            _ if is_read => return result,
            End::Refused => counter::Action::Refused,
            End::Uncertain => counter::Action::Uncertain,
        };
        let answered = self.shared.now();
        self.record(key, Operation::Counter(counter::Operation { action, called, answered }));
        result
    }

    // Sequences

    async fn sequence(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let place = self.random.below(PLACES);
        if self.random.below(3) == 0 {
            return self.read_sequence(client, place).await;
        }
        let key = Key::Sequence(self.number, place, self.given_up(self.number, place));
        let name = key.name(self.shared.round).into_bytes();
        let value = self.next_value();
        let bytes = self.bytes(value);
        let (write, arguments) = match self.random.below(6) {
            0 | 1 => (sequence::Write::Delete, vec![b"DEL".to_vec(), name]),
            2 if self.shared.expiring => {
                let most = u32::try_from(LIFE_MAX.as_millis()).unwrap_or(u32::MAX);
                let lives = 100 + self.random.below(most - 100);
                let write = sequence::Write::SetExpiring(value, u64::from(lives) * 1_000_000);
                let lives = lives.to_string().into_bytes();
                (write, vec![b"SET".to_vec(), name, bytes, b"PX".to_vec(), lives])
            }
            _ => (sequence::Write::Set(value), vec![b"SET".to_vec(), name, bytes]),
        };
        let called = self.shared.now();
        let (end, result) = self.call(client, &arguments, &[key], called).await;
        let outcome = match end {
            End::Done(answer) => sequence::Outcome::Done(answer != Answer::Integer(0)),
            End::Refused => sequence::Outcome::Refused,
            End::Uncertain => sequence::Outcome::Uncertain,
        };
        self.record_sequence(key, sequence::Action::Write(write, outcome), called);
        self.count_write(place, outcome == sequence::Outcome::Uncertain);
        result
    }

    async fn read_sequence(&mut self, client: &mut Client, place: u32) -> anyhow::Result<()> {
        let writers = u32::try_from(self.shared.given_up.borrow().len()).unwrap_or(1);
        let writer = u16::try_from(self.random.below(writers)).unwrap_or(0);
        // Sometimes a key that its writer has given up: a write of it may still be on the way.
        let back = u32::from(self.random.below(4) == 0);
        let given_up = self.given_up(writer, place).saturating_sub(back);
        let key = Key::Sequence(writer, place, given_up);
        let name = key.name(self.shared.round).into_bytes();
        let called = self.shared.now();
        let (end, result) = self.call(client, &[b"GET".to_vec(), name], &[key], called).await;
        if let End::Done(answer) = end {
            match value_of(&answer) {
                Some(value) => self.record_sequence(key, sequence::Action::Read(value), called),
                None => self.strange(key, &answer, called),
            }
        }
        result
    }

    fn given_up(&self, writer: u16, place: u32) -> u32 {
        let places = self.shared.given_up.borrow();
        let count = places.get(usize::from(writer)).and_then(|it| it.get(place as usize));
        count.copied().unwrap_or(0)
    }

    fn count_write(&mut self, place: u32, is_open: bool) {
        let Some(own) = self.places.get_mut(place as usize) else { return };
        own.writes += 1;
        if !is_open && own.writes < SEQUENCE_WRITES_MAX {
            return;
        }
        own.writes = 0;
        let mut places = self.shared.given_up.borrow_mut();
        let count = places.get_mut(usize::from(self.number));
        if let Some(count) = count.and_then(|it| it.get_mut(place as usize)) {
            *count += 1;
        }
    }

    fn record_sequence(&mut self, key: Key, action: sequence::Action, called: u64) {
        let answered = self.shared.now();
        self.record(key, Operation::Sequence(sequence::Operation { action, called, answered }));
    }

    // All of them

    fn next_value(&mut self) -> u64 {
        self.written += 1;
        (u64::from(self.number) + 1) << 40 | u64::from(self.written)
    }

    fn bytes(&mut self, value: u64) -> Vec<u8> {
        let mut bytes = format!("{value:016x}").into_bytes();
        let filling = self.random.below(FILLING_MAX) as usize;
        bytes.resize(bytes.len() + filling, b'.');
        bytes
    }

    async fn call(
        &mut self,
        client: &mut Client,
        arguments: &[Vec<u8>],
        keys: &[Key],
        called: u64,
    ) -> (End, anyhow::Result<()>) {
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let answer = client.call(&arguments).await;
        let what = arguments.first().map(|command| String::from_utf8_lossy(command));
        self.end(answer, keys, called, &what.unwrap_or_default())
    }

    /// How an operation ended. Errors are written down; the connection's own are passed on.
    fn end(
        &mut self,
        answer: anyhow::Result<Answer>,
        keys: &[Key],
        called: u64,
        what: &str,
    ) -> (End, anyhow::Result<()>) {
        match answer {
            Ok(Answer::Error(text)) => {
                let kind = ErrorKind::of_answer(&text);
                self.trouble(kind, keys, called, format!("{what}: {text}"));
                let end = if kind.is_refusal() { End::Refused } else { End::Uncertain };
                (end, Ok(()))
            }
            Ok(answer) => {
                self.shared.operations.set(self.shared.operations.get() + 1);
                (End::Done(answer), Ok(()))
            }
            Err(error) => {
                self.trouble(ErrorKind::Connection, keys, called, format!("{what}: {error:#}"));
                (End::Uncertain, Err(error))
            }
        }
    }

    fn strange(&mut self, key: Key, answer: &Answer, called: u64) {
        self.trouble(ErrorKind::Answer, &[key], called, format!("strange: {}", answer.text()));
    }

    fn trouble(&mut self, kind: ErrorKind, keys: &[Key], called: u64, text: String) {
        let answered = self.shared.now();
        let keys = keys.iter().map(|key| key.name(self.shared.round)).collect();
        self.history.troubles.push(Trouble { kind, keys, called, answered, text });
    }

    fn record(&mut self, key: Key, operation: Operation) {
        self.history.entries.push((key, operation));
    }
}

fn neighbours(key: u32) -> Vec<u32> {
    (0..GROUP).map(|index| (key + index) % REGISTERS).collect()
}
