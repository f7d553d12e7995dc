//! Shell. The RESP server: the data thread with its connections around the one executor.

mod connection;
mod node;
mod output;
mod walk;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc as Shared;
use std::task::Poll;

use shell::clock::{Clock as _, SystemClock};
use shell::drain::DrainToken;
use shell::net::{Listening, TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use crate::command::connection::Session;
use crate::executor::{ControlRequest, Executor};
use crate::metrics::Metrics;
use connection::Connection;
use node::Node;

pub(crate) use node::ServerSettings;

/// How long to wait after a failure to accept, such as for want of file descriptors.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Connections that are taken at the end though they were not yet accepted.
const WAITING_MAX: usize = 1_024;

/// What the data thread is made of.
pub(crate) struct DataServer {
    /// Where clients connect.
    pub(crate) listener: Listening,
    pub(crate) executor: Executor,
    /// What the control thread asks for. The data thread ends when all senders are gone.
    pub(crate) requests: mpsc::UnboundedReceiver<ControlRequest>,
    pub(crate) settings: ServerSettings,
    pub(crate) metrics: Shared<Metrics>,
    /// When connections are to end.
    pub(crate) drain: DrainToken,
}

impl DataServer {
    /// Serves on this thread until it is drained and nobody can send requests any more. Then every
    /// write is handed to the store.
    pub(crate) fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(LocalSet::new().run_until(self.serve()))
    }

    /// As [`DataServer::run`], inside a `LocalSet`.
    pub(crate) async fn serve(self) -> io::Result<()> {
        let Self { listener, executor, requests, settings, metrics, drain } = self;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let node = Rc::new(Node::new(executor, settings, metrics, drain));
        let sealing = Rc::clone(&node);
        let sealing = tokio::task::spawn_local(async move { sealing.seal_each_tick().await });
        let answering = tokio::task::spawn_local(answer_requests(Rc::clone(&node), requests));
        accept(&node, listener).await;
        answering.await.map_err(io::Error::other)?;
        sealing.abort();
        node.executor.borrow_mut().seal();
        Ok(())
    }
}

async fn answer_requests(node: Rc<Node>, mut requests: mpsc::UnboundedReceiver<ControlRequest>) {
    while let Some(request) = requests.recv().await {
        let mut executor = node.executor.borrow_mut();
        let is_changed = executor.control(request);
        if executor.has_open_writes() {
            node.seal_soon();
        }
        drop(executor);
        if is_changed {
            node.changed.send_replace(());
        }
    }
}

/// Accepts until it is time to drain; returns when every connection has ended.
async fn accept(node: &Rc<Node>, listener: TcpListener) {
    let mut clients = Clients::new(node);
    loop {
        let accepted = tokio::select! {
            () = node.drain.signaled() => break,
            Some(_) = clients.connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => clients.take(stream, address),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    node.is_draining.set(true);
    for _ in 0..WAITING_MAX {
        // The system has made these connections already; closing the listener would cut them.
        let waiting = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await;
        let Poll::Ready(Ok((stream, address))) = waiting else { break };
        clients.take(stream, address);
    }
    drop(listener);
    clients.end().await;
}

/// The connections.
struct Clients<'a> {
    node: &'a Rc<Node>,
    connections: JoinSet<()>,
    n_accepted: u64,
    clock: SystemClock,
}

impl<'a> Clients<'a> {
    fn new(node: &'a Rc<Node>) -> Self {
        Self { node, connections: JoinSet::new(), n_accepted: 0, clock: SystemClock::new() }
    }

    fn take(&mut self, stream: TcpStream, address: SocketAddr) {
        let Self { node, connections, n_accepted, clock } = self;
        if connections.len() >= node.settings.max_connections {
            refuse(&stream, node.settings.max_connections);
            node.metrics.count_refused_connection();
            return;
        }
        *n_accepted += 1;
        let session = open(node, &stream, address, *n_accepted, clock.unix_ms());
        let connection = Connection::new(Rc::clone(node), stream, session);
        connections.spawn_local(attend(Rc::clone(node), connection));
    }

    async fn end(mut self) {
        let all_ended = async { while self.connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.node.settings.max_drain, all_ended).await.is_err() {
            let connections = self.connections.len();
            tracing::warn!(connections, "clients do not take their last replies");
            self.connections.shutdown().await;
        }
    }
}

fn open(node: &Node, stream: &TcpStream, address: SocketAddr, id: u64, now_ms: u64) -> Session {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let local = stream.local_addr().map(|local| local.to_string()).unwrap_or_default();
    let session = dialect::Session::new(id, address.to_string(), local, now_ms);
    let asks_password = node.executor.borrow().asks_password();
    Session::new(if asks_password { session.locked() } else { session })
}

async fn attend(node: Rc<Node>, connection: Connection) {
    node.metrics.connection_opened();
    if let Err(error) = connection.run().await {
        tracing::debug!(%error, "a connection broke");
    }
    node.metrics.connection_closed();
}

fn refuse(stream: &TcpStream, limit: usize) {
    let text = format!(
        "-ERR max number of clients reached ({limit}); close some connections or raise the \
         limit\r\n"
    );
    // The socket's buffer is empty, so the line fits or the client is gone.
    let _ = stream.try_write(text.as_bytes());
}

#[cfg(test)]
mod tests;
