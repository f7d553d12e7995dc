//! Shell. One client's connection: commands in, replies out, in one task.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::BytesMut;
use resp::{Command, CommandDecoder, Decoded};
use shell::net::TcpStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::node::Node;
use super::output::Output;
use super::walk::walk;
use crate::command::Reply;
use crate::command::connection::Session;
use crate::executor::{Hold, PublishedView, Verdict};
use crate::store::BatchNo;

/// How much is read at once.
const READ_BYTES: usize = 16 << 10;
/// The most that is made room for at once, for a long value.
const MAX_READ_BYTES: usize = 1 << 20;
/// How many commands of one connection run before others have their turn.
const COMMANDS_A_TURN: usize = 1_024;
/// How long RINGKV.WATCH waits for a change.
const WATCH_HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(1);
/// How long the client may take to close its side.
const CLOSE_WAIT: std::time::Duration = std::time::Duration::from_millis(200);
/// To a router, unasked: nothing more is to be sent on this connection. What was sent is answered,
/// and then the router closes it.
const LEAVING: &[u8] = b">1\r\n$7\r\nLEAVING\r\n";
/// To a router, as the last word: what was taken of this connection is answered, and whatever else
/// was sent is not applied.
const BYE: &[u8] = b">1\r\n$3\r\nBYE\r\n";
const STOPPING: &str = "TRYAGAIN the server is stopping; the command was not applied";

/// See the module.
pub(super) struct Connection {
    node: Rc<Node>,
    stream: TcpStream,
    session: Session,
    decoder: CommandDecoder,
    input: BytesMut,
    output: Output,
    released: watch::Receiver<BatchNo>,
    view: watch::Receiver<PublishedView>,
    /// Looked at before each command; see [`Node::wait`].
    changed: watch::Receiver<()>,
    held: Option<Held>,
    /// No further command is read: the client is done, or broke the protocol.
    is_closing: bool,
    is_draining: bool,
}

struct Held {
    command: Command,
    hold: Hold,
    deadline: Instant,
}

enum Turn {
    /// Every whole command was run, or the rest waits behind a held one.
    Done,
    /// The rest waits until the client has read its replies.
    Full,
    /// Others are to have their turn.
    Yield,
}

impl Connection {
    pub(super) fn new(node: Rc<Node>, stream: TcpStream, session: Session) -> Self {
        let view = node.executor.borrow().watch_view();
        Self {
            decoder: CommandDecoder::new(limits(&node, &session)),
            released: node.released.clone(),
            input: BytesMut::new(),
            output: Output::default(),
            changed: node.changed.subscribe(),
            held: None,
            is_closing: false,
            is_draining: false,
            node,
            stream,
            session,
            view,
        }
    }

