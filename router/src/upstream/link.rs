//! Shell. The connection of a data thread to one server: one task that connects, writes what is
//! queued in as few writes as possible, and gives every answer to its client.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use resp::ReplyDecoder;
use ring::{Arc, Point};
use shell::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::{Destination, Flight, Queue};
use crate::client::{Client, Outcome};
use crate::output::SLICES_MAX;
use crate::park::{self, Park};
use crate::refusal::Refusal;
use crate::shard::Shard;
use crate::table::Node;

mod hot_path;

/// Pause between attempts to connect: at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Room for answers in each read.
const READ_BYTES: usize = 64 * 1024;
/// Reads and writes before other tasks get their turn.
const ROUNDS_MAX: usize = 8;
/// The last word of a server on a connection. Another one that comes unasked says that it leaves.
const BYE: &[u8] = b">1\r\n$3\r\nBYE\r\n";

/// One server as one data thread reaches it.
pub(crate) struct Upstream {
    node: Node,
    cluster: std::sync::Arc<str>,
    queue: RefCell<Queue>,
    waker: RefCell<Option<Waker>>,
    connected: Cell<bool>,
    retired: Cell<bool>,
    /// Set by the shard's clock: why the connection has to be closed.
    broken: Cell<Option<&'static str>>,
}

impl Upstream {
    /// Not connected yet.
    pub(crate) fn new(node: Node, cluster: std::sync::Arc<str>, now: Instant) -> Self {
        Self {
            node,
            cluster,
            queue: RefCell::new(Queue::new(now)),
            waker: RefCell::new(None),
            connected: Cell::new(false),
            retired: Cell::new(false),
            broken: Cell::new(None),
        }
    }

