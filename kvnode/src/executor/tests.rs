mod capture;
mod check;
mod commands;
mod control;
mod handoff;
mod range;

use std::sync::Arc as Shared;

use ::handoff::{ClusterId, HandoffId, Incarnation, Server};
use dialect::Facts;
use prometheus_client::registry::Registry;
use resp::Command;
use ring::{Arc, ArcSet, Point};
use shell::clock::SystemClock;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{
    Admission, CaptureQueue, ControlRequest, Executor, ExecutorLimits, Identity, SegmentState,
    Segments, Verdict,
};
use crate::command::Reply;
use crate::command::connection::Session;
use crate::metrics::Metrics;
use crate::store::{BatchNo, Durability, HybridClock, MemoryEngine, RecordKey, Store, StoreConfig};

/// An executor over a store in memory, with a router's and another client's session.
struct Bench {
    executor: Executor,
    store: Store,
    engine: Shared<MemoryEngine>,
    client: Session,
    router: Session,
    _dir: TempDir,
}

fn identity() -> Identity {
    let server = Server { name: "kv-0".into(), incarnation: Incarnation(7) };
    Identity { cluster: ClusterId(9), server }
}

fn session(id: u64) -> Session {
    Session::new(dialect::Session::new(id, "client:1".into(), "node:1".into(), 0))
}

impl Bench {
    /// Of a node that serves the whole ring.
    fn new() -> Self {
        Self::with_limits(ExecutorLimits {
            max_value_bytes: 1 << 20,
            max_reply_bytes: 1 << 20,
            max_pending_bytes: 1 << 20,
        })
    }

    fn with_limits(limits: ExecutorLimits) -> Self {
        Self::on_engine(Shared::new(MemoryEngine::new()), limits)
    }

    /// The same records, on a volume that has nothing left.
    fn with_full_disk(&self) -> Self {
        self.engine.set_free_bytes(0);
        Self::on_engine(Shared::clone(&self.engine), *self.executor.limits())
    }

    fn on_engine(engine: Shared<MemoryEngine>, limits: ExecutorLimits) -> Self {
        let config = StoreConfig::small(Durability::Always);
        let on_failure = Shared::new(|error: &_| panic!("the store failed: {error}"));
        let store = Store::with_engine(Shared::clone(&engine) as Shared<_>, config, on_failure);
        let store = store.expect("a store");
        let dir = TempDir::new().expect("a directory");
        let wall = Shared::new(SystemClock::new());
        let clock = HybridClock::open(&dir.path().join("clock"), wall, || Ok(0)).expect("a clock");
        let metrics = Shared::new(Metrics::register(&mut Registry::default()));
        let writer = store.writer().expect("the writer");
        let executor = Executor::new(writer, clock, identity(), limits, metrics);
        let mut router = session(2);
        router.is_router = true;
        let mut bench = Self { executor, store, engine, client: session(1), router, _dir: dir };
        bench.publish(&serving());
        bench
    }

    fn publish(&mut self, segments: &Segments) -> BatchNo {
        let (applied, mut answer) = oneshot::channel();
        let segments = segments.clone();
        assert!(self.executor.control(ControlRequest::Publish { segments, applied }));
        answer.try_recv().expect("an answer at once")
    }

    fn open_capture(&mut self, arcs: ArcSet, limit_bytes: usize) -> Shared<CaptureQueue> {
        let queue = Shared::new(CaptureQueue::new(limit_bytes));
        let (opened, mut answer) = oneshot::channel();
        let (id, copy) = (HandoffId(1), Shared::clone(&queue));
        self.executor.control(ControlRequest::OpenCapture { id, arcs, queue: copy, opened });
        answer.try_recv().expect("an answer at once");
        queue
    }

    fn close_capture(&mut self) {
        let (closed, mut answer) = oneshot::channel();
        self.executor.control(ControlRequest::CloseCapture { id: HandoffId(1), closed });
        answer.try_recv().expect("an answer at once");
    }

    fn run(&mut self, line: &str) -> Verdict {
        self.executor.execute(&mut self.client, &command(line), Facts::default)
    }

    fn run_as_router(&mut self, line: &str) -> Verdict {
        self.executor.execute(&mut self.router, &command(line), Facts::default)
    }

    fn ask(&mut self, line: &str) -> Reply {
        reply_of(self.run(line))
    }

    fn ask_as_router(&mut self, line: &str) -> Reply {
        reply_of(self.run_as_router(line))
    }

    /// Seals, and waits until everything is released.
    fn settle(&mut self) {
        let batch = self.executor.seal();
        self.store.sync().expect("synced");
        while batch.is_some_and(|batch| batch > self.executor.released()) {
            std::thread::yield_now();
        }
    }
}

fn command(line: &str) -> Command {
    Command::new(&line.split(' ').collect::<Vec<_>>())
}

fn reply_of(verdict: Verdict) -> Reply {
    match verdict {
        Verdict::Answer(reply, _) => reply,
        other => panic!("not an answer: {other:?}"),
    }
}

fn batch_of(verdict: Verdict) -> BatchNo {
    match verdict {
        Verdict::Answer(_, batch) => batch,
        other => panic!("not an answer: {other:?}"),
    }
}

fn error_of(reply: Reply) -> String {
    match reply {
        Reply::Error(text) => text.into_owned(),
        other => panic!("not an error: {other:?}"),
    }
}

fn serving() -> Segments {
    let mut segments = Segments::waiting("");
    segments.admission = Admission::Admitted;
    segments.arcs.insert(Arc::FULL, SegmentState::Serving { epoch: 1 });
    segments
}

/// The arc of one point: that of a key.
fn arc_of(key: &str) -> Arc {
    let point = RecordKey::new(key.as_bytes()).point();
    Arc::new(point, point).expect("one point")
}

/// Everything but the key is served, and the key is frozen.
fn frozen(key: &str) -> Segments {
    let mut segments = serving();
    segments.arcs.insert(arc_of(key), SegmentState::Frozen { epoch: 1 });
    segments
}

/// Everything but the key is served.
fn without(key: &str) -> Segments {
    let mut segments = serving();
    segments.arcs.remove(&arc_of(key).into());
    segments
}

fn range_text(arc: Arc) -> String {
    format!("{} {}", arc.start(), arc.last())
}

const FIRST: Point = Point::MIN;
