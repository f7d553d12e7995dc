//! Shell. How batches reach the engine: in order, without the data thread waiting for a disk.
//!
//! One committer thread does every fsync, and the commits that could wait for one. `Always`: all
//! queued batches become one commit with one fsync. `EverySec`: the data thread commits by itself
//! where nothing can make it wait, else it leaves the batch to the committer, which also syncs each
//! second and on request; commits go on meanwhile. Lock order: `commits`, then `queue`.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use planted::Bug;
use shell::clock::{Clock as _, SystemClock};
use tokio::sync::watch;

use super::engine::{Change, Engine, Table};
use super::error::StoreError;
use super::sweep::index_entry;
use super::{BatchNo, Durability, OnFailure, Op};

/// How long a commit may stay unsynced.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// How much one merged commit holds, at least one batch.
const MAX_MERGED_BYTES: usize = 8 << 20;

/// A batch that takes no more writes; no key stands twice in it.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) no: BatchNo,
    pub(crate) ops: Arc<Vec<Op>>,
    pub(crate) n_bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Sealed>,
    /// When the oldest unsynced commit must be on disk.
    sync_at: Option<Duration>,
    is_syncing: bool,
    /// Syncs asked for and syncs done, counted.
    n_wanted: u64,
    n_done: u64,
    stops: bool,
    failed: Option<String>,
}

/// Who does what could make the data thread wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committer {
    /// A thread that runs [`Pipeline::run`].
    Thread,
    /// Whoever calls [`Pipeline::step_if_due`], now and then; who asks for a sync does it.
    Caller,
}

/// What store, writer and committer thread share.
pub(crate) struct Pipeline {
    pub(crate) engine: Arc<dyn Engine>,
    durability: Durability,
    on_failure: OnFailure,
    committer: Committer,
    clock: SystemClock,
    /// Held by whoever commits.
    commits: Mutex<()>,
    /// Held by whoever waits for `commits`, so that busy threads take turns.
    turn: Mutex<()>,
    queue: Mutex<Queue>,
    work: Condvar,
    done: Condvar,
    released: AtomicU64,
    durable: AtomicU64,
    released_watch: watch::Sender<BatchNo>,
    durable_watch: watch::Sender<BatchNo>,
    /// What the engine said of its work on disk after the last sync.
    work_bytes: AtomicU64,
    /// Bytes that came to be written, by the writer and by others.
    given_bytes: AtomicU64,
}

