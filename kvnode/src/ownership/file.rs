//! Shell. Where a node's decisions are kept: two small checksummed files, `decisions.a` and
//! `decisions.b`.
//!
//! A decision overwrites the older of the two in place, which takes one short write to disk while
//! clients wait; a torn write leaves the newer one whole. When there is time the same decision is
//! written to the other one as well, so that damage to either is no loss.
//!
//! Each decision has a number, on disk in the store before it is here. So a store that has lost its
//! newest data is found out, and so are decisions that are gone from both files. For one decision
//! clients wait: that a target owns what it received. It goes to disk here and in the store at the
//! same time, and where it is here and its number is not there, it was not made.
//!
//! Format: version byte, length and CRC-32 of the JSON (4 bytes each, big-endian), the JSON, zeros.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use handoff::{ClusterId, Decisions, Incarnation, Server};
use serde::{Deserialize, Serialize};
use shell::rng::Rng;

use super::volume::VolumeError;
use crate::store::{Store, StoreError};

pub(crate) const FILES: [&str; 2] = ["decisions.a", "decisions.b"];
pub(crate) const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 9;
/// Files grow by this much at a time: a write within a file needs no change of its metadata.
const GROWTH_BYTES: usize = 64 << 10;

/// Where decisions are made durable.
#[derive(Debug)]
pub(crate) struct DecisionsFile {
    dir: PathBuf,
    stamp: u64,
    slots: [Slot; 2],
    /// Which slot holds the newest decision.
    newest: usize,
    is_mirrored: bool,
}

#[derive(Debug, Default)]
struct Slot {
    file: Option<File>,
    /// How long the file is, all of it written once.
    n_bytes: usize,
}

/// How a decision, and the records that it needs, come to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SyncOrder {
    /// At the same time; it is made once both are there. Only for decisions that a peer knows of as
    /// soon as they are made: should the store lose its end later, the peer contradicts.
    Together,
    /// The store first.
    StoreFirst,
}

#[derive(Serialize)]
struct Written<'a> {
    stamp: u64,
    /// Perhaps not made, if the store does not know it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    together: bool,
    decisions: &'a Decisions,
}

#[derive(Debug, Deserialize)]
struct Read {
    stamp: u64,
    #[serde(default)]
    together: bool,
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
    #[error("the decisions take more than a file holds")]
    TooLong,
    #[error("the file of decisions is lost to a thread that ended")]
    NoFile,
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
        let damaged = |detail: String| VolumeError::Damaged { path: dir.join(FILES[0]), detail };
        let known = store.stamp().map_err(|error| damaged(error.to_string()))?;
        let mut file = Self {
            dir: dir.to_owned(),
            stamp: known,
            slots: Default::default(),
            newest: 0,
            is_mirrored: false,
        };
        let (a, b) = (read(&dir.join(FILES[0]))?, read(&dir.join(FILES[1]))?);
        let Some((slot, is_mirrored, found)) = newest_made(a, b, known) else {
            // The first decision of all, the incarnation, may have been torn.
            if known <= 1 {
                file.stamp = 0;
                let incarnation = Incarnation(rng.next_u128());
                let decisions = Decisions::new(cluster, Server { name: name.into(), incarnation });
                return Ok((file, decisions));
            }
            return Err(damaged(format!("no whole copy is left of the {known} decisions made")));
        };
        file.newest = slot;
        file.is_mirrored = is_mirrored && found.stamp == known;
        let Read { stamp, decisions, .. } = found;
        check_owner(dir, &decisions, cluster, name)?;
        if stamp > known {
            let dir = dir.to_owned();
            return Err(VolumeError::StoreBehind { dir, store: known, decided: stamp });
        }
        // The store may be one ahead: the process ended between the two.
        if stamp + 1 < known {
            return Err(damaged(format!("the newest of {known} decisions is gone")));
        }
        Ok((file, decisions))
    }

    /// The newest decisions of a directory that may be in use.
    #[cfg(feature = "simulation")]
    pub(crate) fn peek(dir: &Path) -> Option<Decisions> {
        let (a, b) = (read(&dir.join(FILES[0])).ok()?, read(&dir.join(FILES[1])).ok()?);
        newest(a, b).map(|(_, _, found)| found.decisions)
    }

    /// Makes the decisions durable, and everything that the store has committed before. Blocks.
    pub(crate) fn write(
        &mut self,
        decisions: &Decisions,
        store: &Store,
        order: SyncOrder,
    ) -> Result<(), DecideError> {
        self.stamp += 1;
        store.set_stamp(self.stamp)?;
        let slot = 1 - self.newest;
        match order {
            SyncOrder::StoreFirst => {
                store.sync()?;
                self.write_slot(slot, &encode(self.stamp, false, decisions)?)?;
            }
            SyncOrder::Together => {
                store.request_sync();
                self.write_slot(slot, &encode(self.stamp, true, decisions)?)?;
                store.sync()?;
            }
        }
        self.newest = slot;
        self.is_mirrored = false;
        Ok(())
    }

    /// Whether both files hold the newest decision.
    pub(crate) const fn is_mirrored(&self) -> bool {
        self.is_mirrored
    }

    /// Writes the newest decision to the other file too.
    pub(crate) fn mirror(&mut self, decisions: &Decisions) -> Result<(), DecideError> {
        let bytes = encode(self.stamp, false, decisions)?;
        self.write_slot(1 - self.newest, &bytes)?;
        self.is_mirrored = true;
        Ok(())
    }

    /// After a start: both files hold the decisions, with the number that the store has.
    pub(crate) fn repair(&mut self, decisions: &Decisions) -> Result<(), DecideError> {
        self.mirror(decisions)?;
        self.newest = 1 - self.newest;
        self.mirror(decisions)
    }

    fn write_slot(&mut self, slot: usize, bytes: &[u8]) -> Result<(), DecideError> {
        let path = self.dir.join(FILES[slot % 2]);
        let dir = &self.dir;
        let slot = &mut self.slots[slot % 2];
        slot.write(dir, &path, bytes).map_err(|source| DecideError::Io { path, source })
    }
}

