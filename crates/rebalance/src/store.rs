//! Shell. Where the ring document lives: a file here; the custom resource on Kubernetes.

use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ring::{DocumentError, RingDocument};

/// Keeps the one ring document of a cluster.
pub trait RingStore: Send + Sync + 'static {
    /// The committed document, read live; `None` before the first.
    fn load(&self) -> impl Future<Output = Result<Option<RingDocument>, RingStoreError>> + Send;

    /// Replaces the document, durably and atomically, if it is still `expected`.
    fn compare_and_swap(
        &self,
        expected: Option<&RingDocument>,
        next: &RingDocument,
    ) -> impl Future<Output = Result<(), RingStoreError>> + Send;
}

/// Why the ring document could not be read or replaced.
#[derive(Debug, thiserror::Error)]
pub enum RingStoreError {
    /// Somebody else has replaced it.
    #[error("the ring document has been changed by another coordinator")]
    Conflict,
    /// The document is of another cluster.
    #[error(
        "the ring document belongs to cluster {found}, this is cluster {own}: use the directory \
         of this cluster"
    )]
    OtherCluster {
        /// Whose document it is.
        found: String,
        /// Whose coordinator reads it.
        own: String,
    },
    /// What is there is no ring document.
    #[error(
        "{place}: {error}; restore it from a copy, or move it away: it is made anew from what the \
         servers have recorded"
    )]
    Invalid {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        error: DocumentError,
    },
    /// The place where it is kept cannot be read or written.
    #[error("cannot {action} the ring document {place}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        place: String,
        /// What happened.
        error: String,
    },
}

/// The ring document as a JSON file. One process at a time may use it; its owner holds the lock of
/// the directory.
#[derive(Clone, Debug)]
pub struct FileRingStore {
    path: PathBuf,
}

impl FileRingStore {
    /// The document at that path, whose directory exists.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn read(&self) -> Result<Option<RingDocument>, RingStoreError> {
        match fs::read(&self.path) {
            Ok(json) => RingDocument::from_json(&json).map(Some).map_err(|error| {
                RingStoreError::Invalid { place: self.path.display().to_string(), error }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    fn swap(
        &self,
        expected: Option<&RingDocument>,
        next: &RingDocument,
    ) -> Result<(), RingStoreError> {
        if self.read()?.as_ref() != expected {
            return Err(RingStoreError::Conflict);
        }
        replace(&self.path, next.to_json().as_bytes()).map_err(|error| self.failed("write", &error))
    }

    fn failed(&self, action: &'static str, error: &io::Error) -> RingStoreError {
        let place = self.path.display().to_string();
        RingStoreError::Io { action, place, error: error.to_string() }
    }
}

impl RingStore for FileRingStore {
    async fn load(&self) -> Result<Option<RingDocument>, RingStoreError> {
        let store = self.clone();
        blocking(move || store.read()).await
    }

    async fn compare_and_swap(
        &self,
        expected: Option<&RingDocument>,
        next: &RingDocument,
    ) -> Result<(), RingStoreError> {
        let (store, expected, next) = (self.clone(), expected.cloned(), next.clone());
        blocking(move || store.swap(expected.as_ref(), &next)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RingStoreError> + Send + 'static,
) -> Result<T, RingStoreError> {
    shell::blocking::run(work).await.unwrap_or_else(|error| {
        Err(RingStoreError::Io { action: "use", place: String::new(), error: error.to_string() })
    })
}

/// Writes a file beside the old one, durably, and puts it in its place.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file = File::create(&next)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests;
