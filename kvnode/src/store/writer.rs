//! Shell. The data thread's view of the store: its own writes are seen at once, and every answer
//! gets the number of the batch that it has to wait for.

use std::collections::{BTreeMap, VecDeque, btree_map};
use std::iter::Peekable;
use std::sync::Arc;

use bytes::Bytes;
use ring::Arc as RingArc;
use tokio::sync::watch;

use super::pipeline::Sealed;
use super::record::{POINT_BYTES, key_range};
use super::{BatchNo, Op, Record, RecordKey, Store, StoreError, decode};

/// What a write costs in memory beside its bytes, about.
const ENTRY_OVERHEAD_BYTES: usize = 200;

/// Takes writes into the open batch. There is one, on the data thread; it never waits for a disk.
///
/// A batch that is neither sealed nor empty when the writer is dropped is lost.
pub struct Writer {
    store: Store,
    /// Writes of batches that are not released yet: the newest one of each key.
    overlay: BTreeMap<RecordKey, Pending>,
    open: BatchNo,
    ops: Vec<Op>,
    n_open_bytes: usize,
    sealed: VecDeque<(BatchNo, Arc<Vec<Op>>, usize)>,
    n_sealed_bytes: usize,
}

struct Pending {
    batch: BatchNo,
    /// Its place in the batch.
    index: usize,
    /// The encoded record; `None` where it was removed.
    record: Option<Bytes>,
}

impl Writer {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            overlay: BTreeMap::new(),
            open: 1,
            ops: Vec::new(),
            n_open_bytes: 0,
            sealed: VecDeque::new(),
            n_sealed_bytes: 0,
        }
    }

    /// The store beneath.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The newest record of a key, and the batch on which that answer depends; 0 where it depends
    /// on none that is not released.
    pub fn get(&mut self, key: &RecordKey) -> Result<(Option<Record>, BatchNo), StoreError> {
        self.forget_released();
        match self.overlay.get(key) {
            Some(Pending { batch, record: Some(record), .. }) => {
                Ok((Some(decode(key, record.clone())?), *batch))
            }
            Some(Pending { batch, record: None, .. }) => Ok((None, *batch)),
            None => Ok((self.store.get(key)?, 0)),
        }
    }

    /// Sets an encoded record with this expiry in the open batch.
    pub fn put(&mut self, key: RecordKey, record: Bytes, expiry_ms: Option<u64>) {
        self.write(Op::Put(key, record, expiry_ms));
    }

    /// Removes a record in the open batch.
    pub fn remove(&mut self, key: RecordKey) {
        self.write(Op::Remove(key));
    }

    fn write(&mut self, op: Op) {
        let record = match &op {
            Op::Put(_, record, _) => Some(record.clone()),
            Op::Remove(_) => None,
        };
        self.n_open_bytes += n_bytes(&op);
        let next = Pending { batch: self.open, index: self.ops.len(), record };
        match self.overlay.entry(op.key().clone()) {
            btree_map::Entry::Vacant(entry) => {
                entry.insert(next);
                self.ops.push(op);
            }
            btree_map::Entry::Occupied(mut entry) => {
                let pending = entry.get_mut();
                let earlier =
                    self.ops.get_mut(pending.index).filter(|_| pending.batch == self.open);
                match earlier {
                    Some(earlier) => {
                        self.n_open_bytes -= n_bytes(earlier);
                        *earlier = op;
                        pending.record = next.record;
                    }
                    None => {
                        *pending = next;
                        self.ops.push(op);
                    }
                }
            }
        }
    }

    /// The newest records of an arc after a key, in point order, removed ones left out.
    pub fn scan_from(&mut self, arc: RingArc, after: Option<&RecordKey>) -> WriterScan<'_> {
        self.forget_released();
        let committed = Box::new(self.store.scan(arc, after)) as CommittedScan;
        let pending = match key_range(arc, after) {
            None => btree_map::Range::default(),
            Some(range) => self.overlay.range(range),
        };
        let pending = pending.peekable();
        WriterScan { committed: committed.peekable(), pending, depends_on: 0 }
    }

    /// The batch that takes writes now.
    #[must_use]
    pub const fn open_batch(&self) -> BatchNo {
        self.open
    }

    /// The newest batch that has a write; 0 before the first one.
    #[must_use]
    pub fn last_batch(&self) -> BatchNo {
        if self.ops.is_empty() { self.open - 1 } else { self.open }
    }

    /// Closes the open batch, if there is anything in it, and sends it on its way. Called at the
    /// end of each tick. Where the batch could be committed without waiting it is released after.
    pub fn seal(&mut self) {
        if self.ops.is_empty() {
            return;
        }
        let ops = Arc::new(std::mem::take(&mut self.ops));
        let (no, n_bytes) = (self.open, std::mem::take(&mut self.n_open_bytes));
        self.open += 1;
        self.n_sealed_bytes += n_bytes;
        self.sealed.push_back((no, Arc::clone(&ops), n_bytes));
        self.store.pipeline().submit(Sealed { no, ops, n_bytes });
        self.forget_released();
    }

    /// Answers that depend on batches up to this one may go out.
    #[must_use]
    pub fn released(&self) -> BatchNo {
        self.store.released()
    }

    /// Batches up to this one are on disk.
    #[must_use]
    pub fn durable(&self) -> BatchNo {
        self.store.durable()
    }

    /// [`Writer::released`] to wait for.
    #[must_use]
    pub fn released_watch(&self) -> watch::Receiver<BatchNo> {
        self.store.released_watch()
    }

    /// [`Writer::durable`] to wait for.
    #[must_use]
    pub fn durable_watch(&self) -> watch::Receiver<BatchNo> {
        self.store.durable_watch()
    }

    /// Memory of the writes that are not released; to be bounded by not taking more of them.
    #[must_use]
    pub fn pending_bytes(&mut self) -> usize {
        self.forget_released();
        self.n_open_bytes + self.n_sealed_bytes
    }

    /// Drops what the engine can answer by now.
    fn forget_released(&mut self) {
        if self.sealed.is_empty() {
            return;
        }
        let released = self.store.released();
        while self.sealed.front().is_some_and(|(no, ..)| *no <= released) {
            let Some((no, ops, n_bytes)) = self.sealed.pop_front() else { return };
            self.n_sealed_bytes -= n_bytes;
            if self.sealed.is_empty() && self.ops.is_empty() {
                self.overlay.clear();
                return;
            }
            for op in ops.iter() {
                if let btree_map::Entry::Occupied(entry) = self.overlay.entry(op.key().clone())
                    && entry.get().batch == no
                {
                    entry.remove();
                }
            }
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("store", &self.store).field("open", &self.open).finish()
    }
}

