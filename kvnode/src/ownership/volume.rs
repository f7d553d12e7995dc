//! Shell. The lock on a data directory: one process at a time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use shell::clock::{Clock, SystemClock};

const LOCK_FILE: &str = "LOCK";
/// A process that was told to stop may still be finishing.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Why a data directory cannot be used. Each text names the remedy.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant says it in its message")]
pub enum VolumeError {
    #[error(
        "{} is in use by another process; stop that one first, or choose another directory",
        .dir.display()
    )]
    Locked { dir: PathBuf },
    #[error(
        "cannot use {}: {source}; check the directory, its permissions and the disk",
        .path.display()
    )]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{} belongs to cluster {found}, not to {asked}; choose the right directory, or an empty \
         one",
        .path.display()
    )]
    OtherCluster { path: PathBuf, found: String, asked: String },
    #[error(
        "{} belongs to the server {found}, not to {asked}; choose the right directory, or an \
         empty one",
        .path.display()
    )]
    OtherServer { path: PathBuf, found: String, asked: String },
    #[error(
        "{} is damaged: {detail}; restore the whole data directory from a copy, or declare this \
         server's data lost and start it with an empty directory",
        .path.display()
    )]
    Damaged { path: PathBuf, detail: String },
    #[error(
        "{} has format {found}, this program reads {supported}; start the version of ringkv that \
         wrote it",
        .path.display()
    )]
    Format { path: PathBuf, found: u8, supported: u8 },
    #[error(
        "the store in {} has lost data: it knows decisions up to {store}, and {decided} were \
         made; restore the whole data directory from a copy, or declare this server's data lost \
         and start it with an empty directory",
        .dir.display()
    )]
    StoreBehind { dir: PathBuf, store: u64, decided: u64 },
}

/// Held for as long as the process uses the directory.
#[derive(Debug)]
pub struct VolumeLock {
    _file: File,
}

impl VolumeLock {
    /// Takes the lock, making the directory where there is none. Blocks for a few seconds while
    /// another process holds it.
    pub fn take(dir: &Path) -> Result<Self, VolumeError> {
        Self::take_within(dir, LOCK_WAIT)
    }

    pub(crate) fn take_within(dir: &Path, wait: Duration) -> Result<Self, VolumeError> {
        let path = dir.join(LOCK_FILE);
        let failed = |source| VolumeError::Io { path: path.clone(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let clock = SystemClock::new();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(rustix::io::Errno::WOULDBLOCK) if clock.monotonic() < wait => {
                    std::thread::sleep(LOCK_RETRY);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(VolumeError::Locked { dir: dir.to_owned() });
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}
