//! Shell. The records of one server on disk.
//!
//! [`Store`] reads and writes committed data from any thread; [`Writer`] is the data thread's way
//! in: it sees its own writes at once and says when they are safe. Both are blocking and know
//! nothing of ownership. Everything goes through the narrow [`Engine`].

mod clock;
mod engine;
mod error;
mod format;
mod journal;
mod memory;
mod pipeline;
mod record;
mod sweep;
mod trim;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use ring::Arc as RingArc;
use shell::clock::{Clock as _, SystemClock};
use tokio::sync::watch;

pub use clock::{HybridClock, ImplausibleVersion};
pub use engine::{Change, Engine, EngineSizes, FjallEngine, MIN_JOURNAL_BYTES, Scan, Table};
pub use error::{OpenError, StoreError, fatal};
pub use memory::MemoryEngine;
pub use record::{MAX_KEY_BYTES, POINT_BYTES, Record, RecordError, RecordHead, RecordKey};
pub use sweep::{Due, Sweeper};
pub use trim::{Applied, Trim, Trimmed};
pub use writer::{Writer, WriterScan};

use pipeline::{Committer, Pipeline};
use record::key_range;

/// The number of a batch of writes; batches are committed in order. 0 is before the first one.
pub type BatchNo = u64;

/// What to do when committing or syncing failed in the background.
pub type OnFailure = Arc<dyn Fn(&StoreError) + Send + Sync>;

const STAMP_KEY: &[u8] = b"stamp";
/// How old the last look at the free space may be.
const FREE_SPACE_AGE_MS: u64 = 250;
/// So large a part of the reserve may be written without another look.
const UNSEEN_SHARE: u64 = 8;

/// When a write may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After its fsync.
    Always,
    /// After it was handed to the operating system, which is asked to sync each second.
    EverySec,
}

/// How a store works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// When a write may be answered.
    pub durability: Durability,
    /// Upper bound of the cache of blocks; memory is taken as blocks are read.
    pub cache_bytes: u64,
    /// Size of the buffer of newest records; up to about five exist under a heavy load. Kept by a
    /// store from its creation on.
    pub memtable_bytes: u64,
    /// How much journal may lie on disk, at least [`MIN_JOURNAL_BYTES`].
    pub journal_bytes: u64,
    /// Below this much free space on the volume, over what the engine's own work may need, writes
    /// that grow the store are to be refused.
    pub disk_reserve_bytes: u64,
}

impl StoreConfig {
    /// Sizes with which five servers fit on a laptop beside other work.
    #[must_use]
    pub const fn small(durability: Durability) -> Self {
        Self {
            durability,
            cache_bytes: 32 << 20,
            memtable_bytes: 16 << 20,
            journal_bytes: 128 << 20,
            disk_reserve_bytes: 64 << 20,
        }
    }
}

/// One change to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Set the encoded record, which has this expiry.
    Put(RecordKey, Bytes, Option<u64>),
    /// Remove the record.
    Remove(RecordKey),
}

impl Op {
    /// The key that it changes.
    #[must_use]
    pub const fn key(&self) -> &RecordKey {
        match self {
            Self::Put(key, ..) | Self::Remove(key) => key,
        }
    }
}

/// The records on disk. Cheap to clone; the last clone that goes brings everything to disk.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    pipeline: Arc<Pipeline>,
    committer: Mutex<Option<JoinHandle<()>>>,
    has_writer: AtomicBool,
    disk: DiskWatch,
}

impl Store {
    /// Opens or creates the store in this directory. A failure in the background ends the process.
    pub fn open(dir: &Path, config: StoreConfig) -> Result<Self, OpenError> {
        let found = format::prepare(dir)?;
        let sizes = EngineSizes {
            cache_bytes: config.cache_bytes,
            memtable_bytes: config.memtable_bytes,
            journal_bytes: config.journal_bytes,
        };
        let engine = FjallEngine::open(&dir.join(format::ENGINE_DIR), sizes)?;
        if found == format::Found::New {
            format::finish_creation(dir)?;
        }
        let on_failure: OnFailure = Arc::new(|error| fatal(error));
        Self::with_engine(Arc::new(engine), config, on_failure)
            .map_err(|source| OpenError::from_io(dir, source))
    }

