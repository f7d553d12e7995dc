//! Shell. The seam between the store and the engine under it; the only file that names fjall.
//!
//! Known limits of fjall 3.1:
//! - A damaged batch in the middle of the journal is not told from a torn tail (its issue 311):
//!   depending on where the damage lies, what follows is dropped or opening fails. Decisions about
//!   ownership therefore live in a file of their own, stamped with the store's sequence.
//! - The number of a batch in the journal has no checksum; `journal.rs` looks at the numbers first.
//! - A key that stands twice in one batch gets one sequence number for both; so batches come here
//!   without repeated keys.
//! - It locks the journal while it syncs it, so who commits then waits for the disk. A sync
//!   without a commit therefore goes around it, by a file handle of our own: a journal is synced
//!   by fjall before the next one is made, so syncing the newest one covers all.
//! - When a table is written out or compacted, the new list of tables is synced under a lock that
//!   every read and write takes: a stall of a few fsyncs, rare but on any thread.
//! - The sizes of memtables are stored when a keyspace is made, and kept from then on.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::{
    AbstractTree as _, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
    Readable as _,
};

use super::error::{OpenError, StoreError};
use super::journal;

/// A sorted table of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Record keys to records.
    Records,
    /// Expiry and record key to nothing, in the order in which records expire.
    Expiry,
    /// A few values about the store itself.
    Meta,
}

/// One change of a batch; no key stands twice in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Set a key.
    Put(Table, Bytes, Bytes),
    /// Remove a key, which need not be there.
    Remove(Table, Bytes),
}

impl Change {
    /// Bytes of key and value.
    pub(crate) fn n_bytes(&self) -> usize {
        match self {
            Self::Put(_, key, value) => key.len() + value.len(),
            Self::Remove(_, key) => key.len(),
        }
    }
}

/// Entries of a table in key order, as of the moment at which the scan was begun.
pub type Scan = Box<dyn Iterator<Item = Result<(Bytes, Bytes), StoreError>> + Send>;

/// A sorted store with atomic batches, a journal, and fsync.
pub trait Engine: Send + Sync {
    /// One value.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// A range of a table.
    fn scan(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Scan;

    /// Applies all changes or none, in the order of calls; they survive the end of the process.
    /// With `sync` they are on disk before they are visible.
    fn commit(&self, changes: Vec<Change>, sync: bool) -> Result<(), StoreError>;

    /// Everything committed before is on disk after. Commits go on meanwhile.
    fn sync(&self) -> Result<(), StoreError>;

    /// Whether a commit without `sync` would wait for nothing but a write to the page cache.
    fn is_calm(&self) -> bool;

    /// What background work may take on disk for a while, over what is there now.
    fn work_bytes(&self) -> u64;

    /// What it takes on disk.
    fn disk_bytes(&self) -> Result<u64, StoreError>;

    /// What the volume has left for unprivileged users.
    fn free_bytes(&self) -> Result<u64, StoreError>;
}

/// Sizes of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineSizes {
    /// Upper bound of the cache of blocks, filled as they are read.
    pub cache_bytes: u64,
    /// When the newest records are written out as a table; a few such buffers may exist at a time.
    pub memtable_bytes: u64,
    /// When old journals force tables to be written out. At least [`MIN_JOURNAL_BYTES`].
    pub journal_bytes: u64,
}

/// The smallest bound on journals that fjall takes.
pub const MIN_JOURNAL_BYTES: u64 = 64 << 20;

/// From this many tables without order on, fjall begins to slow writers down.
const CALM_L0_TABLES: usize = 16;

/// How many memtables fjall lets be at a time before it stops writers.
const MAX_MEMTABLES: u64 = 5;
/// How many tables one compaction touches, about, when writers have run ahead of it.
const MAX_COMPACTED_TABLES: u64 = 16;

/// Which part of the memory for new records that for their expiries is.
const EXPIRY_SHARE: u64 = 4;

/// fjall, in one directory.
pub struct FjallEngine {
    path: PathBuf,
    db: Database,
    records: Keyspace,
    expiry: Keyspace,
    meta: Keyspace,
    memtable_bytes: u64,
    newest_journal: Mutex<Option<Journal>>,
}

struct Journal {
    number: u64,
    file: File,
}

impl FjallEngine {
    /// Opens or creates the engine's files in a directory of their own.
    pub fn open(path: &Path, sizes: EngineSizes) -> Result<Self, OpenError> {
        check_journals(path)?;
        let open = || -> fjall::Result<Self> {
            let db = Database::builder(path)
                .cache_size(sizes.cache_bytes)
                .max_journaling_size(sizes.journal_bytes.max(MIN_JOURNAL_BYTES))
                .worker_threads(2)
                .open()?;
            let keyspace = |name: &str, memtable_bytes: u64| {
                db.keyspace(name, || {
                    // Small tables, so that one compaction is small.
                    let tables = Leveled::default().with_table_target_size(memtable_bytes);
                    KeyspaceCreateOptions::default()
                        .max_memtable_size(memtable_bytes)
                        .compaction_strategy(Arc::new(tables))
                })
            };
            let records = keyspace("records", sizes.memtable_bytes)?;
            let expiry = keyspace("expiry", sizes.memtable_bytes / EXPIRY_SHARE)?;
            let meta = keyspace("meta", 1 << 20)?;
            let newest_journal = Mutex::default();
            let (path, memtable_bytes) = (path.to_owned(), sizes.memtable_bytes);
            Ok(Self { path, db, records, expiry, meta, memtable_bytes, newest_journal })
        };
        let engine = open().map_err(|error| open_error(path, error))?;
        // What an earlier process committed and did not sync may be in the page cache only, and
        // from here on it counts as being on disk.
        engine.sync().map_err(|error| open_failure(path, error))?;
        Ok(engine)
    }

