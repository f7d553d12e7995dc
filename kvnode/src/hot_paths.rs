//! Shell. A node without sockets and disks, whose ways through executor, writer and formats can be
//! measured: `crates/hot-paths` does that. Only its clock has a file.

use std::path::Path;
use std::sync::Arc as Shared;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dialect::{Facts, Reply};
use handoff::{ClusterId, Incarnation, Server};
use prometheus_client::registry::Registry;
use resp::{Command, Protocol};
use ring::{Arc, ArcMap, Point};
use shell::clock::Clock;
use tokio::sync::oneshot;

use crate::command::connection::Session;
use crate::executor::{
    Admission, ControlRequest, Executor, ExecutorLimits, Identity, SegmentState, Segments, Verdict,
};
use crate::handoff::ToTarget;
use crate::metrics::Metrics;
use crate::store::{
    Durability, HybridClock, MemoryEngine, OnFailure, RecordKey, Store, StoreConfig, fatal,
};

/// A server of the ring owns about as many arcs.
const N_ARCS: u128 = 128;
/// In front of each frame.
const LENGTH_BYTES: usize = 4;
const UNIX_MS: u64 = 1_700_000_000_000;

/// A node that owns the whole ring, in many arcs, and one router's connection to it.
pub struct Node {
    executor: Executor,
    session: Session,
    output: BytesMut,
}

impl Node {
    /// With the file of its clock in this directory.
    ///
    /// # Panics
    /// The file cannot be written.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        let engine = Shared::new(MemoryEngine::new());
        let config = StoreConfig::small(Durability::EverySec);
        let on_failure: OnFailure = Shared::new(|error| fatal(error));
        let store = Store::without_thread(engine, config, on_failure);
        let wall = Shared::new(StandingClock);
        let clock = HybridClock::without_thread(&directory.join("clock"), wall, || Ok(0));
        let clock = clock.expect("the clock's file can be written");
        let server = Server { name: "kv-0".into(), incarnation: Incarnation(1) };
        let identity = Identity { cluster: ClusterId(1), server };
        let limits = ExecutorLimits {
            max_value_bytes: 1 << 24,
            max_reply_bytes: 1 << 24,
            max_pending_bytes: 1 << 26,
        };
        let metrics = Shared::new(Metrics::register(&mut Registry::default()));
        let writer = store.writer().expect("a new store has its writer");
        let mut executor = Executor::new(writer, clock, identity, limits, metrics);
        let (applied, _answer) = oneshot::channel();
        executor.control(ControlRequest::Publish { segments: segments(), applied });
        let client = dialect::Session::new(1, "router:1".into(), "node:1".into(), 0);
        let mut session = Session::new(client);
        session.is_router = true;
        Self { executor, session, output: BytesMut::new() }
    }

    /// Runs a command and writes its answer; whether it is one, and no error.
    pub fn run(&mut self, command: &Command) -> bool {
        let Verdict::Answer(reply, _) =
            self.executor.execute(&mut self.session, command, Facts::default)
        else {
            return false;
        };
        self.output.clear();
        reply.encode(&mut self.output, Protocol::Resp2);
        std::hint::black_box(&self.output);
        !matches!(reply, Reply::Error(_) | Reply::Null)
    }

    /// Closes the open batch, which is committed at once.
    pub fn seal(&mut self) {
        self.executor.seal();
    }
}

/// Neighbours of different epochs, which do not become one arc.
fn segments() -> Segments {
    let width = u128::MAX / N_ARCS + 1;
    let mut arcs = ArcMap::default();
    for n in 0..N_ARCS {
        let start = n * width;
        let last = start + (width - 1);
        let arc = Arc::new(Point(start), Point(last)).expect("its start is not behind its end");
        let epoch = u64::try_from(1 + n % 2).unwrap_or(1);
        arcs.insert(arc, SegmentState::Serving { epoch });
    }
    Segments { admission: Admission::Admitted, ring_epoch: 2, arcs, given: ArcMap::default() }
}

struct StandingClock;

impl Clock for StandingClock {
    fn unix_ms(&self) -> u64 {
        UNIX_MS
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A frame of a handoff's stream with records.
pub struct Chunk(ToTarget);

impl Chunk {
    /// Of these records, which are encoded.
    #[must_use]
    pub fn new(records: Vec<(RecordKey, Bytes)>) -> Self {
        Self(ToTarget::Chunk(records))
    }

    /// As it is sent.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.0.encode()
    }

    /// How many records there are in what was sent; none where that is no chunk.
    #[must_use]
    pub fn n_records(sent: &Bytes) -> usize {
        match ToTarget::decode(sent.slice(LENGTH_BYTES..)) {
            Ok(ToTarget::Chunk(records)) => std::hint::black_box(records).len(),
            _ => 0,
        }
    }
}
