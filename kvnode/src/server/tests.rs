mod access;
mod ending;
mod output;
mod sockets;

use std::net::SocketAddr;
use std::sync::Arc as Shared;
use std::time::Duration;

use ::handoff::{ClusterId, Incarnation, Server};
use bytes::BytesMut;
use prometheus_client::registry::Registry;
use resp::{Command, Limits, ReplyDecoder, Value};
use ring::{Arc, ArcSet};
use shell::clock::SystemClock;
use shell::drain::{self, Drain};
use shell::net::TcpStream;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, LocalSet};

use super::{DataServer, ServerSettings};
use crate::Access;
use crate::executor::{
    Admission, ControlRequest, ControlSender, Executor, ExecutorLimits, Identity, SegmentState,
    Segments,
};
use crate::metrics::Metrics;
use crate::store::{Durability, HybridClock, MemoryEngine, RecordKey, Store, StoreConfig};

/// A server on a free port of this machine, over a store in memory.
struct Harness {
    address: SocketAddr,
    engine: Shared<MemoryEngine>,
    requests: ControlSender,
    drain: Drain,
    metrics: Shared<Metrics>,
    server: JoinHandle<std::io::Result<()>>,
    _store: Store,
    _dir: TempDir,
}

fn settings() -> ServerSettings {
    ServerSettings {
        decoder: Limits { max_bulk_bytes: 1 << 20, ..Limits::default() },
        max_connections: 8,
        max_output_bytes: 64 << 10,
        max_hold: Duration::from_secs(60),
        max_drain: Duration::from_secs(60),
        port: 0,
        fsync_always: true,
    }
}

/// Runs a test inside a runtime like that of the data thread.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let limited = async {
        let limit = Duration::from_secs(60);
        tokio::time::timeout(limit, test).await.expect("the test ends in time");
    };
    runtime.expect("a runtime").block_on(LocalSet::new().run_until(limited));
}

impl Harness {
    async fn start(durability: Durability, settings: ServerSettings) -> Self {
        Self::guarded(durability, settings, Access::default()).await
    }

    async fn guarded(durability: Durability, settings: ServerSettings, access: Access) -> Self {
        let engine = Shared::new(MemoryEngine::new());
        let on_failure = Shared::new(|error: &_| panic!("the store failed: {error}"));
        let config = StoreConfig::small(durability);
        let store = Store::with_engine(Shared::clone(&engine) as Shared<_>, config, on_failure);
        let store = store.expect("a store");
        let dir = TempDir::new().expect("a directory");
        let wall = Shared::new(SystemClock::new());
        let clock = HybridClock::open(&dir.path().join("clock"), wall, || Ok(0)).expect("a clock");
        let metrics = Shared::new(Metrics::register(&mut Registry::default()));
        let server = Server { name: "kv-0".into(), incarnation: Incarnation(7) };
        let identity = Identity { cluster: ClusterId(9), server };
        let limits = ExecutorLimits {
            max_value_bytes: 1 << 20,
            max_reply_bytes: 8 << 20,
            max_pending_bytes: 8 << 20,
        };
        let writer = store.writer().expect("the writer");
        let executor = Executor::new(writer, clock, identity, limits, Shared::clone(&metrics));
        let executor = executor.with_access(access);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (requests, receiver) = mpsc::unbounded_channel();
        let (drain, token) = drain::channel();
        let data = DataServer {
            listener,
            executor,
            requests: receiver,
            settings,
            metrics: Shared::clone(&metrics),
            drain: token,
        };
        let server = tokio::task::spawn_local(data.serve());
        let harness =
            Self { address, engine, requests, drain, metrics, server, _store: store, _dir: dir };
        harness.publish(serving()).await;
        harness
    }

    async fn publish(&self, segments: Segments) {
        let (applied, answer) = oneshot::channel();
        self.requests.send(ControlRequest::Publish { segments, applied }).expect("sent");
        answer.await.expect("an answer");
    }

    async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let decoder = ReplyDecoder::new(Limits::default());
        Client { stream, decoder, input: BytesMut::new() }
    }

    /// Waits until the server has taken so many commands in all.
    async fn wait_for_commands(&self, n_commands: u64) {
        while self.metrics.total_commands() < n_commands {
            tokio::task::yield_now().await;
        }
    }

    async fn finish(self) {
        drop(self.requests);
        self.drain.start();
        self.server.await.expect("no panic").expect("no failure");
    }
}

struct Client {
    stream: TcpStream,
    decoder: ReplyDecoder,
    input: BytesMut,
}

impl Client {
    async fn send(&mut self, lines: &[&str]) {
        let mut bytes = BytesMut::new();
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            bytes.extend_from_slice(Command::new(&words).raw());
        }
        self.stream.write_all(&bytes).await.expect("written");
    }

    /// The next reply, or `None` where the server has closed the connection.
    async fn receive(&mut self) -> Option<Value> {
        loop {
            if let Some(reply) = self.decoder.decode(&mut self.input).expect("a reply") {
                return Some(Value::parse(&reply).expect("a value"));
            }
            self.input.reserve(64 << 10);
            if self.stream.read_buf(&mut self.input).await.expect("read") == 0 {
                return None;
            }
        }
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.send(&[line]).await;
        self.receive().await.expect("a reply")
    }

    async fn ask_text(&mut self, line: &str) -> String {
        format!("{:?}", self.ask(line).await)
    }
}

fn serving() -> Segments {
    let mut segments = Segments::waiting("");
    segments.admission = Admission::Admitted;
    segments.arcs.insert(Arc::FULL, SegmentState::Serving { epoch: 1 });
    segments
}

fn frozen(key: &str) -> Segments {
    let point = RecordKey::new(key.as_bytes()).point();
    let mut segments = serving();
    let arc = Arc::new(point, point).expect("an arc");
    segments.arcs.insert(arc, SegmentState::Frozen { epoch: 1 });
    segments
}

fn without(key: &str) -> Segments {
    let point = RecordKey::new(key.as_bytes()).point();
    let mut segments = serving();
    segments.arcs.remove(&ArcSet::from(Arc::new(point, point).expect("an arc")));
    segments
}
