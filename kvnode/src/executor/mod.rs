//! Shell. The one place of a node where commands run: one at a time, on the data thread. So what a
//! command checks still holds when it writes, and a change of ownership falls between two commands.

mod capture;
mod check;
mod control;
mod greeting;
mod range;
mod request;
mod transaction;

use std::sync::Arc as Shared;

use bytes::Bytes;
use dialect::{Facts, answer_about_server};
use handoff::{ClusterId, Server};
use resp::Command;
use resp::commands::{CommandSpec, Id, Kind, Spread, lookup, unknown_command_error};
use ring::{Arc, ArcSet};
use tokio::sync::watch;

pub use capture::{CaptureQueue, Captured};
pub use control::{
    Admission, ControlRequest, ControlSender, OpenedCapture, SegmentState, Segments,
};

use crate::Access;
use crate::command::connection::Session;
use crate::command::{self, Context, Failure, Piece, Reply, next_reply, parse_arc};
use crate::metrics::Metrics;
use crate::store::{BatchNo, HybridClock, MAX_KEY_BYTES, RecordKey, Writer};
use check::{Refusal, check_marked};
use request::publish;
use transaction::{Capture, Transaction};

pub(crate) use range::PieceDone;

/// Memory for so many keys is kept from command to command.
const MAX_KEPT_KEYS: usize = 1_024;
const CROSS_SERVER: &str = "CROSSSLOT Keys in request may live on different servers, so they \
    cannot be changed as one; use several commands on one key each (SET with NX, or GET, SET and \
    DEL)";
const DISK_FULL: &str = "ERR disk full: the volume has only its reserve left, and writes that \
    grow the data are refused; enlarge the volume, add a server, or delete keys (their space \
    comes back when the store next compacts)";
const WRITES_SLOWED: &str = "TRYAGAIN writes to the key's arc wait for a handoff to keep up; the \
    command was not applied";

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster whose volume this is.
    pub cluster: ClusterId,
    /// This server.
    pub server: Server,
}

/// What commands may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExecutorLimits {
    /// The longest value.
    pub(crate) max_value_bytes: usize,
    /// The longest reply to one command.
    pub(crate) max_reply_bytes: usize,
    /// How much may wait to be committed; past it commands wait.
    pub(crate) max_pending_bytes: usize,
}

/// What the node claims, as its routers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublishedView {
    /// Grows with each change.
    pub(crate) number: u64,
    /// The JSON of a `NodeView`.
    pub(crate) json: Bytes,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is done; the reply may go out when this batch is released.
    Answer(Reply, BatchNo),
    /// As `Answer`, and then the connection ends.
    Close(Reply),
    /// It cannot run yet; nothing was applied. To be tried again.
    Hold(Hold),
    /// A cluster-wide command, to be done piece by piece.
    Walk(Id),
    /// To be answered when the view differs from this number, or after a while.
    Watch(u64),
}

/// What a held command waits for.
#[derive(Clone, Debug)]
pub(crate) enum Hold {
    /// Other segments. The text is the answer when the wait takes too long.
    Segments(std::borrow::Cow<'static, str>),
    /// The queue of a capture to fall below its limit.
    Capture(Shared<CaptureQueue>),
    /// Batches to be committed.
    Backlog,
}

impl Hold {
    /// The answer when the wait took too long.
    pub(crate) fn too_long(&self) -> std::borrow::Cow<'static, str> {
        match self {
            Self::Segments(text) => text.clone(),
            Self::Capture(_) => WRITES_SLOWED.into(),
            Self::Backlog => {
                "TRYAGAIN the disk does not keep up; the command was not applied".into()
            }
        }
    }
}

/// Why a command did not run.
#[derive(Debug)]
pub(crate) enum Blocked {
    /// Answered with an error.
    Refused(Refusal),
    /// To be tried again.
    Hold(Hold),
    /// Failed.
    Failed(Failure),
}

impl From<Failure> for Blocked {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// See the module.
pub(crate) struct Executor {
    writer: Writer,
    clock: HybridClock,
    identity: Identity,
    access: Access,
    limits: ExecutorLimits,
    segments: Segments,
    captures: Vec<Capture>,
    view: watch::Sender<PublishedView>,
    metrics: Shared<Metrics>,
    /// Kept for its memory: the keys of the command at hand.
    keys: Vec<RecordKey>,
}

impl Executor {
    pub(crate) fn new(
        writer: Writer,
        clock: HybridClock,
        identity: Identity,
        limits: ExecutorLimits,
        metrics: Shared<Metrics>,
    ) -> Self {
        let segments = Segments::waiting("the server is starting");
        let view = watch::Sender::new(publish(&segments, &identity.server, 1));
        let (captures, keys) = (Vec::new(), Vec::new());
        let access = Access::default();
        Self { writer, clock, identity, access, limits, segments, captures, view, metrics, keys }
    }