impl Pipeline {
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        durability: Durability,
        on_failure: OnFailure,
        committer: Committer,
    ) -> Self {
        Self {
            committer,
            work_bytes: AtomicU64::new(engine.work_bytes()),
            given_bytes: AtomicU64::new(0),
            engine,
            durability,
            on_failure,
            clock: SystemClock::new(),
            commits: Mutex::default(),
            turn: Mutex::default(),
            queue: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            released: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            released_watch: watch::Sender::new(0),
            durable_watch: watch::Sender::new(0),
        }
    }

    pub(crate) fn released(&self) -> BatchNo {
        self.released.load(Ordering::Acquire)
    }

    pub(crate) fn durable(&self) -> BatchNo {
        self.durable.load(Ordering::Acquire)
    }

    /// See [`Engine::work_bytes`]; at most a second old where there are writes.
    pub(crate) fn work_bytes(&self) -> u64 {
        self.work_bytes.load(Ordering::Relaxed)
    }

    /// How many bytes came to be written since the start.
    pub(crate) fn given_bytes(&self) -> u64 {
        self.given_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn released_watch(&self) -> watch::Receiver<BatchNo> {
        self.released_watch.subscribe()
    }

    pub(crate) fn durable_watch(&self) -> watch::Receiver<BatchNo> {
        self.durable_watch.subscribe()
    }

    /// Takes a sealed batch of the writer; it is committed now or soon.
    pub(crate) fn submit(&self, batch: Sealed) {
        self.given_bytes.fetch_add(batch.n_bytes as u64, Ordering::Relaxed);
        if self.durability == Durability::EverySec {
            match self.commit_inline(&batch) {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => return self.fail(&error),
            }
        }
        lock(&self.queue).batches.push_back(batch);
        self.work.notify_one();
    }

    /// Commits at once where no other thread and no background work can make it wait.
    fn commit_inline(&self, batch: &Sealed) -> Result<bool, StoreError> {
        let _commits = match self.commits.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(false),
        };
        if !lock(&self.queue).batches.is_empty() || !self.engine.is_calm() {
            return Ok(false);
        }
        self.engine.commit(changes(&[batch]), false)?;
        self.mark_unsynced();
        self.release(batch.no);
        Ok(true)
    }

    /// Commits changes that do not come from the writer. They are visible at once, and on disk
    /// after the next sync.
    pub(crate) fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.commit_with(|_| Ok((changes, ()))).map(|((), _)| ())
    }

    /// Commits what `decide` finds to change while nobody else commits; and how many changes.
    pub(crate) fn commit_with<T>(
        &self,
        decide: impl FnOnce(&dyn Engine) -> Result<(Vec<Change>, T), StoreError>,
    ) -> Result<(T, usize), StoreError> {
        let _commits = self.commits();
        let (changes, result) = decide(&*self.engine)?;
        let n_changes = changes.len();
        if n_changes > 0 {
            let n_bytes: usize = changes.iter().map(Change::n_bytes).sum();
            self.given_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
            self.engine.commit(changes, false)?;
            self.mark_unsynced();
        }
        Ok((result, n_changes))
    }

    /// Returns when everything sealed or committed before is on disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let mut queue = lock(&self.queue);
        if queue.is_clean() && queue.failed.is_none() {
            return Ok(());
        }
        queue.n_wanted += 1;
        let ticket = queue.n_wanted;
        if self.committer == Committer::Caller {
            drop(queue);
            self.step().inspect_err(|error| self.fail(error))?;
            queue = lock(&self.queue);
        }
        self.work.notify_one();
        loop {
            if let Some(message) = &queue.failed {
                return Err(StoreError::Stopped(message.clone()));
            }
            if queue.n_done >= ticket {
                return Ok(());
            }
            queue = self.done.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks for a sync and does not wait for it.
    pub(crate) fn request_sync(&self) {
        let mut queue = lock(&self.queue);
        if !queue.is_clean() {
            queue.n_wanted += 1;
            self.work.notify_one();
        }
    }

    /// Lets the committer thread end when everything is on disk.
    pub(crate) fn stop(&self) {
        lock(&self.queue).stops = true;
        self.work.notify_one();
    }

    /// The committer thread.
    pub(crate) fn run(&self) {
        while self.wait_for_work() {
            if let Err(error) = self.step() {
                return self.fail(&error);
            }
        }
    }

    /// In the place of the committer thread: what is to be done by now.
    pub(crate) fn step_if_due(&self) {
        let queue = lock(&self.queue);
        let is_late = queue.sync_at.is_some_and(|at| at <= self.clock.monotonic());
        let is_due = queue.has_work() || is_late;
        if queue.failed.is_some() || !is_due {
            return;
        }
        drop(queue);
        if let Err(error) = self.step() {
            self.fail(&error);
        }
    }

    /// Whether there is something to do; `false` when it is time to end.
    fn wait_for_work(&self) -> bool {
        let mut queue = lock(&self.queue);
        loop {
            if queue.failed.is_some() {
                return false;
            }
            if queue.has_work() {
                return true;
            }
            if queue.stops {
                return queue.sync_at.is_some();
            }
            queue = match queue.sync_at {
                None => self.work.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(sync_at) => {
                    let rest = sync_at.saturating_sub(self.clock.monotonic());
                    if rest.is_zero() {
                        return true;
                    }
                    let waited = self.work.wait_timeout(queue, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// One commit of what is queued, then an fsync where one is due.
    fn step(&self) -> Result<(), StoreError> {
        let commits = self.commits();
        let mut queue = lock(&self.queue);
        let batches = queue.take_batches();
        if !batches.is_empty() {
            queue.mark_unsynced(&self.clock);
        }
        // A sync covers who asked for it before all batches were taken.
        let n_covered = if queue.batches.is_empty() { queue.n_wanted } else { queue.n_done };
        drop(queue);

        if let Some(last) = batches.last() {
            let sync = self.durability == Durability::Always && !planted::is(Bug::AckBeforeFsync);
            let merged: Vec<&Sealed> = batches.iter().collect();
            self.engine.commit(changes(&merged), sync)?;
            if sync {
                lock(&self.queue).sync_at = None;
                self.synced(last.no, n_covered);
            }
            self.release(last.no);
        }

        let mut queue = lock(&self.queue);
        let now = self.clock.monotonic();
        let is_late = queue.sync_at.is_some_and(|at| queue.stops || at <= now);
        if !is_late && n_covered <= queue.n_done {
            return Ok(());
        }
        queue.sync_at = None;
        queue.is_syncing = true;
        drop(queue);
        let no = self.released();
        drop(commits);
        self.engine.sync()?;
        self.synced(no, n_covered);
        Ok(())
    }

    fn synced(&self, no: BatchNo, n_covered: u64) {
        let mut queue = lock(&self.queue);
        queue.n_done = queue.n_done.max(n_covered);
        queue.is_syncing = false;
        drop(queue);
        if self.durable.swap(no, Ordering::AcqRel) != no {
            self.durable_watch.send_replace(no);
        }
        self.work_bytes.store(self.engine.work_bytes(), Ordering::Relaxed);
        self.done.notify_all();
    }

    fn release(&self, no: BatchNo) {
        if self.released.swap(no, Ordering::AcqRel) != no {
            self.released_watch.send_replace(no);
        }
    }

    fn commits(&self) -> MutexGuard<'_, ()> {
        let _turn = lock(&self.turn);
        lock(&self.commits)
    }

    fn mark_unsynced(&self) {
        if lock(&self.queue).mark_unsynced(&self.clock) {
            self.work.notify_one();
        }
    }

    /// Nothing is committed from now on; by default the process ends here.
    pub(crate) fn fail(&self, error: &StoreError) {
        lock(&self.queue).failed = Some(error.to_string());
        self.done.notify_all();
        self.work.notify_one();
        (self.on_failure)(error);
    }
}

impl Queue {
    fn is_clean(&self) -> bool {
        self.batches.is_empty() && self.sync_at.is_none() && !self.is_syncing
    }

    fn has_work(&self) -> bool {
        !self.batches.is_empty() || self.n_wanted > self.n_done
    }

    /// Whether everything was synced until now.
    fn mark_unsynced(&mut self, clock: &SystemClock) -> bool {
        let is_first = self.sync_at.is_none();
        if is_first {
            self.sync_at = Some(clock.monotonic() + SYNC_INTERVAL);
        }
        is_first
    }

    fn take_batches(&mut self) -> Vec<Sealed> {
        let (mut taken, mut n_bytes) = (Vec::new(), 0);
        while let Some(batch) = self.batches.front() {
            n_bytes += batch.n_bytes;
            if n_bytes > MAX_MERGED_BYTES && !taken.is_empty() {
                break;
            }
            taken.extend(self.batches.pop_front());
        }
        taken
    }
}

/// The changes of some batches in order. Of a key that stands in them more than once the last
/// write remains: the engine has one sequence number for all of them.
fn changes(batches: &[&Sealed]) -> Vec<Change> {
    if let [only] = batches {
        return only.ops.iter().flat_map(changes_of).collect();
    }
    let n_ops = batches.iter().map(|batch| batch.ops.len()).sum();
    changes_of_last(batches.iter().rev().flat_map(|batch| batch.ops.iter().rev()), n_ops)
}

/// As [`changes`], of operations from the last to the first.
pub(crate) fn changes_of_last<'a>(
    backwards: impl Iterator<Item = &'a Op>,
    n_ops: usize,
) -> Vec<Change> {
    let mut seen = HashSet::with_capacity(n_ops);
    let mut changes = Vec::with_capacity(n_ops);
    for op in backwards {
        if seen.insert(op.key()) {
            changes.extend(changes_of(op));
        }
    }
    changes
}

fn changes_of(op: &Op) -> impl Iterator<Item = Change> {
    let (change, index) = match op {
        Op::Put(key, record, expiry_ms) => (
            Change::Put(Table::Records, key.as_bytes().clone(), record.clone()),
            expiry_ms.map(|expiry_ms| index_entry(expiry_ms, key)),
        ),
        Op::Remove(key) => (Change::Remove(Table::Records, key.as_bytes().clone()), None),
    };
    let index = index.map(|(key, rest)| Change::Put(Table::Expiry, key, rest));
    std::iter::once(change).chain(index)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