    /// A store on any engine.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn with_engine(
        engine: Arc<dyn Engine>,
        config: StoreConfig,
        on_failure: OnFailure,
    ) -> std::io::Result<Self> {
        let durability = config.durability;
        let pipeline = Arc::new(Pipeline::new(engine, durability, on_failure, Committer::Thread));
        let runner = Arc::clone(&pipeline);
        let committer =
            std::thread::Builder::new().name("committer".into()).spawn(move || runner.run())?;
        Ok(Self::new(pipeline, Some(committer), config))
    }

    /// A store that starts no thread: what waits for a disk is done when [`Store::step`] is called.
    /// It ends as in a crash.
    #[must_use]
    pub fn without_thread(
        engine: Arc<dyn Engine>,
        config: StoreConfig,
        on_failure: OnFailure,
    ) -> Self {
        let durability = config.durability;
        let pipeline = Pipeline::new(engine, durability, on_failure, Committer::Caller);
        Self::new(Arc::new(pipeline), None, config)
    }

    fn new(
        pipeline: Arc<Pipeline>,
        committer: Option<JoinHandle<()>>,
        config: StoreConfig,
    ) -> Self {
        let disk = DiskWatch::new(config.disk_reserve_bytes);
        let has_writer = AtomicBool::new(false);
        Self(Arc::new(Inner { pipeline, committer: Mutex::new(committer), has_writer, disk }))
    }

    /// Commits and syncs what is to be committed and synced by now, of a store without a thread.
    pub fn step(&self) {
        self.pipeline().step_if_due();
    }

    /// The writer, once.
    #[must_use]
    pub fn writer(&self) -> Option<Writer> {
        let is_first = !self.0.has_writer.swap(true, Ordering::AcqRel);
        is_first.then(|| Writer::new(self.clone()))
    }

    fn pipeline(&self) -> &Pipeline {
        &self.0.pipeline
    }

    fn engine(&self) -> &dyn Engine {
        &*self.0.pipeline.engine
    }

    /// The committed record, expired or a tombstone as it may be.
    pub fn get(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        match self.engine().get(Table::Records, key.as_bytes())? {
            None => Ok(None),
            Some(bytes) => Ok(Some(decode(key, bytes)?)),
        }
    }

    /// The committed records of an arc after a key, in point order, as of now and encoded. It holds
    /// back the engine's cleaning for as long as it lives, so take it piece by piece.
    pub fn scan(
        &self,
        arc: RingArc,
        after: Option<&RecordKey>,
    ) -> impl Iterator<Item = Result<(RecordKey, Bytes), StoreError>> + Send + use<> {
        let entries = match key_range(arc, after) {
            None => Box::new(std::iter::empty()),
            Some((from, to)) => {
                let (from, to) = (from.as_ref().map(as_bytes), to.as_ref().map(as_bytes));
                self.engine().scan(Table::Records, from, to)
            }
        };
        entries.map(|entry| {
            let (key, record) = entry?;
            let key = RecordKey::from_raw(key)
                .ok_or_else(|| StoreError::Corrupt("a record key of impossible length".into()))?;
            Ok((key, record))
        })
    }

    /// Applies all changes or none, and the index of expiries with them. Visible at once; on disk
    /// after the next [`Store::sync`]. Of changes to the same key the last one counts.
    pub fn commit(&self, ops: &[Op]) -> Result<(), StoreError> {
        self.pipeline().commit(pipeline::changes_of_last(ops.iter().rev(), ops.len()))
    }

    /// Everything committed before, and every batch sealed before, is on disk after. Blocks.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.pipeline().sync()
    }

    /// Asks for a sync soon; [`Store::durable_watch`] tells when.
    pub fn request_sync(&self) {
        self.pipeline().request_sync();
    }

    /// Batches of the writer up to this one may be answered.
    #[must_use]
    pub fn released(&self) -> BatchNo {
        self.pipeline().released()
    }

    /// Batches of the writer up to this one are on disk.
    #[must_use]
    pub fn durable(&self) -> BatchNo {
        self.pipeline().durable()
    }

    /// [`Store::released`] to wait for.
    #[must_use]
    pub fn released_watch(&self) -> watch::Receiver<BatchNo> {
        self.pipeline().released_watch()
    }

    /// [`Store::durable`] to wait for.
    #[must_use]
    pub fn durable_watch(&self) -> watch::Receiver<BatchNo> {
        self.pipeline().durable_watch()
    }

    /// The number of the newest ownership decision that this store knows of; 0 before the first.
    pub fn stamp(&self) -> Result<u64, StoreError> {
        let Some(bytes) = self.engine().get(Table::Meta, STAMP_KEY)? else { return Ok(0) };
        let bytes = <[u8; 8]>::try_from(&bytes[..])
            .map_err(|_| StoreError::Corrupt("the stamp has an impossible length".into()))?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// Records the number of a decision; on disk after the next [`Store::sync`], and never without
    /// what was committed before.
    pub fn set_stamp(&self, stamp: u64) -> Result<(), StoreError> {
        let value = Bytes::copy_from_slice(&stamp.to_be_bytes());
        let change = Change::Put(Table::Meta, Bytes::from_static(STAMP_KEY), value);
        self.pipeline().commit(vec![change])
    }

    /// What the store takes on disk.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.engine().disk_bytes()
    }

    /// What the volume has left for data: above the reserve and the engine's own work.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let reserve_bytes = self.0.disk.reserve_bytes + self.pipeline().work_bytes();
        Ok(self.engine().free_bytes()?.saturating_sub(reserve_bytes))
    }

    /// Whether writes that grow the store are to be refused, because the free space has fallen
    /// below the reserve. Cheap: looks at the volume a few times a second.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.0.disk.is_full(self.pipeline())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (released, durable) = (self.released(), self.durable());
        f.debug_struct("Store").field("released", &released).field("durable", &durable).finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pipeline.stop();
        let mut committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(committer) = committer.take() {
            let _ = committer.join();
        }
    }
}

