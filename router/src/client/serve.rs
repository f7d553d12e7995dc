//! Shell. The task of one client: reads, has commands sent, writes answers.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use resp::Command;
use shell::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep_until};

use super::dispatch::error_reply;
use super::{Client, Core, Sink};
use crate::output::{Output, SLICES_MAX};
use crate::shard::Shard;

/// Room for a read at first, and at most unless one argument is longer.
const READ_BYTES: (usize, usize) = (4 * 1024, 64 * 1024);
/// The most room that is made at a time for a long argument.
const LONG_READ_BYTES: usize = 1024 * 1024;
/// How long a client may take to end its side of a connection that has ended.
const CLOSE_WAIT: Duration = Duration::from_millis(200);
/// Reads before other tasks get their turn.
const ROUNDS_MAX: usize = 8;

/// Serves a RESP connection until its end.
pub(crate) async fn serve(stream: TcpStream, shard: Rc<Shard>) {
    let client = Client::new(Sink::Stream(stream), &shard);
    run(&client, &shard).await;
    shard.metrics().client_ended();
}

/// Tells a client why it is not served.
pub(crate) async fn refuse(mut stream: TcpStream, error: &str) {
    // It may not listen; then there is nobody to tell.
    let _ = stream.write_all(&error_reply(error)).await;
}

/// Has one command executed for a client without a connection.
pub(crate) async fn submit(command: Command, reply: oneshot::Sender<Bytes>, shard: Rc<Shard>) {
    let client = Client::new(Sink::Once(Some(reply)), &shard);
    client.core.borrow_mut().ending = true;
    Client::put(&client, command, &shard);
    run(&client, &shard).await;
}

async fn run(client: &Rc<Client>, shard: &Shard) {
    let id = client.core.borrow().session.id();
    shard.client_began(id, client);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let mut room = READ_BYTES.0;
    let mut has_looked = false;
    while !poll_fn(|cx| poll(client, shard, &mut timer, &mut room, has_looked, cx)).await {
        // More may have arrived than the runtime has looked for.
        tokio::task::yield_now().await;
        has_looked = true;
    }
    let stream = client.core.borrow_mut().end();
    if let Some(stream) = stream {
        close(stream).await;
    }
    shard.client_ended(id);
}

/// Ends a connection so that the client gets what was written. If bytes were left unread, the
/// operating system would reset the connection and take answers back.
async fn close(mut stream: TcpStream) {
    let read_rest = async {
        stream.shutdown().await?;
        let mut rest = BytesMut::new();
        loop {
            rest.clear();
            rest.reserve(READ_BYTES.0);
            if stream.read_buf(&mut rest).await? == 0 {
                return io::Result::Ok(());
            }
        }
    };
    // A client that does not end its side, or has failed, has had its answers all the same.
    let _ = tokio::time::timeout(CLOSE_WAIT, read_rest).await;
}

/// Ready when the client has ended: true; or when it seems that nothing of it is unanswered and it
/// is to end at such a moment: false.
fn poll(
    client: &Rc<Client>,
    shard: &Shard,
    timer: &mut Option<Pin<Box<Sleep>>>,
    room: &mut usize,
    has_looked: bool,
    cx: &mut Context<'_>,
) -> Poll<bool> {
    if !client.waker.borrow().will_wake(cx.waker()) {
        *client.waker.borrow_mut() = cx.waker().clone();
    }
    for _ in 0..ROUNDS_MAX {
        let now = shard.now();
        Client::pump(client, shard, now);
        let core = &mut *client.core.borrow_mut();
        if core.flush(cx).is_err() || core.dead || core.is_over(shard.config()) {
            return Poll::Ready(true);
        }
        let mut again = false;
        if !core.ending && !core.is_full(shard.config()) {
            match core.poll_read(room, cx) {
                Poll::Ready(Ok(())) => again = true,
                Poll::Ready(Err(_)) => return Poll::Ready(true),
                Poll::Pending if core.draining && core.is_idle() => {
                    core.ending = has_looked;
                    return Poll::Ready(has_looked);
                }
                Poll::Pending => {}
            }
        }
        if !again && !poll_timer(core, shard, timer, cx) {
            return Poll::Pending;
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// True when a stalled client is to try again now.
fn poll_timer(
    core: &Core,
    shard: &Shard,
    timer: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> bool {
    if !core.stalled || core.in_flight > 0 {
        *timer = None;
        return false;
    }
    if core.generation != shard.generation() {
        return true;
    }
    let Some(at) = core.retry_at.map(|at| shard.wake_time(at)) else { return true };
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
    if timer.deadline() != at {
        timer.as_mut().reset(at);
    }
    timer.as_mut().poll(cx).is_ready()
}

impl Core {
    /// Forgets everything; the connection, if it ends in order.
    fn end(&mut self) -> Option<TcpStream> {
        let in_order = self.ending && !self.dead && self.output.is_empty();
        self.die();
        match std::mem::replace(&mut self.sink, Sink::Once(None)) {
            Sink::Stream(stream) if in_order => Some(stream),
            Sink::Stream(_) | Sink::Once(_) => None,
        }
    }

    fn poll_read(&mut self, room: &mut usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Sink::Stream(stream) = &mut self.sink else { return Poll::Pending };
        let missing = self.decoder.missing(&self.input).min(LONG_READ_BYTES);
        let wanted = missing.max(*room);
        if self.input.capacity() - self.input.len() < wanted {
            self.input.reserve(wanted);
        }
        let before = self.input.len();
        let read = std::pin::pin!(stream.read_buf(&mut self.input));
        match read.poll(cx) {
            Poll::Ready(Ok(0)) => {
                self.ending = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Ok(n)) => {
                if self.input.len() == self.input.capacity() || before + n >= wanted {
                    *room = (*room * 2).min(READ_BYTES.1);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Writes as much as the connection takes now.
pub(super) fn poll_write(
    stream: &mut TcpStream,
    output: &mut Output,
    cx: &mut Context<'_>,
) -> io::Result<()> {
    while !output.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let n = output.slices(&mut slices);
        let stream = Pin::new(&mut *stream);
        let written = match slices.get(..n) {
            Some([one]) => stream.poll_write(cx, one),
            slices => stream.poll_write_vectored(cx, slices.unwrap_or_default()),
        };
        match written {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(n)) => output.advance(n),
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => break,
        }
    }
    Ok(())
}

impl Output {
    /// Takes everything.
    pub(super) fn take(&mut self) -> Bytes {
        let mut all = BytesMut::with_capacity(self.len());
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let n = self.slices(&mut slices);
            let len = slices.iter().take(n).map(|slice| slice.len()).sum();
            slices.iter().take(n).for_each(|slice| all.extend_from_slice(slice));
            self.advance(len);
        }
        all.freeze()
    }
}