    /// Runs one command of a connection, or says why not.
    pub(crate) fn execute(
        &mut self,
        session: &mut Session,
        command: &Command,
        facts: impl FnOnce() -> Facts,
    ) -> Verdict {
        let spec = lookup(command.name());
        self.metrics.count_command(spec.map(|spec| spec.kind));
        let Some(spec) = spec else {
            let text = unknown_command_error(command.name(), command.args().skip(1));
            return answer_error(text);
        };
        if !spec.takes(command.len()) {
            return answer_error(spec.arity_error());
        }
        if session.is_locked() && !self.is_for_all(spec.id) {
            return answer_error(dialect::NO_PASSWORD.into());
        }
        match spec.kind {
            Kind::Read | Kind::Write => self.run_keyed(session, command, spec),
            Kind::Connection => {
                let check = |given: &[u8]| self.access.check_password(given);
                let outcome = session.answer(spec.id, command, self.clock.expiry_now(), check);
                match outcome {
                    Ok(reply) if spec.id == Id::Quit => Verdict::Close(reply),
                    outcome => answer(outcome, 0),
                }
            }
            Kind::Server => {
                answer(answer_about_server(spec.id, command, &self.with_own_facts(facts())), 0)
            }
            Kind::Range => Verdict::Walk(spec.id),
            Kind::Node => self.run_node(session, command, spec.id),
        }
    }

    fn run_keyed(
        &mut self,
        session: &mut Session,
        command: &Command,
        spec: &CommandSpec,
    ) -> Verdict {
        let mut keys = std::mem::take(&mut self.keys);
        let verdict = match self.try_keyed(session, command, spec, &mut keys) {
            Ok((reply, batch)) => Verdict::Answer(reply, batch),
            Err(blocked) => self.settle(session, blocked),
        };
        keys.clear();
        if keys.capacity() <= MAX_KEPT_KEYS {
            self.keys = keys;
        }
        verdict
    }

