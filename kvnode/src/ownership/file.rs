//! Shell. The file that holds a node's decisions: small, checksummed, replaced as a whole.
//!
//! Format: version byte, CRC-32 of what follows (big-endian), then JSON: the decision's number and
//! the decisions. The number is in the store as well, on disk there before it is here; so a store
//! that has lost its newest data is found out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use handoff::{ClusterId, Decisions, Incarnation, Server};
use serde::{Deserialize, Serialize};
use shell::rng::Rng;

use super::volume::VolumeError;
use crate::store::{Store, StoreError, replace_file};

const FILE: &str = "decisions";
pub(crate) const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 5;

/// Where decisions are made durable.
#[derive(Clone, Debug)]
pub(crate) struct DecisionsFile {
    path: PathBuf,
    stamp: u64,
}

#[derive(Serialize)]
struct Written<'a> {
    stamp: u64,
    decisions: &'a Decisions,
}

#[derive(Deserialize)]
struct Read {
    stamp: u64,
    decisions: Decisions,
}

/// Why a decision could not be made durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecideError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot write {}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("cannot encode the decisions: {0}")]
    Encode(#[from] serde_json::Error),
}

impl DecisionsFile {
    /// The decisions of this directory; for one that was never used, those of a new incarnation.
    pub(crate) fn open(
        dir: &Path,
        cluster: ClusterId,
        name: &str,
        store: &Store,
        rng: &dyn Rng,
    ) -> Result<(Self, Decisions), VolumeError> {
        let path = dir.join(FILE);
        let known = store.stamp().map_err(|error| VolumeError::Damaged {
            path: dir.to_owned(),
            detail: error.to_string(),
        })?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // The first decision is who this server is; the process may have ended before it was
            // in the file, and owned nothing then.
            Err(error) if error.kind() == io::ErrorKind::NotFound && known <= 1 => {
                let incarnation = Incarnation(rng.next_u128());
                let decisions = Decisions::new(cluster, Server { name: name.into(), incarnation });
                return Ok((Self { path, stamp: known }, decisions));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let detail = format!("it is missing, and {known} decisions were made");
                return Err(VolumeError::Damaged { path, detail });
            }
            Err(source) => return Err(VolumeError::Io { path, source }),
        };
        let Read { stamp, decisions } = decode(&path, &bytes)?;
        let found = decisions.cluster();
        if found != cluster {
            let (found, asked) = (found.to_string(), cluster.to_string());
            return Err(VolumeError::OtherCluster { path, found, asked });
        }
        let found = &decisions.server().name;
        if found != name {
            let (found, asked) = (found.clone(), name.to_owned());
            return Err(VolumeError::OtherServer { path, found, asked });
        }
        if stamp > known {
            let dir = dir.to_owned();
            return Err(VolumeError::StoreBehind { dir, store: known, decided: stamp });
        }
        // The store may be one ahead: the process ended between the two.
        Ok((Self { path, stamp: known }, decisions))
    }

    /// Makes the decisions durable, and everything that the store has committed before. Blocks.
    pub(crate) fn write(
        &mut self,
        decisions: &Decisions,
        store: &Store,
    ) -> Result<(), DecideError> {
        self.stamp += 1;
        store.set_stamp(self.stamp)?;
        let bytes = encode(self.stamp, decisions)?;
        replace_file(&self.path, &bytes)
            .map_err(|source| DecideError::Io { path: self.path.clone(), source })
    }
}

pub(crate) fn encode(stamp: u64, decisions: &Decisions) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(&Written { stamp, decisions })?;
    let mut bytes = Vec::with_capacity(HEAD_BYTES + json.len());
    bytes.push(FORMAT);
    bytes.extend(crc32fast::hash(&json).to_be_bytes());
    bytes.extend(json);
    Ok(bytes)
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Read, VolumeError> {
    let damaged = |detail: String| VolumeError::Damaged { path: path.to_owned(), detail };
    let (&format, rest) = bytes.split_first().ok_or_else(|| damaged("it is empty".into()))?;
    if format != FORMAT {
        let path = path.to_owned();
        return Err(VolumeError::Format { path, found: format, supported: FORMAT });
    }
    let (crc, json) =
        rest.split_first_chunk::<4>().ok_or_else(|| damaged("it is cut short".into()))?;
    if crc32fast::hash(json) != u32::from_be_bytes(*crc) {
        return Err(damaged("its checksum does not fit its content".into()));
    }
    serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use shell::rng::OsRng;

    use super::*;
    use crate::ownership::Record;
    use crate::store::{Durability, StoreConfig};

    #[test]
    fn a_process_that_ended_within_its_first_decision_starts_again() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let config = StoreConfig::small(Durability::Always);
        let store = Store::open(&dir.path().join("store"), config).expect("a store");
        let open = || Record::open(dir.path(), ClusterId(1), "kv-0", &store, &OsRng);
        store.set_stamp(1).expect("stamped");
        let first = open().expect("a directory of nobody");
        assert_eq!(store.stamp().expect("a stamp"), 2);
        assert_eq!(open().expect("used").server(), first.server());
        fs::remove_file(dir.path().join(FILE)).expect("removed");
        assert!(matches!(open(), Err(VolumeError::Damaged { .. })));
    }
}
