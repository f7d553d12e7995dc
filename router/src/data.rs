//! Shell. The body of a data thread: takes connections, follows the table, ends in order.

use std::rc::Rc;
use std::sync::Arc as Shared;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use futures_util::FutureExt as _;
use resp::Command;
use shell::drain::DrainToken;
use shell::net::{Listening, TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use crate::client;
use crate::lived::LOOK_EVERY;
use crate::shard::Shard;
use crate::table::Table;

/// Pause after a connection could not be taken, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that are taken at the end though they were not yet accepted.
const WAITING_MAX: usize = 1_024;

/// A command from another thread, and where its answer goes.
pub(crate) type Request = (Command, oneshot::Sender<Bytes>);

/// What a data thread is given.
pub(crate) struct DataThread {
    pub(crate) listener: Listening,
    pub(crate) tables: watch::Receiver<Shared<Table>>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) drain: DrainToken,
}

impl DataThread {
    /// Runs until it is told to end and its clients are served.
    pub(crate) fn run(self, make_shard: impl FnOnce() -> Rc<Shard>) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("start the runtime of a data thread")?;
        LocalSet::new().block_on(&runtime, self.serve(make_shard()))
    }

    /// As [`DataThread::run`], inside a `LocalSet`.
    pub(crate) async fn serve(self, shard: Rc<Shard>) -> anyhow::Result<()> {
        let Self { listener, tables, requests, drain } = self;
        let listener = TcpListener::from_std(listener).context("use the listener")?;
        spawn_local(follow_tables(tables, Rc::clone(&shard)));
        spawn_local(tick(Rc::clone(&shard)));
        let requests = spawn_local(take_requests(requests, Rc::clone(&shard)));
        tokio::select! {
            () = accept(&listener, &shard) => {}
            () = drain.signaled() => {}
        }
        take_waiting(&listener, &shard);
        drop(listener);
        shard.drain_clients();
        let wait = shard.config().drain_wait;
        let (busy, limit) = (Instant::now() + wait / 2, Instant::now() + wait);
        let end_busy = Rc::clone(&shard);
        spawn_local(async move {
            tokio::time::sleep_until(busy).await;
            end_busy.end_clients();
        });
        let served = async {
            // Requests end when the HTTP server is gone.
            let _ = requests.await;
            shard.wait_for_clients().await;
        };
        if tokio::time::timeout_at(limit, served).await.is_err() {
            tracing::warn!("some clients' commands were not answered in time");
        }
        Ok(())
    }
}

async fn accept(listener: &TcpListener, shard: &Rc<Shard>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => take(stream, shard),
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Takes the connections that the system has made already; closing the listener would cut them.
fn take_waiting(listener: &TcpListener, shard: &Rc<Shard>) {
    for _ in 0..WAITING_MAX {
        match listener.accept().now_or_never() {
            Some(Ok((stream, _))) => take(stream, shard),
            Some(Err(_)) | None => return,
        }
    }
}

fn take(stream: TcpStream, shard: &Rc<Shard>) {
    // Only a hint to the system; a connection that ended already shows at the first read.
    let _ = stream.set_nodelay(true);
    let max = shard.config().clients_max;
    if shard.metrics().client_began(max) {
        spawn_local(client::serve(stream, Rc::clone(shard)));
    } else {
        let error = format!("ERR max number of clients reached: this router takes {max}");
        spawn_local(async move { client::refuse(stream, &error).await });
    }
}

async fn follow_tables(mut tables: watch::Receiver<Shared<Table>>, shard: Rc<Shard>) {
    loop {
        let table = Shared::clone(&tables.borrow_and_update());
        shard.install(table);
        if tables.changed().await.is_err() {
            return;
        }
    }
}

async fn tick(shard: Rc<Shard>) {
    let period = LOOK_EVERY.min(shard.config().server_wait / 4).max(Duration::from_millis(1));
    loop {
        sleep(period).await;
        shard.tick();
    }
}

async fn take_requests(mut requests: mpsc::Receiver<Request>, shard: Rc<Shard>) {
    while let Some((command, reply)) = requests.recv().await {
        spawn_local(client::submit(command, reply, Rc::clone(&shard)));
    }
}
