//! Shell. One client: its commands in order, where each of them is, and its connection.
//!
//! Answers go out in the order of the commands. When a command was refused or cannot be sent, the
//! client stalls: nothing new is sent until all that is under way is answered; then what has to be
//! sent again goes first, in order, by the newest table. So commands on one key keep their order
//! across every change of its server. The same holds when the table changes while commands are
//! under way.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dialect::Session;
use resp::{CommandDecoder, Protocol, Value};
use ring::Point;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::merge::Gather;
use crate::output::Output;
use crate::park::Park;
use crate::shard::Shard;
use crate::touched::Touched;
use crate::walk::Walk;

mod dispatch;
mod hot_path;
mod serve;

pub(crate) use serve::{refuse, serve, submit};

/// Pause before a stalled client tries again by itself: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// Unsent answers from which on writing them may let the client send more.
const MUCH_OUTPUT: usize = 64 * 1024;

/// What became of a command, or of a part of one.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It has this answer.
    Reply(Bytes),
    /// Nothing of it was applied, or it only reads: it is to be sent again.
    Retry(Park),
}

/// A client of a data thread.
pub(crate) struct Client {
    core: RefCell<Core>,
    waker: RefCell<Waker>,
    /// Whether it is in the shard's list of clients to flush.
    to_flush: Cell<bool>,
}

/// Where a client's answers go.
enum Sink {
    /// To a RESP connection.
    Stream(shell::net::TcpStream),
    /// To whoever asked for one command, as bytes.
    Once(Option<oneshot::Sender<Bytes>>),
}

impl Sink {
    /// Of the client, and of this side.
    fn addresses(&self) -> (String, String) {
        let text = |address: io::Result<SocketAddr>| {
            address.map(|address| address.to_string()).unwrap_or_default()
        };
        match self {
            Self::Stream(stream) => (text(stream.peer_addr()), text(stream.local_addr())),
            Self::Once(_) => Default::default(),
        }
    }
}

struct Core {
    sink: Sink,
    input: BytesMut,
    decoder: CommandDecoder,
    session: Session,
    slots: VecDeque<Slot>,
    /// The number of the first slot.
    first: u64,
    /// Commands and parts of commands that are sent and not answered.
    in_flight: usize,
    /// Bytes of the commands in the slots, and of answers that wait for those before them.
    held_bytes: usize,
    waiting_bytes: usize,
    /// Keys of commands under way that a later command could otherwise overtake.
    touched: Touched,
    stalled: bool,
    /// Attempts since the table changed or something that waited was answered, and when the next
    /// is due.
    attempts: u32,
    retry_at: Option<Instant>,
    /// The table by which the commands under way were sent.
    generation: u64,
    output: Output,
    /// Nothing more is read: the client ended its side, asked to quit, or broke the protocol.
    ending: bool,
    /// It is to end at the first moment at which nothing of it is unanswered.
    draining: bool,
    /// The connection failed; everything for it is dropped.
    dead: bool,
}

/// A command that is not answered yet, or whose answer waits for those before it.
struct Slot {
    protocol: Protocol,
    /// Bytes of the command.
    len: usize,
    work: Work,
    parked: Option<Parked>,
}

/// When and why a command could not be sent.
struct Parked {
    since: Instant,
    why: Park,
    /// Whether some of the wait was for a handoff.
    handoff: bool,
    /// When it was last sent.
    sent: Instant,
}

enum Work {
    Done(Bytes),
    One { frame: Bytes, point: Point, writes: bool, sent: bool },
    Gather(Box<Gather>),
    Walk(Box<Walk>),
}

impl Slot {
    /// Whether something of it has to be sent.
    fn is_unsent(&self) -> bool {
        match &self.work {
            Work::Done(_) => false,
            Work::One { sent, .. } => !sent,
            Work::Gather(gather) => gather.unsent().next().is_some(),
            Work::Walk(walk) => walk.next_start().is_some(),
        }
    }

    /// Whether it has to wait for commands over several keys that were sent before it.
    fn is_hindered(&self, touched: &Touched) -> bool {
        match &self.work {
            Work::Done(_) | Work::Walk(_) => false,
            Work::One { point, writes, .. } => touched.hinders(*point, *writes),
            Work::Gather(gather) => {
                gather.unsent().any(|(_, point)| touched.hinders(point, gather.writes()))
            }
        }
    }

    fn writes(&self) -> bool {
        match &self.work {
            Work::Done(_) => false,
            Work::One { writes, .. } => *writes,
            Work::Gather(gather) => gather.writes(),
            Work::Walk(walk) => walk.writes(),
        }
    }

    fn park(&mut self, why: Park, now: Instant) {
        let handoff = why.is_handoff();
        let parked =
            self.parked.get_or_insert(Parked { since: now, why: Park::Lost, handoff, sent: now });
        parked.handoff |= handoff;
        parked.why = why;
    }