fn n_bytes(op: &Op) -> usize {
    let n_record_bytes = match op {
        Op::Put(_, record, _) => record.len(),
        Op::Remove(_) => 0,
    };
    ENTRY_OVERHEAD_BYTES + POINT_BYTES + op.key().key().len() + n_record_bytes
}

type CommittedScan = Box<dyn Iterator<Item = Result<(RecordKey, Bytes), StoreError>> + Send>;

/// Committed records and pending writes in one order; see [`Writer::scan_from`].
pub struct WriterScan<'a> {
    committed: Peekable<CommittedScan>,
    pending: Peekable<btree_map::Range<'a, RecordKey, Pending>>,
    depends_on: BatchNo,
}

impl WriterScan<'_> {
    /// The newest batch on which what the scan has told so far depends, removals included.
    #[must_use]
    pub const fn depends_on(&self) -> BatchNo {
        self.depends_on
    }
}

impl Iterator for WriterScan<'_> {
    type Item = Result<(RecordKey, Bytes), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((pending_key, _)) = self.pending.peek() else {
                return self.committed.next();
            };
            match self.committed.peek() {
                Some(Err(_)) => return self.committed.next(),
                Some(Ok((key, _))) if key < *pending_key => return self.committed.next(),
                Some(Ok((key, _))) if key == *pending_key => {
                    self.committed.next();
                }
                Some(Ok(_)) | None => {}
            }
            let (key, pending) = self.pending.next()?;
            self.depends_on = self.depends_on.max(pending.batch);
            if let Some(record) = &pending.record {
                return Some(Ok((key.clone(), record.clone())));
            }
        }
    }
}