fn as_bytes(key: &RecordKey) -> &[u8] {
    key.as_bytes()
}

fn decode(key: &RecordKey, bytes: Bytes) -> Result<Record, StoreError> {
    Record::decode(bytes).map_err(|error| StoreError::Corrupt(format!("{key:?}: {error}")))
}

/// Whether the volume is about to be full, by a look that is at most a quarter of a second old, and
/// since which no more than a part of the reserve came to be written.
struct DiskWatch {
    reserve_bytes: u64,
    clock: SystemClock,
    /// What had been given to be written at the last look.
    seen_bytes: AtomicU64,
    /// When to look again, in milliseconds of the clock; the lowest bit says whether it was full.
    next_look: AtomicU64,
}

impl DiskWatch {
    fn new(reserve_bytes: u64) -> Self {
        Self {
            reserve_bytes,
            clock: SystemClock::new(),
            seen_bytes: AtomicU64::new(0),
            next_look: AtomicU64::new(0),
        }
    }

    fn is_full(&self, pipeline: &Pipeline) -> bool {
        let now_ms = u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX >> 1);
        let last = self.next_look.load(Ordering::Relaxed);
        let given_bytes = pipeline.given_bytes();
        let n_unseen = given_bytes.saturating_sub(self.seen_bytes.load(Ordering::Relaxed));
        if now_ms < last >> 1 && n_unseen <= self.reserve_bytes / UNSEEN_SHARE {
            return last & 1 == 1;
        }
        self.seen_bytes.store(given_bytes, Ordering::Relaxed);
        let reserve_bytes = self.reserve_bytes + pipeline.work_bytes();
        let is_full = match pipeline.engine.free_bytes() {
            Ok(free_bytes) => free_bytes < reserve_bytes,
            Err(error) => {
                tracing::warn!(%error, "cannot read the free space of the volume");
                false
            }
        };
        let next = ((now_ms + FREE_SPACE_AGE_MS) << 1) | u64::from(is_full);
        if last & 1 == 0 && is_full {
            tracing::warn!(
                reserve_bytes,
                "the volume is full but for the reserve; writes that grow the store are refused"
            );
        }
        self.next_look.store(next, Ordering::Relaxed);
        is_full
    }
}