    /// Takes the answer to a part; `Some` when the command is done.
    fn answer(&mut self, part: u32, reply: Bytes) -> Option<Bytes> {
        match &mut self.work {
            Work::Done(_) => return Some(reply),
            Work::One { .. } => return Some(for_protocol(reply, self.protocol)),
            Work::Gather(gather) => gather.answer(part, &reply),
            Work::Walk(walk) => walk.answer(part, &reply),
        }
        self.finish_if_done()
    }

    /// The part was not executed; `Some` when nothing else was missing, because the command has
    /// failed already.
    fn give_back(&mut self, part: u32) -> Option<Bytes> {
        match &mut self.work {
            Work::Done(_) => {}
            Work::One { sent, .. } => *sent = false,
            Work::Gather(gather) => gather.give_back(part),
            Work::Walk(walk) => walk.give_back(part),
        }
        self.finish_if_done()
    }

    /// Gives what is unsent an error; `Some` when the command is done with that.
    fn fail(&mut self, error: &Bytes) -> Option<Bytes> {
        match &mut self.work {
            Work::Done(_) | Work::One { .. } => return Some(error.clone()),
            Work::Gather(gather) => gather.fail_unsent(error),
            Work::Walk(walk) => walk.fail(error.clone()),
        }
        self.finish_if_done()
    }

    /// The answer to a command of several parts that misses none of them.
    fn finish_if_done(&mut self) -> Option<Bytes> {
        let mut out = BytesMut::new();
        match std::mem::replace(&mut self.work, Work::Done(Bytes::new())) {
            Work::Gather(gather) if gather.is_done() => gather.finish(self.protocol, &mut out),
            Work::Walk(walk) if walk.is_done() => walk.finish(self.protocol, &mut out),
            unfinished => {
                self.work = unfinished;
                return None;
            }
        }
        Some(out.freeze())
    }
}

/// Servers answer in RESP2; the only thing that differs for the values that there are is the null.
fn for_protocol(reply: Bytes, protocol: Protocol) -> Bytes {
    let may_hold_null = matches!(reply.as_ref(), [b'*', ..] | [b'$', b'-', ..]);
    if protocol == Protocol::Resp2 || !may_hold_null {
        return reply;
    }
    let Ok(value) = Value::parse(&reply) else { return reply };
    let mut out = BytesMut::with_capacity(reply.len());
    value.encode(&mut out, protocol);
    out.freeze()
}

impl Client {
    fn new(sink: Sink, shard: &Shard) -> Rc<Self> {
        let (peer, local) = sink.addresses();
        let mut session = Session::new(shard.next_client_id(), peer, local, shard.unix_ms());
        // Who asks over HTTP has shown the password there.
        if matches!(sink, Sink::Stream(_)) && shard.config().access.password.is_some() {
            session = session.locked();
        }
        let core = Core {
            sink,
            input: BytesMut::new(),
            decoder: CommandDecoder::new(shard.limits_for(&session)),
            session,
            slots: VecDeque::new(),
            first: 0,
            in_flight: 0,
            held_bytes: 0,
            waiting_bytes: 0,
            touched: Touched::default(),
            stalled: false,
            attempts: 0,
            retry_at: None,
            generation: shard.generation(),
            output: Output::default(),
            ending: false,
            draining: shard.is_ending(),
            dead: false,
        };
        let waker = RefCell::new(Waker::noop().clone());
        Rc::new(Self { core: RefCell::new(core), waker, to_flush: Cell::new(false) })
    }

    /// Has the client's task go on.
    pub(crate) fn wake(&self) {
        self.waker.borrow().wake_by_ref();
    }

    /// An answer for a command of the client. True if the client is to be flushed and was not yet
    /// going to be.
    pub(crate) fn complete(
        client: &Rc<Self>,
        sequence: u64,
        part: u32,
        outcome: Outcome,
        shard: &Shard,
    ) -> bool {
        let mut core = client.core.borrow_mut();
        let was_full = core.is_full(shard.config());
        core.in_flight -= 1;
        if core.in_flight == 0 {
            core.touched.clear();
        }
        if core.dead {
            return false;
        }
        core.take(sequence, part, outcome, shard);
        let may_go_on = core.stalled && core.in_flight == 0;
        let has_room = was_full && !core.is_full(shard.config());
        if may_go_on || has_room || core.is_over(shard.config()) {
            client.wake();
        }
        !core.output.is_empty() && !client.to_flush.replace(true)
    }

    /// Writes what is ready, as far as the client takes it.
    pub(crate) fn flush(&self) {
        self.to_flush.set(false);
        let mut core = self.core.borrow_mut();
        let waker = self.waker.borrow();
        let much = core.output.len() >= MUCH_OUTPUT;
        if core.flush(&mut Context::from_waker(&waker)).is_err() {
            core.die();
        }
        if core.dead || much || (core.ending && core.slots.is_empty()) {
            waker.wake_by_ref();
        }
    }