    fn try_keyed(
        &mut self,
        session: &Session,
        command: &Command,
        spec: &CommandSpec,
        keys: &mut Vec<RecordKey>,
    ) -> Result<(Reply, BatchNo), Blocked> {
        collect_keys(command, spec, keys)?;
        self.check_keys(session, spec, keys)?;
        let Some(key) = keys.first() else {
            return Err(Failure::from(spec.arity_error()).into());
        };
        let mut transaction = Transaction::new(&mut self.writer, &self.clock, &self.captures);
        let mut context = Context {
            command,
            key,
            keys,
            space: &mut transaction,
            max_value_bytes: self.limits.max_value_bytes,
            max_reply_bytes: self.limits.max_reply_bytes,
        };
        let outcome = command::run(spec.id, &mut context);
        let depends_on = transaction.depends_on();
        match outcome {
            Ok(reply) => Ok((reply, depends_on)),
            // An error that says what was read waits for it as any answer does.
            Err(Failure::Refused(text)) => Ok((Reply::Error(text), depends_on)),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Everything that may keep a command from running, before anything of it is applied.
    fn check_keys(
        &mut self,
        session: &Session,
        spec: &CommandSpec,
        keys: &[RecordKey],
    ) -> Result<(), Blocked> {
        let is_write = spec.kind == Kind::Write;
        for key in keys {
            let point = key.point();
            let segment = check_marked(&self.segments, session.marks(), point)
                .map_err(|refusal| self.block(session, refusal))?;
            if is_write && !self.captures.is_empty() {
                self.check_throttle(session, |arcs| {
                    arcs.arc_of(point).and_then(|arc| arc.intersection(&segment))
                })?;
            }
        }
        if is_write && command::grows(spec.id) && self.writer.store().is_disk_full() {
            return Err(Failure::from(DISK_FULL).into());
        }
        self.check_backlog()
    }

    fn check_backlog(&mut self) -> Result<(), Blocked> {
        if self.has_backlog() { Err(Blocked::Hold(Hold::Backlog)) } else { Ok(()) }
    }

    /// Whether so much waits to be committed that commands have to wait.
    pub(crate) fn has_backlog(&mut self) -> bool {
        self.writer.pending_bytes() > self.limits.max_pending_bytes
    }

    /// Whether a write has to wait, because a handoff that captures it does not keep up. `part`
    /// is the part of a capture's arcs that is to be written.
    fn check_throttle(
        &self,
        session: &Session,
        part: impl Fn(&ArcSet) -> Option<Arc>,
    ) -> Result<(), Blocked> {
        for capture in &self.captures {
            let Some(arc) = part(&capture.arcs) else { continue };
            if capture.queue.over_limit() {
                return Err(if session.is_router {
                    Blocked::Refused(Refusal::Frozen(arc))
                } else {
                    Blocked::Hold(Hold::Capture(Shared::clone(&capture.queue)))
                });
            }
        }
        Ok(())
    }

    /// A refusal as this client is to see it: routers are told, others wait for what is frozen.
    fn block(&self, session: &Session, refusal: Refusal) -> Blocked {
        match refusal {
            Refusal::Frozen(_) if !session.is_router => {
                Blocked::Hold(Hold::Segments(refusal.text_for_client()))
            }
            refusal => Blocked::Refused(refusal),
        }
    }

    /// The verdict for what did not run. A range refused to a router is marked.
    fn settle(&self, session: &mut Session, blocked: Blocked) -> Verdict {
        match blocked {
            Blocked::Hold(hold) => Verdict::Hold(hold),
            Blocked::Failed(Failure::Refused(text)) => Verdict::Answer(Reply::Error(text), 0),
            Blocked::Failed(Failure::Store(error)) => {
                let error = error.or_fatal();
                tracing::error!(%error, "a command met damaged data");
                answer_error(format!("ERR {error}; see the server's log"))
            }
            Blocked::Refused(refusal) if session.is_router => {
                self.metrics.count_refused();
                if let Some(arc) = refusal.arc() {
                    session.mark(arc);
                }
                Verdict::Answer(Reply::Error(refusal.text_for_router()), 0)
            }
            Blocked::Refused(refusal) => {
                self.metrics.count_refused();
                Verdict::Answer(Reply::Error(refusal.text_for_client()), 0)
            }
        }
    }

    fn run_node(&mut self, session: &mut Session, command: &Command, id: Id) -> Verdict {
        match id {
            Id::RingkvHello => answer(self.hello(session, command), 0),
            Id::RingkvResume => match parse_arc(command) {
                Ok(arc) => {
                    session.resume(arc);
                    Verdict::Answer(Reply::Ok, 0)
                }
                Err(failure) => answer(Err(failure), 0),
            },
            Id::RingkvWatch => match command.arg(1).and_then(command::parse_integer) {
                Some(number) => Verdict::Watch(u64::try_from(number).unwrap_or(0)),
                None => answer_error(command::NOT_AN_INTEGER.into()),
            },
            _ => {
                let done = match Piece::parse(id, command) {
                    Ok(piece) => self.run_piece(session, &piece),
                    Err(failure) => Err(self.settle(session, failure.into())),
                };
                match done {
                    Ok(done) => {
                        let batch = done.depends_on;
                        Verdict::Answer(done.into_reply(id), batch)
                    }
                    Err(verdict) => verdict,
                }
            }
        }
    }

    /// Closes the open batch, if there is anything in it; see [`Writer::seal`].
    pub(crate) fn seal(&mut self) -> Option<BatchNo> {
        let batch = self.has_open_writes().then(|| self.writer.open_batch());
        self.writer.seal();
        batch
    }

    pub(crate) fn released(&self) -> BatchNo {
        self.writer.released()
    }

    /// Whether there is something to seal.
    pub(crate) fn has_open_writes(&self) -> bool {
        self.writer.last_batch() == self.writer.open_batch()
    }

    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    pub(crate) fn released_watch(&self) -> watch::Receiver<BatchNo> {
        self.writer.released_watch()
    }

    pub(crate) const fn limits(&self) -> &ExecutorLimits {
        &self.limits
    }

    pub(crate) fn watch_view(&self) -> watch::Receiver<PublishedView> {
        self.view.subscribe()
    }

    fn with_own_facts(&self, mut facts: Facts) -> Facts {
        let Server { name, incarnation } = &self.identity.server;
        let arcs = &self.segments.arcs;
        let server = vec![("server_name", name.clone()), ("run_id", incarnation.to_string())];
        let cluster = vec![
            ("ringkv_arcs", arcs.len().to_string()),
            ("ringkv_ring_share", format!("{:.6}", arcs.arcs().share())),
        ];
        facts.unix_micros = self.clock.expiry_now().saturating_mul(1_000);
        facts.is_loading = self.segments.admission != Admission::Admitted;
        facts.own = vec![("server", server), ("cluster", cluster)];
        facts
    }
}

impl PieceDone {
    fn into_reply(self, id: Id) -> Reply {
        let next = next_reply(self.next);
        let result = match id {
            Id::RingkvScan => Reply::Array(self.keys.into_iter().map(Reply::Bulk).collect()),
            _ => Reply::Integer(i64::try_from(self.n_keys).unwrap_or(i64::MAX)),
        };
        Reply::Array(vec![next, result])
    }
}

/// The record keys of a command, in order.
fn collect_keys(
    command: &Command,
    spec: &CommandSpec,
    keys: &mut Vec<RecordKey>,
) -> Result<(), Failure> {
    for place in spec.key_places(command.len()) {
        let key = command.arg(place).unwrap_or_default();
        if key.len() > MAX_KEY_BYTES {
            let bytes = key.len();
            let text = format!(
                "ERR key of {bytes} bytes is over the limit of {MAX_KEY_BYTES} bytes; use a \
                 shorter key, such as a hash of this one"
            );
            return Err(text.into());
        }
        keys.push(RecordKey::new(key));
    }
    if spec.spread == Spread::Together
        && let Some((first, rest)) = keys.split_first()
        && rest.iter().any(|key| key != first)
    {
        return Err(CROSS_SERVER.into());
    }
    Ok(())
}

fn answer(outcome: Result<Reply, impl Into<Failure>>, batch: BatchNo) -> Verdict {
    match outcome {
        Ok(reply) => Verdict::Answer(reply, batch),
        Err(failure) => answer_error(failure.into().to_string()),
    }
}

fn answer_error(text: String) -> Verdict {
    Verdict::Answer(Reply::Error(text.into()), 0)
}

#[cfg(test)]
mod tests;
