//! Shell. The hybrid clock that versions records, and the time by which they expire.
//!
//! A version is 48 bits of Unix milliseconds and 16 bits of counter. It is above every version
//! that this server gave or saw, in this life or an earlier one: versions are only given below a
//! limit that is on disk, and a restart begins at that limit. The limit is moved ahead in the
//! background; only who finds it used up waits for the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use shell::clock::Clock;

use super::error::{OpenError, StoreError, fatal};
use super::format::replace;

const FORMAT: u8 = 1;
const FILE_BYTES: usize = 1 + 8 + 8 + 4;
/// Versions for a millisecond.
const COUNTER_BITS: u32 = 16;
/// How far ahead versions are reserved.
const RESERVED_MS: u64 = 10_000;
/// Later than any sound clock says (the year 6429), and far from overflow.
const MAX_UNIX_MS: u64 = 1 << 47;

/// A version that no sound clock can have given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version {0} lies impossibly far in the future")]
pub struct ImplausibleVersion(pub u64);

/// See the module. Cheap to clone; usable from any thread.
#[derive(Clone)]
pub struct HybridClock(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    renewer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    path: PathBuf,
    wall: Arc<dyn Clock>,
    /// The highest version given or seen.
    last: AtomicU64,
    /// Versions up to this one may be given.
    limit: AtomicU64,
    /// The latest time that anything was judged by.
    expiry_now: AtomicU64,
    /// Serializes writers of the file.
    file: Mutex<()>,
    renewal: Mutex<Renewal>,
    wake: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Renewal {
    #[default]
    Idle,
    Wanted,
    Stop,
}

impl HybridClock {
    /// Opens the clock that is kept in this file. Where there is none, or it is damaged,
    /// `highest_version` is asked for the highest version on disk, to begin above it.
    pub fn open(
        path: &Path,
        wall: Arc<dyn Clock>,
        highest_version: impl FnOnce() -> Result<u64, StoreError>,
    ) -> Result<Self, OpenError> {
        let clock = Self::without_thread(path, wall, highest_version)?;
        let runner = Arc::clone(&clock.0.shared);
        let renewer = std::thread::Builder::new()
            .name("clock".into())
            .spawn(move || runner.run())
            .map_err(|source| OpenError::from_io(path, source))?;
        *lock(&clock.0.renewer) = Some(renewer);
        Ok(clock)
    }

    /// As [`HybridClock::open`], but no thread renews what is reserved: whoever uses it up does.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn without_thread(
        path: &Path,
        wall: Arc<dyn Clock>,
        highest_version: impl FnOnce() -> Result<u64, StoreError>,
    ) -> Result<Self, OpenError> {
        let (limit, floor_ms) = match read(path).map_err(|e| OpenError::from_io(path, e))? {
            Some(found) => found,
            None => match highest_version() {
                Ok(version) => (version, 0),
                Err(StoreError::Io(source)) => return Err(OpenError::from_io(path, source)),
                Err(error) => {
                    let detail = error.to_string();
                    return Err(OpenError::Corrupt { path: path.to_owned(), detail });
                }
            },
        };
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            wall,
            last: AtomicU64::new(limit),
            limit: AtomicU64::new(limit),
            expiry_now: AtomicU64::new(floor_ms),
            file: Mutex::default(),
            renewal: Mutex::default(),
            wake: Condvar::new(),
        });
        shared.reserve().map_err(|source| OpenError::from_io(path, source))?;
        Ok(Self(Arc::new(Inner { shared, renewer: Mutex::new(None) })))
    }

    /// A version above every one given or seen before.
    #[must_use]
    pub fn next_version(&self) -> u64 {
        self.0.shared.next_version()
    }

    /// From now on versions are above this one, also after a restart. Waits for the disk where the
    /// version is above the reserved ones.
    pub fn observe(&self, version: u64) -> Result<(), ImplausibleVersion> {
        if version >> COUNTER_BITS >= MAX_UNIX_MS {
            return Err(ImplausibleVersion(version));
        }
        let shared = &self.0.shared;
        shared.last.fetch_max(version, Ordering::AcqRel);
        shared.wait_for_limit(version);
        Ok(())
    }

    /// The highest version given or seen.
    #[must_use]
    pub fn last_version(&self) -> u64 {
        self.0.shared.last.load(Ordering::Acquire)
    }

    /// The time by which records expire: the wall clock, but it never falls. A restart forgets the
    /// last few seconds of it, where the wall clock was set back at the same time.
    #[must_use]
    pub fn expiry_now(&self) -> u64 {
        let now_ms = self.0.shared.wall.unix_ms();
        self.0.shared.expiry_now.fetch_max(now_ms, Ordering::AcqRel).max(now_ms)
    }

    /// From now on records expire by a time that is at least this one; the caller keeps the floor
    /// on disk and raises it again after a restart.
    pub fn raise_expiry_now(&self, floor_ms: u64) {
        self.0.shared.expiry_now.fetch_max(floor_ms, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for HybridClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HybridClock").field("last_version", &self.last_version()).finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        *lock(&self.shared.renewal) = Renewal::Stop;
        self.shared.wake.notify_one();
        if let Some(renewer) = lock(&self.renewer).take() {
            let _ = renewer.join();
        }
        // Nobody gives versions any more, so the next life need not skip the reserved ones.
        let (last, floor_ms) = (&self.shared.last, &self.shared.expiry_now);
        let (last, floor_ms) = (last.load(Ordering::Acquire), floor_ms.load(Ordering::Acquire));
        if let Err(error) = write(&self.shared.path, last, floor_ms) {
            tracing::warn!(%error, "cannot write the clock file");
        }
    }
}