    /// Serves the client until one of both sides ends.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let token = self.node.drain.clone();
        let draining = token.signaled();
        tokio::pin!(draining);
        let mut last_read = Instant::now();
        loop {
            if self.node.is_draining.get() && !self.is_draining {
                self.begin_drain();
                last_read = Instant::now() + self.node.settings.max_drain / 2;
            }
            let turn = self.run_commands().await;
            self.write_ready()?;
            let is_room_again = matches!(turn, Turn::Full) && self.has_room();
            if matches!(turn, Turn::Yield) || is_room_again {
                tokio::task::yield_now().await;
                continue;
            }
            if self.is_closing && self.held.is_none() && self.output.is_empty() {
                return self.close().await;
            }
            if self.is_draining && self.is_idle() {
                // What has arrived by now is still answered; the runtime has to look for it.
                tokio::task::yield_now().await;
                let before = self.input.len();
                self.read()?;
                if !self.is_closing && self.input.len() == before {
                    return self.close().await;
                }
                continue;
            }
            let is_gated = self.output.is_gated();
            let released = *self.released.borrow_and_update();
            let has_ready = !self.output.ready(released).is_empty();
            let wants_input = self.wants_input();
            if wants_input {
                self.make_room();
            }
            tokio::select! {
                biased;
                changed = self.released.changed(), if is_gated => {
                    changed.map_err(io::Error::other)?;
                }
                n_read = exchange(&mut self.stream, &mut self.input, wants_input, has_ready),
                    if wants_input || has_ready => {
                    self.is_closing |= n_read? == Some(0);
                }
                () = wait_held(&self.node, self.held.as_ref(), &mut self.changed),
                    if self.held.is_some() => self.retry_held(),
                () = &mut draining, if !self.is_draining => self.node.is_draining.set(true),
                () = async { sleep_until(last_read).await },
                    if self.is_draining && !self.is_closing => {
                    self.is_closing = true;
                }
            }
        }
    }

    /// The connection ends at the first moment at which nothing of it is unanswered; that of a
    /// router when the router closes it.
    fn begin_drain(&mut self) {
        self.is_draining = true;
        if self.held.take().is_some() {
            self.answer(&Reply::Error(STOPPING.into()), 0);
        }
        if self.session.is_router {
            self.output.push(0, 0, |out| out.extend_from_slice(LEAVING));
        }
    }

    /// Whether everything that has arrived is answered, and nobody says when it is over.
    fn is_idle(&self) -> bool {
        !self.session.is_router
            && self.held.is_none()
            && self.output.is_empty()
            && self.decoder.is_between_commands(&self.input)
    }

    /// Ends the connection so that the client gets what was written. If bytes were left unread,
    /// the operating system would reset the connection and take replies back.
    async fn close(mut self) -> io::Result<()> {
        let end = async {
            if self.session.is_router {
                self.stream.write_all(BYE).await?;
            }
            self.stream.shutdown().await?;
            loop {
                self.input.clear();
                self.input.reserve(READ_BYTES);
                if self.stream.read_buf(&mut self.input).await? == 0 {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(CLOSE_WAIT, end).await.unwrap_or(Ok(()))
    }

    fn wants_input(&self) -> bool {
        !self.is_closing && self.held.is_none() && self.has_room()
    }

    fn has_room(&self) -> bool {
        self.output.len() < self.node.settings.max_output_bytes
    }

    fn make_room(&mut self) {
        let missing = self.decoder.missing(&self.input).min(MAX_READ_BYTES);
        self.input.reserve(missing.max(READ_BYTES));
    }

    /// Reads what has arrived by now.
    fn read(&mut self) -> io::Result<()> {
        self.make_room();
        match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => self.is_closing = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Writes what may go out, as far as the client takes it.
    fn write_ready(&mut self) -> io::Result<()> {
        loop {
            let released = *self.released.borrow_and_update();
            let ready = self.output.ready(released);
            if ready.is_empty() {
                return Ok(());
            }
            match self.stream.try_write(ready) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n_bytes) => self.output.consume(n_bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs the commands that have arrived whole, as far as replies find room.
    async fn run_commands(&mut self) -> Turn {
        for _ in 0..COMMANDS_A_TURN {
            if self.held.is_some() {
                return Turn::Done;
            }
            if !self.has_room() {
                return Turn::Full;
            }
            let command = match self.decoder.decode(&mut self.input) {
                Ok(None) => return Turn::Done,
                Ok(Some(Decoded::Command(command))) => command,
                Ok(Some(Decoded::Refused(refusal))) => {
                    self.output.push(0, 0, |out| refusal.encode(out));
                    continue;
                }
                Err(error) => {
                    if !self.is_closing {
                        self.output.push(0, 0, |out| error.encode(out));
                        self.is_closing = true;
                    }
                    self.input.clear();
                    return Turn::Done;
                }
            };
            if self.is_draining && command.name_is("RINGKV.HELLO") {
                self.answer(&Reply::Error(STOPPING.into()), 0);
                continue;
            }
            let verdict = self.execute(&command);
            self.settle(verdict, command, None).await;
        }
        Turn::Yield
    }

    fn execute(&mut self, command: &Command) -> Verdict {
        self.changed.mark_unchanged();
        let was_locked = self.session.is_locked();
        let node = &self.node;
        let mut executor = node.executor.borrow_mut();
        let verdict = executor.execute(&mut self.session, command, || node.facts());
        if executor.has_open_writes() {
            node.seal_soon();
        }
        if self.session.is_locked() != was_locked {
            self.decoder.set_limits(limits(node, &self.session));
        }
        verdict
    }

    async fn settle(&mut self, verdict: Verdict, command: Command, deadline: Option<Instant>) {
        match verdict {
            Verdict::Answer(reply, batch) => self.answer(&reply, batch),
            Verdict::Close(reply) => {
                self.answer(&reply, 0);
                self.is_closing = true;
                self.input.clear();
                // Nothing behind QUIT is read, so what the decoder keeps of it does not matter.
                self.decoder = CommandDecoder::new(limits(&self.node, &self.session));
            }
            Verdict::Hold(_) if self.is_draining => {
                self.answer(&Reply::Error(STOPPING.into()), 0);
            }
            Verdict::Hold(hold) => {
                self.node.metrics.count_held();
                let limit = self.node.settings.max_hold;
                let deadline = deadline.unwrap_or_else(|| Instant::now() + limit);
                self.held = Some(Held { command, hold, deadline });
            }
            Verdict::Walk(id) => {
                let node = Rc::clone(&self.node);
                let (reply, batch) = walk(&node, &mut self.session, id, &command).await;
                self.answer(&reply, batch);
            }
            Verdict::Watch(number) => self.answer_view(number).await,
        }
    }

    fn answer(&mut self, reply: &Reply, batch: BatchNo) {
        if let Reply::Error(_) = reply {
            self.node.metrics.count_error();
        }
        let protocol = self.session.protocol();
        let released = self.node.executor.borrow().released();
        self.output.push(batch, released, |out| reply.encode(out, protocol));
    }

    /// Tries the held command once more; past its deadline it fails.
    fn retry_held(&mut self) {
        let Some(Held { command, hold, deadline }) = self.held.take() else { return };
        if Instant::now() >= deadline {
            return self.answer(&Reply::Error(hold.too_long()), 0);
        }
        match self.execute(&command) {
            Verdict::Hold(hold) => self.held = Some(Held { command, hold, deadline }),
            Verdict::Answer(reply, batch) => self.answer(&reply, batch),
            // No other verdict comes of a command on keys or of a piece.
            other => {
                tracing::error!(?other, "a bug: a held command became something else");
                self.answer(&Reply::Error(hold.too_long()), 0);
            }
        }
    }

    async fn answer_view(&mut self, number: u64) {
        let changed = self.view.wait_for(|view| view.number != number);
        let drain = self.node.drain.clone();
        let view = tokio::select! {
            view = changed => view.ok().map(|view| view.json.clone()),
            () = tokio::time::sleep(WATCH_HEARTBEAT) => None,
            () = drain.signaled() => None,
        };
        let view = view.unwrap_or_else(|| self.view.borrow().json.clone());
        self.answer(&Reply::Bulk(view), 0);
    }
}

/// What the decoder takes of this client.
fn limits(node: &Node, session: &Session) -> resp::Limits {
    let limits = node.settings.decoder;
    if session.is_locked() { dialect::limits_before_password(limits) } else { limits }
}

/// Reads, or returns without a number when replies can be written. A read that does not fill its
/// room tells the runtime that nothing is left, which spares a call that would say so.
async fn exchange(
    stream: &mut TcpStream,
    input: &mut BytesMut,
    wants_input: bool,
    has_ready: bool,
) -> io::Result<Option<usize>> {
    poll_fn(|cx| {
        if has_ready && let Poll::Ready(writable) = stream.poll_write_ready(cx) {
            return Poll::Ready(writable.map(|()| None));
        }
        if !wants_input {
            return Poll::Pending;
        }
        pin!(stream.read_buf(input)).poll(cx).map_ok(Some)
    })
    .await
}

async fn wait_held(node: &Node, held: Option<&Held>, changed: &mut watch::Receiver<()>) {
    if let Some(Held { hold, deadline, .. }) = held {
        node.wait(hold, changed, *deadline).await;
    }
}