impl Slot {
    fn write(&mut self, dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = File::options().create(true).truncate(false).write(true).open(path)?;
                File::open(dir)?.sync_all()?;
                none.insert(file)
            }
        };
        if bytes.len() <= self.n_bytes {
            file.write_all_at(bytes, 0)?;
            return file.sync_data();
        }
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(GROWTH_BYTES), 0);
        file.write_all_at(&padded, 0)?;
        file.sync_all()?;
        self.n_bytes = padded.len();
        Ok(())
    }
}

/// The newest decision, which slot holds it, and whether both do.
fn newest(a: Result<Read, String>, b: Result<Read, String>) -> Option<(usize, bool, Read)> {
    match (a, b) {
        (Ok(a), Ok(b)) if b.stamp > a.stamp => Some((1, false, b)),
        // A copy for the other file is written once the decision is made.
        (Ok(a), Ok(b)) if b.stamp == a.stamp && a.together => Some((1, true, b)),
        (Ok(a), Ok(b)) => Some((0, a.stamp == b.stamp, a)),
        (Ok(a), Err(_)) => Some((0, false, a)),
        (Err(_), Ok(b)) => Some((1, false, b)),
        (Err(_), Err(_)) => None,
    }
}

/// The newest decision that was made, by what the store knows.
fn newest_made(
    a: Result<Read, String>,
    b: Result<Read, String>,
    known: u64,
) -> Option<(usize, bool, Read)> {
    let was_made = |read: Result<Read, String>| {
        read.and_then(|read| {
            let is_unknown = read.together && read.stamp == known.saturating_add(1);
            if is_unknown { Err("it was not made".to_owned()) } else { Ok(read) }
        })
    };
    let has_other = |read: &Result<Read, String>| read.as_ref().is_ok_and(|r| r.stamp == known);
    match (has_other(&a), has_other(&b)) {
        (true, _) => newest(a, was_made(b)),
        (_, true) => newest(was_made(a), b),
        (false, false) => newest(a, b),
    }
}

fn check_owner(
    dir: &Path,
    decisions: &Decisions,
    cluster: ClusterId,
    name: &str,
) -> Result<(), VolumeError> {
    let path = dir.to_owned();
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
    Ok(())
}

pub(crate) fn encode(
    stamp: u64,
    together: bool,
    decisions: &Decisions,
) -> Result<Vec<u8>, DecideError> {
    let json = serde_json::to_vec(&Written { stamp, together, decisions })?;
    let length = u32::try_from(json.len()).map_err(|_| DecideError::TooLong)?;
    let mut bytes = Vec::with_capacity(HEAD_BYTES + json.len());
    bytes.push(FORMAT);
    bytes.extend(length.to_be_bytes());
    bytes.extend(crc32fast::hash(&json).to_be_bytes());
    bytes.extend(json);
    Ok(bytes)
}

/// What a file holds, or why it holds nothing whole. A file of another format ends the start.
fn read(path: &Path) -> Result<Result<Read, String>, VolumeError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Err("it is missing".to_owned()));
        }
        Err(source) => return Err(VolumeError::Io { path: path.to_owned(), source }),
    };
    let found = decode(&bytes);
    match (&found, bytes.first()) {
        // Zero is what a file that was never written to begins with.
        (Err(_), Some(&format)) if format > FORMAT => {
            let path = path.to_owned();
            Err(VolumeError::Format { path, found: format, supported: FORMAT })
        }
        (Err(detail), _) => {
            tracing::warn!(path = %path.display(), detail, "a copy of the decisions is not whole");
            Ok(found)
        }
        (Ok(_), _) => Ok(found),
    }
}

fn decode(bytes: &[u8]) -> Result<Read, String> {
    let cut = || "it is cut short".to_owned();
    let (&format, rest) = bytes.split_first().ok_or_else(cut)?;
    if format != FORMAT {
        return Err(format!("it has format {format}"));
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let (crc, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
    let json = rest.get(..length).ok_or_else(cut)?;
    if crc32fast::hash(json) != u32::from_be_bytes(*crc) {
        return Err("its checksum does not fit its content".to_owned());
    }
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

/// Holds of any bytes, as a file or as the JSON in one: what is read is written so that it is read
/// alike. Gives what was read.
pub(crate) fn check_any(bytes: &[u8]) -> Vec<Decisions> {
    let mut sealed = vec![FORMAT];
    sealed.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    sealed.extend(crc32fast::hash(bytes).to_be_bytes());
    sealed.extend(bytes);
    let mut found = Vec::new();
    for Read { stamp, together, decisions } in [bytes, &sealed[..]].into_iter().flat_map(decode) {
        let again = encode(stamp, together, &decisions).ok().and_then(|bytes| decode(&bytes).ok());
        assert!(again.is_some_and(|again| again.stamp == stamp && again.decisions == decisions));
        found.push(decisions);
    }
    found
}