impl Shared {
    fn next_version(&self) -> u64 {
        let now = self.wall_version();
        loop {
            let last = self.last.load(Ordering::Acquire);
            let version = now.max(last.saturating_add(1));
            self.wait_for_limit(version);
            let swapped =
                self.last.compare_exchange_weak(last, version, Ordering::AcqRel, Ordering::Acquire);
            if swapped.is_ok() {
                return version;
            }
        }
    }

    fn wall_version(&self) -> u64 {
        self.wall.unix_ms().min(MAX_UNIX_MS - 1) << COUNTER_BITS
    }

    /// Returns when the version is within the limit; asks for a higher limit before it is reached.
    fn wait_for_limit(&self, version: u64) {
        let limit = self.limit.load(Ordering::Acquire);
        if limit.saturating_sub(version) > (RESERVED_MS / 2) << COUNTER_BITS {
            return;
        }
        if version <= limit {
            let mut renewal = lock(&self.renewal);
            if *renewal == Renewal::Idle {
                *renewal = Renewal::Wanted;
                self.wake.notify_one();
            }
            return;
        }
        self.last.fetch_max(version - 1, Ordering::AcqRel);
        if let Err(error) = self.reserve() {
            fatal(&StoreError::Io(error));
        }
    }

    /// Moves the limit ahead, on disk first.
    fn reserve(&self) -> io::Result<()> {
        let _file = lock(&self.file);
        let last = self.last.load(Ordering::Acquire).max(self.wall_version());
        let limit = last.saturating_add(RESERVED_MS << COUNTER_BITS);
        let limit = limit.max(self.limit.load(Ordering::Acquire));
        let floor_ms = self.expiry_now.load(Ordering::Acquire);
        write(&self.path, limit, floor_ms)?;
        self.limit.store(limit, Ordering::Release);
        Ok(())
    }

    /// The thread that renews in the background.
    fn run(&self) {
        let mut renewal = lock(&self.renewal);
        loop {
            match *renewal {
                Renewal::Stop => return,
                Renewal::Idle => {
                    renewal = self.wake.wait(renewal).unwrap_or_else(PoisonError::into_inner);
                }
                Renewal::Wanted => {
                    drop(renewal);
                    // A failure shows when the limit is used up, if it lasts until then.
                    if let Err(error) = self.reserve() {
                        tracing::warn!(%error, "cannot write the clock file yet");
                    }
                    renewal = lock(&self.renewal);
                    if *renewal == Renewal::Wanted {
                        *renewal = Renewal::Idle;
                    }
                }
            }
        }
    }
}

/// Format version, limit, expiry floor, CRC-32 of all before; numbers big-endian.
fn write(path: &Path, limit: u64, floor_ms: u64) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    bytes.push(FORMAT);
    bytes.extend(limit.to_be_bytes());
    bytes.extend(floor_ms.to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    replace(path, &bytes)
}

fn read(path: &Path) -> io::Result<Option<(u64, u64)>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = parse(&bytes);
    if found.is_none() {
        tracing::warn!(path = %path.display(), "the clock file is damaged; it is made anew");
    }
    Ok(found)
}

fn parse(bytes: &[u8]) -> Option<(u64, u64)> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_be_bytes(*crc) {
        return None;
    }
    let (&FORMAT, numbers) = body.split_first()? else { return None };
    let (limit, floor_ms) = numbers.split_first_chunk::<8>()?;
    let floor_ms = <[u8; 8]>::try_from(floor_ms).ok()?;
    Some((u64::from_be_bytes(*limit), u64::from_be_bytes(floor_ms)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