    /// Which server.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Whether commands go out at once.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.get()
    }

    /// Whether it is retired and nothing waits for it any more.
    pub(crate) fn is_finished(&self) -> bool {
        self.retired.get() && !self.connected.get() && self.queue.borrow().is_empty()
    }

    /// Whether a command on this point has to wait.
    #[inline]
    pub(crate) fn check(&self, point: Point, queue_bytes_max: usize) -> Result<(), Park> {
        let queue = self.queue.borrow();
        if queue.blocks_point(point) {
            return Err(blocked(&queue));
        }
        if queue.unsent_bytes() >= queue_bytes_max {
            return Err(Park::Busy(self.node.name.to_string()));
        }
        Ok(())
    }

    /// Whether a command on a whole arc has to wait.
    pub(crate) fn check_arc(&self, arc: &Arc, queue_bytes_max: usize) -> Result<(), Park> {
        let queue = self.queue.borrow();
        if queue.blocks_arc(arc) {
            return Err(blocked(&queue));
        }
        self.check(arc.start(), queue_bytes_max)
    }

    /// Queues a command; the task writes it when the other ready tasks had their turn, so that the
    /// commands of many clients make one write.
    pub(crate) fn send(&self, frame: &Bytes, to: Destination, writes: bool, now: Instant) {
        self.queue.borrow_mut().push(frame, Some(to), writes, now);
        self.wake();
    }

    /// The server is no longer at this address or no longer there: finish what was sent, take
    /// nothing more.
    pub(crate) fn retire(&self, shard: &Shard) {
        self.retired.set(true);
        if !self.connected.get() {
            self.lose(shard);
        }
        self.wake();
    }

    /// Fails what waited too long for a connection, and gives up a connection that is silent.
    pub(crate) fn watch_over(&self, wait: Duration, now: Instant, shard: &Shard) {
        if self.connected.get() {
            let silent = self.queue.borrow().silent_since();
            if silent.is_some_and(|since| since + wait <= now) {
                self.broken.set(Some("no answer in time"));
                self.wake();
            }
            return;
        }
        let Some(limit) = now.checked_sub(wait) else { return };
        let expired = self.queue.borrow_mut().expire(limit);
        let error = error_reply(&park::unreachable(&self.node.name, &self.node.address));
        for flight in expired {
            finish(flight, Outcome::Reply(error.clone()), shard);
        }
        shard.flush_clients();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Lives until the server is retired and everything sent is answered.
    pub(crate) async fn run(self: Rc<Self>, shard: Rc<Shard>) {
        let mut pause = BACKOFF.0;
        let mut reported = false;
        while !self.retired.get() {
            match timeout(shard.config().server_wait, self.connect(&shard)).await {
                Ok(Ok(connection)) => {
                    (pause, reported) = (BACKOFF.0, false);
                    self.connected.set(true);
                    self.broken.set(None);
                    self.queue.borrow_mut().made_progress(shard.now());
                    let end = self.drive(connection, &shard).await;
                    self.connected.set(false);
                    if let Err(error) = end
                        && !self.retired.get()
                    {
                        let server = &*self.node.name;
                        tracing::warn!(server, %error, "lost the connection to a server");
                    }
                    self.lose(&shard);
                }
                failed => {
                    if !std::mem::replace(&mut reported, true) {
                        let (server, address) = (&*self.node.name, &*self.node.address);
                        let error = match failed {
                            Ok(Err(error)) => error.to_string(),
                            _ => "no answer in time".to_owned(),
                        };
                        tracing::warn!(server, address, error, "cannot reach a server");
                    }
                }
            }
            if !self.retired.get() {
                sleep(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
        self.lose(&shard);
    }

    /// Whether nothing more is to be done on this connection.
    fn is_done(&self) -> bool {
        let queue = self.queue.borrow();
        queue.is_over() || (queue.is_empty() && (self.retired.get() || queue.is_leaving()))
    }

    async fn connect(&self, shard: &Shard) -> io::Result<Connection> {
        let Some(incarnation) = self.node.incarnation else {
            return Err(io::Error::other("its volume is not known yet"));
        };
        let mut stream = TcpStream::connect(&*self.node.address).await?;
        stream.set_nodelay(true)?;
        let incarnation = incarnation.to_string();
        let hello = shard.config().access.greeting(&self.cluster, &incarnation);
        stream.write_all(hello.raw()).await?;
        let mut decoder = ReplyDecoder::new(shard.reply_limits());
        let mut input = BytesMut::new();
        let reply = read_reply(&mut stream, &mut decoder, &mut input).await?;
        if reply.starts_with(b"+") {
            return Ok(Connection { stream, decoder, input });
        }
        Err(io::Error::other(String::from_utf8_lossy(&reply).trim_end().to_owned()))
    }

    async fn drive(&self, mut connection: Connection, shard: &Shard) -> io::Result<()> {
        // Something may have come right behind the answer to the greeting.
        self.take_replies(&mut connection.decoder, &mut connection.input, shard)?;
        // Without the cooperative budget, which would cut reads short while many clients are
        // flushed: `poll` bounds its own turn.
        tokio::task::unconstrained(poll_fn(|cx| self.poll(&mut connection, shard, cx))).await
    }

    fn poll(
        &self,
        connection: &mut Connection,
        shard: &Shard,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..ROUNDS_MAX {
            if let Some(why) = self.broken.take() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
            }
            let now = shard.now();
            // What the server has said comes first: it may be that it takes nothing more.
            let reading = match connection.poll_read(cx) {
                Poll::Ready(read) => {
                    read?;
                    self.queue.borrow_mut().made_progress(now);
                    let Connection { decoder, input, .. } = connection;
                    self.take_replies(decoder, input, shard)?;
                    shard.flush_clients();
                    self.queue.borrow_mut().resume(now);
                    true
                }
                Poll::Pending => false,
            };
            if self.is_done() {
                return Poll::Ready(Ok(()));
            }
            self.poll_write(connection, now, cx)?;
            if !reading {
                self.keep_waker(cx);
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn keep_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn poll_write(
        &self,
        connection: &mut Connection,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let mut queue = self.queue.borrow_mut();
        while !queue.output().is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let n = queue.output().slices(&mut slices);
            let stream = Pin::new(&mut connection.stream);
            let written = match slices.get(..n) {
                Some([one]) => stream.poll_write(cx, one),
                slices => stream.poll_write_vectored(cx, slices.unwrap_or_default()),
            };
            match written {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => queue.wrote(n, now),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    pub(crate) fn take_replies(
        &self,
        decoder: &mut ReplyDecoder,
        input: &mut BytesMut,
        shard: &Shard,
    ) -> io::Result<()> {
        while let Some(reply) = decoder.decode(input).map_err(io::Error::other)? {
            if reply.starts_with(b">") {
                let mut queue = self.queue.borrow_mut();
                match &reply[..] == BYE {
                    true => queue.end(),
                    false => queue.leave(),
                }
                continue;
            }
            let Some((flight, number)) = self.queue.borrow_mut().pop() else {
                return Err(io::Error::other("an answer to nothing"));
            };
            if flight.destination.is_none() {
                if !reply.starts_with(b"+") {
                    return Err(io::Error::other("the server does not resume a range"));
                }
                continue;
            }
            let refusal = if reply.starts_with(b"-") { Refusal::parse(&reply) } else { None };
            let outcome = match refusal {
                None => Outcome::Reply(reply),
                Some(refusal) => {
                    self.queue.borrow_mut().refused(refusal.arc(), number);
                    shard.counters().count_refusal(&refusal);
                    Outcome::Retry(refusal.into())
                }
            };
            finish(flight, outcome, shard);
        }
        Ok(())
    }

    /// Gives every client whose command was under way what is true of it.
    fn lose(&self, shard: &Shard) {
        let lost = self.queue.borrow_mut().take_lost(shard.now());
        let unknown = error_reply(&park::outcome_unknown(&self.node.name));
        let read_lost = error_reply(&park::answer_lost(&self.node.name));
        let repeatable = lost.repeatable_reads();
        for (flight, repeatable) in lost.sent.into_iter().zip(repeatable) {
            let outcome = if flight.writes {
                shard.counters().count_unknown();
                Outcome::Reply(unknown.clone())
            } else if repeatable {
                Outcome::Retry(Park::Lost)
            } else {
                Outcome::Reply(read_lost.clone())
            };
            finish(flight, outcome, shard);
        }
        for flight in lost.unsent {
            finish(flight, Outcome::Retry(Park::Lost), shard);
        }
        shard.flush_clients();
    }
}

struct Connection {
    stream: TcpStream,
    decoder: ReplyDecoder,
    input: BytesMut,
}

impl Connection {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.reserve(READ_BYTES);
        let read = std::pin::pin!(self.stream.read_buf(&mut self.input));
        match read.poll(cx) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Reads one answer, where nothing else is under way.
pub(crate) async fn read_reply(
    stream: &mut TcpStream,
    decoder: &mut ReplyDecoder,
    input: &mut BytesMut,
) -> io::Result<Bytes> {
    loop {
        if let Some(reply) = decoder.decode(input).map_err(io::Error::other)? {
            return Ok(reply);
        }
        if stream.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn blocked(queue: &Queue) -> Park {
    if queue.is_leaving() { Park::Lost } else { Park::Frozen }
}

fn finish(flight: Flight, outcome: Outcome, shard: &Shard) {
    let Some(Destination { client, sequence, part }) = flight.destination else { return };
    if Client::complete(&client, sequence, part, outcome, shard) {
        shard.flush_later(client);
    }
}

fn error_reply(text: &str) -> Bytes {
    let mut reply = BytesMut::new();
    resp::encode::error(&mut reply, text);
    reply.freeze()
}

impl From<Refusal> for Park {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Frozen(_) => Self::Frozen,
            Refusal::Moved(_) => Self::Moved,
            Refusal::Loading(why) => Self::Loading(why),
        }
    }
}
