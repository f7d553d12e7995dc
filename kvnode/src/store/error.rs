//! Shell. What can go wrong with storage, and the one place that ends the process over it.

use std::io;
use std::path::PathBuf;

use super::record::RecordError;

/// Why storage could not be opened. Each text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refuses access.
    #[error(
        "no permission to use {}: {source}; give the user that runs the server read and write \
         access to it, or choose another directory",
        path.display()
    )]
    Permission {
        /// What was refused.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The directory holds something else.
    #[error(
        "{} is not a ringkv store ({found}); nothing was changed in it; choose an empty directory \
         or the data directory of this server",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// The store was written by a later version.
    #[error(
        "{} has storage format {found}, this program reads up to {supported}; use the version of \
         ringkv that wrote it, or a later one",
        path.display()
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format of this program.
        supported: u32,
    },
    /// Another process has it open.
    #[error("{} is in use by another process; stop that one first", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The store is damaged.
    #[error(
        "the store in {} is damaged: {detail}; check the disk, then restore the directory from a \
         copy, or declare this server's data lost and start it with an empty directory",
        path.display()
    )]
    Corrupt {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The volume is full.
    #[error("no space left for {}: {source}; free some or enlarge the volume", path.display())]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Any other failure of the operating system.
    #[error("cannot open the store in {}: {source}; check the disk and the mount", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl OpenError {
    /// The variant that fits an error of the operating system.
    #[must_use]
    pub fn from_io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Permission { path, source }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { path, source }
            }
            _ => Self::Io { path, source },
        }
    }
}

/// Why an operation on an open store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system failed a read, a write or an fsync.
    #[error("storage failed: {0}")]
    Io(#[from] io::Error),
    /// Bytes on disk are not what was written.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
    /// The engine has stopped taking writes because an earlier operation failed.
    #[error("storage stopped: {0}")]
    Stopped(String),
}

impl StoreError {
    /// Whether the process must end. Damage of single records is answered to who asked for them;
    /// everything else means that what the process believes to be on disk may not be there.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::Io(_) | Self::Stopped(_) => true,
            Self::Corrupt(_) => false,
        }
    }

    /// Ends the process where it must not serve on after this error; else gives it back.
    #[must_use]
    pub fn or_fatal(self) -> Self {
        if self.is_fatal() {
            fatal(&self);
        }
        self
    }
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Logs and ends the process with [`shell::exit::STORAGE`].
///
/// After a failed write or fsync nobody knows what is on disk, and asking again may claim success
/// (<https://www.usenix.org/system/files/atc20-rebello.pdf>). What is there is found by a restart.
pub fn fatal(error: &StoreError) -> ! {
    tracing::error!(%error, "the process ends, because its storage failed; check disk and mount");
    std::process::exit(i32::from(shell::exit::STORAGE))
}