    /// fjall does not say what made it stop, so say at least whether it was want of space.
    fn commit_error(&self, error: fjall::Error) -> StoreError {
        match (error, self.free_bytes()) {
            (fjall::Error::Poisoned, Ok(free_bytes)) => StoreError::Stopped(format!(
                "a write in the background failed; the volume has {free_bytes} bytes free"
            )),
            (error, _) => store_error(error),
        }
    }

    const fn keyspace(&self, table: Table) -> &Keyspace {
        match table {
            Table::Records => &self.records,
            Table::Expiry => &self.expiry,
            Table::Meta => &self.meta,
        }
    }
}

impl Engine for FjallEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.keyspace(table).get(key).map_err(store_error)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Scan {
        let entries = self.db.snapshot().range::<&[u8], _>(self.keyspace(table), (from, to));
        Box::new(entries.map(|guard| {
            let (key, value) = guard.into_inner().map_err(store_error)?;
            Ok((Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value)))
        }))
    }

    fn commit(&self, changes: Vec<Change>, sync: bool) -> Result<(), StoreError> {
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch =
            OwnedWriteBatch::with_capacity(self.db.clone(), changes.len()).durability(Some(mode));
        for change in changes {
            match change {
                Change::Put(table, key, value) => {
                    batch.insert(self.keyspace(table), &*key, &*value);
                }
                Change::Remove(table, key) => batch.remove(self.keyspace(table), &*key),
            }
        }
        batch.commit().map_err(|error| self.commit_error(error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut newest = self.newest_journal.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let number = newest_journal(&self.path)?;
            match newest.as_ref() {
                Some(journal) if journal.number == number => {
                    return Ok(journal.file.sync_data()?);
                }
                _ => match File::open(journal_path(&self.path, number)) {
                    Ok(file) => *newest = Some(Journal { number, file }),
                    // Rotated and removed since the look at the directory.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }

    fn is_calm(&self) -> bool {
        // A full memtable is followed by an fsync of the journal under its lock.
        let calm = |keyspace: &Keyspace, memtable_bytes: u64| {
            keyspace.tree.active_memtable().size() < memtable_bytes / 8 * 7
                && keyspace.sealed_memtable_count() == 0
                && keyspace.l0_table_count() < CALM_L0_TABLES
        };
        calm(&self.records, self.memtable_bytes)
            && calm(&self.expiry, self.memtable_bytes / EXPIRY_SHARE)
    }

    /// Memtables that are still to be written out, and both sides of one compaction.
    fn work_bytes(&self) -> u64 {
        let table_bytes = self.records.disk_space() + self.expiry.disk_space();
        let bound = self.memtable_bytes.saturating_mul(MAX_COMPACTED_TABLES);
        table_bytes.min(bound) + self.memtable_bytes.saturating_mul(MAX_MEMTABLES)
    }

    fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.db.disk_space().map_err(store_error)
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        let volume = rustix::fs::statvfs(&self.path).map_err(io::Error::from)?;
        Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
    }
}

fn journal_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.jnl"))
}

fn newest_journal(dir: &Path) -> Result<u64, StoreError> {
    let newest = journals(dir)?.into_iter().max();
    newest.ok_or_else(|| StoreError::Stopped("the engine's journal is gone".into()))
}

/// The numbers of the journals in a directory.
fn journals(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jnl"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    Ok(numbers)
}

fn check_journals(dir: &Path) -> Result<(), OpenError> {
    let mut numbers = match journals(dir) {
        Ok(numbers) => numbers,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::from_io(dir, error)),
    };
    numbers.sort_unstable();
    let mut last = 0;
    for number in numbers {
        let path = journal_path(dir, number);
        let checked = journal::check_order(&path, last);
        let checked = checked.map_err(|error| OpenError::from_io(&path, error))?;
        last = checked.map_err(|detail| OpenError::Corrupt { path, detail })?;
    }
    Ok(())
}

fn store_error(error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            StoreError::Io(error)
        }
        fjall::Error::Poisoned | fjall::Error::KeyspaceDeleted | fjall::Error::Locked => {
            StoreError::Stopped(error.to_string())
        }
        _ => StoreError::Corrupt(error.to_string()),
    }
}

fn open_error(path: &Path, error: fjall::Error) -> OpenError {
    match error {
        fjall::Error::Locked => OpenError::Locked { path: path.to_owned() },
        error => open_failure(path, store_error(error)),
    }
}

fn open_failure(path: &Path, error: StoreError) -> OpenError {
    match error {
        StoreError::Io(source) => OpenError::from_io(path, source),
        StoreError::Corrupt(detail) | StoreError::Stopped(detail) => {
            OpenError::Corrupt { path: path.to_owned(), detail }
        }
    }
}
