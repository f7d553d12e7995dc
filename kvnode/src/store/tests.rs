//! Tests of the store.

mod arcs;
mod clock;
mod crash;
mod journal;
mod model;
mod opening;
mod pipeline;
mod record;
mod sweep;

use std::ops::Bound;

use super::*;

/// An encoded record without expiry.
fn record(version: u64, value: &str) -> Bytes {
    expiring(version, value, None)
}

fn expiring(version: u64, value: &str, expiry_ms: Option<u64>) -> Bytes {
    let value = Some(Bytes::copy_from_slice(value.as_bytes()));
    Record { version, expiry_ms, value }.encode()
}

/// A store on an engine in memory, where a failure is an error and does not end the process.
fn memory_store(engine: &Arc<MemoryEngine>, durability: Durability) -> Store {
    let engine: Arc<dyn Engine> = Arc::clone(engine) as _;
    Store::with_engine(engine, StoreConfig::small(durability), Arc::new(|_| ())).unwrap()
}

fn new_memory_store(durability: Durability) -> (Arc<MemoryEngine>, Store) {
    let engine = Arc::new(MemoryEngine::new());
    let store = memory_store(&engine, durability);
    (engine, store)
}

fn all(store: &Store) -> Vec<(RecordKey, Record)> {
    let decoded = store.scan(RingArc::FULL, None).map(|entry| {
        let (key, record) = entry.unwrap();
        (key, Record::decode(record).unwrap())
    });
    decoded.collect()
}

/// Blocks until a batch is released.
fn wait_released(store: &Store, no: BatchNo) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut released = store.released_watch();
    runtime.block_on(released.wait_for(|released| *released >= no)).unwrap();
}

/// What failed in the background.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Vec<String>>>);

impl Failures {
    fn collector(&self) -> OnFailure {
        let failures = self.0.clone();
        Arc::new(move |error| failures.lock().unwrap().push(error.to_string()))
    }

    fn seen(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