    /// Has the client's task go on if it waits for another table.
    pub(crate) fn wake_if_stalled(&self) {
        if self.core.borrow().stalled {
            self.wake();
        }
    }

    /// The connection ends as soon as nothing of it is unanswered.
    pub(crate) fn drain(&self) {
        self.core.borrow_mut().draining = true;
        self.wake();
    }

    /// No more commands are taken; those that were are answered.
    pub(crate) fn end(&self) {
        self.core.borrow_mut().ending = true;
        self.wake();
    }
}

impl Core {
    fn take(&mut self, sequence: u64, part: u32, outcome: Outcome, shard: &Shard) {
        let place = usize::try_from(sequence - self.first).unwrap_or(usize::MAX);
        let Some(slot) = self.slots.get_mut(place) else { return };
        match outcome {
            Outcome::Reply(reply) => {
                let writes = slot.writes();
                let reply = slot.answer(part, reply);
                if (reply.is_some() || matches!(slot.work, Work::Walk(_)))
                    && let Some(parked) = slot.parked.take()
                {
                    self.attempts = 0;
                    if parked.handoff && writes {
                        shard.metrics().write_pause(parked.sent - parked.since);
                    }
                }
                if let Some(reply) = reply {
                    self.done(place, reply);
                }
            }
            Outcome::Retry(why) => {
                let now = shard.now();
                if let Some(reply) = slot.give_back(part) {
                    return self.done(place, reply);
                }
                slot.park(why, now);
                // A walk stalls its client all the time, and pauses between attempts all the same.
                if !self.stalled || matches!(slot.work, Work::Walk(_)) {
                    self.stall(now);
                }
            }
        }
    }

    /// The command at this place has its answer.
    fn done(&mut self, place: usize, reply: Bytes) {
        if place > 0 {
            self.waiting_bytes += reply.len();
            if let Some(slot) = self.slots.get_mut(place) {
                slot.work = Work::Done(reply);
            }
            return;
        }
        if let Some(slot) = self.slots.pop_front() {
            self.first += 1;
            self.held_bytes -= slot.len;
        }
        self.output.push(&reply);
        while let Some(Slot { work: Work::Done(reply), len, .. }) = self.slots.front() {
            self.waiting_bytes -= reply.len();
            self.held_bytes -= len;
            self.output.push(reply);
            self.slots.pop_front();
            self.first += 1;
        }
    }

    /// Nothing new is sent until what is under way is answered, and what waits is sent: at once the
    /// first time, then after a pause that grows.
    fn stall(&mut self, now: Instant) {
        self.stalled = true;
        self.retry_at = self
            .attempts
            .checked_sub(1)
            .map(|retries| now + RETRY.0.saturating_mul(1 << retries.min(6)).min(RETRY.1));
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Whether no more commands may be taken for now.
    fn is_full(&self, config: &crate::Config) -> bool {
        self.slots.len() >= config.pipeline_commands_max
            || self.held_bytes >= config.pipeline_bytes_max
            || self.output.len() + self.waiting_bytes >= config.output_bytes_pause
    }

    /// Whether everything is answered and written that will be.
    fn is_over(&self, config: &crate::Config) -> bool {
        let excess = self.output.len() + self.waiting_bytes > config.output_bytes_max;
        excess || (self.ending && self.slots.is_empty() && self.output.is_empty())
    }

    /// Whether everything that has arrived is answered.
    fn is_idle(&self) -> bool {
        self.slots.is_empty()
            && self.output.is_empty()
            && self.decoder.is_between_commands(&self.input)
    }

    fn die(&mut self) {
        self.dead = true;
        self.slots.clear();
        self.output.clear();
        self.held_bytes = 0;
        self.waiting_bytes = 0;
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stream(stream) => serve::poll_write(stream, &mut self.output, cx),
            Sink::Once(sender) => {
                if self.slots.is_empty() && !self.output.is_empty() {
                    let reply = self.output.take();
                    if let Some(sender) = sender.take() {
                        // Whoever asked may be gone; nobody else wants the answer.
                        let _ = sender.send(reply);
                    }
                }
                Ok(())
            }
        }
    }

    fn push_slot(&mut self, protocol: Protocol, len: usize, work: Work) {
        self.held_bytes += len;
        self.slots.push_back(Slot { protocol, len, work, parked: None });
    }

    /// An answer that is known at once, in its turn.
    fn push_reply(&mut self, writer: impl FnOnce(&mut BytesMut)) {
        if self.slots.is_empty() {
            self.output.write(writer);
            return;
        }
        let mut reply = BytesMut::new();
        writer(&mut reply);
        let protocol = self.session.protocol();
        self.waiting_bytes += reply.len();
        self.push_slot(protocol, 0, Work::Done(reply.freeze()));
    }

    fn command(&mut self) -> Result<Option<resp::Decoded>, resp::ProtocolError> {
        self.decoder.decode(&mut self.input)
    }
}
