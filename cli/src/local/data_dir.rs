//! Shell. The directory of a local cluster: its lock, its files, and where everything lies.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::cluster_file::ClusterFile;
use crate::failure::Failure;

/// The directory, locked for as long as this value lives.
#[derive(Debug)]
pub(super) struct DataDir {
    root: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory where it is missing, and locks it.
    pub(super) fn open(root: &Path) -> Result<Self, Failure> {
        let made = fs::create_dir_all(root.join("logs"));
        made.with_context(|| format!("make the data directory {}", root.display()))
            .map_err(Failure::storage)?;
        let root = root
            .canonicalize()
            .with_context(|| format!("find the data directory {}", root.display()))
            .map_err(Failure::storage)?;
        let path = root.join("LOCK");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))
            .map_err(Failure::storage)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Failure::unavailable(format!(
                "{} is in use by another `ringkv local`: stop that one, or name another \
                 directory with --data",
                root.display()
            ))),
            Err(TryLockError::Error(error)) => Err(Failure::storage(
                anyhow::Error::new(error).context(format!("lock {}", path.display())),
            )),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of one server.
    pub(super) fn server(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The log of one process.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// The ring document.
    pub(super) fn ring_document(&self) -> PathBuf {
        self.root.join("ring.json")
    }

    /// Reads cluster.json, if there is one.
    pub(super) fn load(&self) -> Result<Option<ClusterFile>, Failure> {
        let path = self.cluster_file();
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.demand_new(),
            Err(error) => {
                let error = anyhow::Error::new(error).context(format!("read {}", path.display()));
                return Err(Failure::storage(error));
            }
        };
        let parsed = ClusterFile::from_json(&json);
        parsed.map(Some).map_err(|error| {
            let error = anyhow::anyhow!("{}: {error}", path.display());
            Failure::storage(error)
        })
    }

    /// Without cluster.json there is no cluster yet; what is older than it is somebody's.
    fn demand_new(&self) -> Result<Option<ClusterFile>, Failure> {
        if !self.ring_document().exists() {
            return Ok(None);
        }
        Err(Failure::storage(anyhow::anyhow!(
            "{} has a ring document and no cluster.json: restore that from a copy, or name another \
             directory with --data; nothing was changed",
            self.root.display()
        )))
    }

    /// Replaces cluster.json as a whole, durably.
    pub(super) fn store(&self, cluster: &ClusterFile) -> anyhow::Result<()> {
        let mut json = serde_json::to_vec_pretty(cluster).context("encode cluster.json")?;
        json.push(b'\n');
        replace(&self.cluster_file(), &json)
    }

    /// Deletes all that a server left behind. Nothing there is no error.
    pub(super) fn delete_server(&self, name: &str) -> anyhow::Result<()> {
        let path = self.server(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("delete {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    fn cluster_file(&self) -> PathBuf {
        self.root.join("cluster.json")
    }
}

/// Replaces a file so that a crash leaves either the old or the new content.
pub(super) fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        match path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("replace {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{DataDir, replace};

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = DataDir::open(directory.path()).expect("free");
        let error = DataDir::open(directory.path()).expect_err("taken");
        assert_eq!(error.code(), shell::exit::UNAVAILABLE);
        assert!(error.to_string().contains("in use by another `ringkv local`"), "{error}");
        drop(first);
        DataDir::open(directory.path()).expect("free again");
    }

    #[test]
    fn a_new_directory_has_no_cluster_and_a_damaged_file_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(&directory.path().join("deep/down")).expect("made");
        assert!(data.load().expect("readable").is_none());
        replace(&data.root().join("cluster.json"), b"{").expect("writable");
        let error = data.load().expect_err("damaged");
        assert_eq!(error.code(), shell::exit::STORAGE);
        assert!(error.to_string().contains("cluster.json"), "{error}");
    }

    #[test]
    fn a_cluster_whose_file_is_gone_is_not_begun_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(directory.path()).expect("made");
        std::fs::write(data.ring_document(), b"{}").expect("writable");
        let error = data.load().expect_err("incomplete");
        assert_eq!(error.code(), shell::exit::STORAGE);
        assert!(error.to_string().contains("restore"), "{error}");
    }

    #[test]
    fn deleting_a_server_twice_is_fine() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(directory.path()).expect("free");
        std::fs::create_dir_all(data.server("kv-1").join("store")).expect("made");
        data.delete_server("kv-1").expect("deleted");
        assert!(!data.server("kv-1").exists());
        data.delete_server("kv-1").expect("nothing to do");
    }
}
