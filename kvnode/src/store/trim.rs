//! Shell. Work on whole arcs: counting, applying records of a handoff, deleting what was given
//! away, dropping tombstones. Every piece is compared and changed while nobody else commits, so a
//! newer write is never undone.

use std::collections::BTreeMap;
use std::thread;

use bytes::Bytes;
use node_api::{Count, Counted};
use planted::Bug;
use ring::{Arc as RingArc, ArcSet, Point};

use super::pipeline::changes_of_last;
use super::record::RecordHead;
use super::sweep::index_entry;
use super::{Change, Engine, Op, RecordKey, Store, StoreError, Table};

/// Entries looked at between two commits.
const MAX_SEEN: usize = 2_048;
/// In front of the names of notes, among the other values about the store.
const NOTE_PREFIX: &[u8] = b"note/";
/// Records changed by one commit; other writers wait that long. After each one whoever else wants
/// the processor may have it.
const MAX_CHANGED: usize = 64;

/// What to delete of an arc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// Every record.
    Everything,
    /// Tombstones only.
    Tombstones,
}

/// What a deletion has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Records deleted.
    pub n_records: u64,
    /// Bytes of their keys and records.
    pub n_bytes: u64,
    /// Whether nothing is left to delete.
    pub is_finished: bool,
}

/// What applying records has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Records that were newer than what was there.
    pub n_newer: u64,
    /// Values on keys that had none, less values that became tombstones.
    pub n_new_keys: i64,
    /// Bytes of the keys and values among the newer ones.
    pub n_newer_bytes: u64,
    /// The highest version among all given.
    pub max_version: u64,
}

impl Store {
    /// Counts what is committed in the arcs.
    pub fn count(&self, arcs: &ArcSet, now_ms: u64) -> Result<Count, StoreError> {
        self.count_some(arcs, now_ms, u64::MAX).map(|counted| counted.count)
    }

    /// As [`Store::count`], of so many records, but at least those of one point.
    pub fn count_some(
        &self,
        arcs: &ArcSet,
        now_ms: u64,
        records_max: u64,
    ) -> Result<Counted, StoreError> {
        let mut count = Count::default();
        let mut last = None;
        for entry in arcs.iter().flat_map(|arc| self.scan(arc, None)) {
            let (key, record) = entry?;
            let point = key.point();
            if count.records >= records_max && last.is_some_and(|last| last != point) {
                let rest = RingArc::new(point, Point::MAX).into_iter().collect();
                return Ok(Counted { count, rest: arcs.intersection(&rest) });
            }
            last = Some(point);
            count.records += 1;
            match RecordHead::decode(&record) {
                Ok(head) if head.is_live(now_ms) => {
                    count.keys += 1;
                    let n_bytes = key.key().len() + record.len() - head.len();
                    count.bytes += n_bytes as u64;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(?key, %error, "a damaged record"),
            }
        }
        Ok(Counted { count, rest: ArcSet::default() })
    }

    /// The highest version of any record, by a look at all of them.
    pub fn max_version(&self) -> Result<u64, StoreError> {
        let mut max_version = 0;
        for entry in self.scan(RingArc::FULL, None) {
            let (_, record) = entry?;
            if let Ok(head) = RecordHead::decode(&record) {
                max_version = max_version.max(head.version);
            }
        }
        Ok(max_version)
    }

    /// Puts each encoded record, tombstones included, that is newer than what is there; nothing
    /// where one of them is damaged. On disk after the next [`Store::sync`].
    pub fn apply(&self, records: &[(RecordKey, Bytes)]) -> Result<Applied, StoreError> {
        self.apply_noting(records, |_, _| None)
    }

    /// As [`Store::apply`]. Each of its commits holds a note as well, its name and what it says:
    /// asked for with what is done so far, and whether that is all.
    pub fn apply_noting(
        &self,
        records: &[(RecordKey, Bytes)],
        mut note: impl FnMut(&Applied, bool) -> Option<(Bytes, Bytes)>,
    ) -> Result<Applied, StoreError> {
        let mut applied = Applied::default();
        for (_, record) in records {
            let head = RecordHead::decode(record)?;
            applied.max_version = applied.max_version.max(head.version);
        }
        let (mut pieces, nothing) = (records.chunks(MAX_CHANGED), Default::default());
        let mut next = pieces.next().or(Some(nothing));
        while let Some(piece) = next {
            next = pieces.next();
            let is_last = next.is_none();
            self.pipeline().commit_with(|engine| {
                let mut changes = newer(engine, piece, &mut applied)?;
                if let Some((name, text)) = note(&applied, is_last) {
                    changes.push(Change::Put(Table::Meta, note_key(&name), text));
                }
                Ok((changes, ()))
            })?;
            thread::yield_now();
        }
        Ok(applied)
    }

    /// The note of this name.
    pub fn note(&self, name: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.engine().get(Table::Meta, &note_key(name))
    }

    /// Removes the note of this name, if there is one.
    pub fn remove_note(&self, name: &[u8]) -> Result<(), StoreError> {
        self.pipeline().commit(vec![Change::Remove(Table::Meta, note_key(name))])
    }

    /// Deletes records of the arcs whose version is at most `max_version`, in small commits. After
    /// each piece `goes_on` is told what was done so far; it may wait, and stops the work by
    /// `false`. On disk after the next [`Store::sync`].
    pub fn delete_arcs(
        &self,
        arcs: &ArcSet,
        max_version: u64,
        what: Trim,
        mut goes_on: impl FnMut(&Trimmed) -> bool,
    ) -> Result<Trimmed, StoreError> {
        let mut trimmed = Trimmed::default();
        for arc in arcs.iter() {
            let mut after = None;
            loop {
                let piece = self.find(arc, after.as_ref(), max_version, what)?;
                self.delete(&piece.keys, max_version, what, &mut trimmed)?;
                thread::yield_now();
                if !goes_on(&trimmed) {
                    return Ok(trimmed);
                }
                if piece.last.is_none() {
                    break;
                }
                after = piece.last;
            }
        }
        trimmed.is_finished = true;
        Ok(trimmed)
    }

    /// The next keys to delete, from a bounded number of entries.
    fn find(
        &self,
        arc: RingArc,
        after: Option<&RecordKey>,
        max_version: u64,
        what: Trim,
    ) -> Result<Piece, StoreError> {
        let mut keys = Vec::new();
        for (n_seen, entry) in self.scan(arc, after).enumerate() {
            let (key, record) = entry?;
            let is_last = n_seen + 1 == MAX_SEEN;
            if is_deletable(&key, &record, max_version, what) {
                keys.push(key.clone());
            }
            if is_last || keys.len() == MAX_CHANGED {
                return Ok(Piece { keys, last: Some(key) });
            }
        }
        Ok(Piece { keys, last: None })
    }

    /// Deletes those of the keys that still are to be deleted, with their index entries.
    fn delete(
        &self,
        keys: &[RecordKey],
        max_version: u64,
        what: Trim,
        trimmed: &mut Trimmed,
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.pipeline().commit_with(|engine| {
            let mut changes = Vec::with_capacity(keys.len());
            for key in keys {
                let Some(record) = engine.get(Table::Records, key.as_bytes())? else { continue };
                if !is_deletable(key, &record, max_version, what) {
                    continue;
                }
                changes.push(Change::Remove(Table::Records, key.as_bytes().clone()));
                let expiry_ms = RecordHead::decode(&record).ok().and_then(|head| head.expiry_ms);
                if let Some(expiry_ms) = expiry_ms {
                    changes.push(Change::Remove(Table::Expiry, index_entry(expiry_ms, key).0));
                }
                trimmed.n_records += 1;
                trimmed.n_bytes += (key.as_bytes().len() + record.len()) as u64;
            }
            Ok((changes, ()))
        })?;
        Ok(())
    }
}

fn note_key(name: &[u8]) -> Bytes {
    [NOTE_PREFIX, name].concat().into()
}

/// The changes that put what of these records is newer than what is there.
fn newer(
    engine: &dyn Engine,
    records: &[(RecordKey, Bytes)],
    applied: &mut Applied,
) -> Result<Vec<Change>, StoreError> {
    let mut newest: BTreeMap<&RecordKey, RecordHead> = BTreeMap::new();
    let mut ops = Vec::with_capacity(records.len());
    for (key, record) in records {
        let head = RecordHead::decode(record)?;
        let there = match newest.get(key) {
            Some(earlier) => Some(*earlier),
            None => head_of(engine, key)?,
        };
        let keeps = there.is_some_and(|there| there.version >= head.version);
        if keeps && !planted::is(Bug::DeltaNewestByArrival) {
            continue;
        }
        let had_value = there.is_some_and(|there| !there.is_tombstone);
        applied.n_newer += 1;
        if !head.is_tombstone {
            let n_bytes = key.key().len() + record.len().saturating_sub(head.len());
            applied.n_newer_bytes += n_bytes as u64;
        }
        applied.n_new_keys += i64::from(!head.is_tombstone) - i64::from(had_value);
        newest.insert(key, head);
        ops.push(Op::Put(key.clone(), record.clone(), head.expiry_ms));
    }
    Ok(changes_of_last(ops.iter().rev(), ops.len()))
}

struct Piece {
    keys: Vec<RecordKey>,
    /// Where to go on; `None` at the end of the arc.
    last: Option<RecordKey>,
}

/// A damaged record is deleted with everything else, as nobody can read it here any more.
fn is_deletable(key: &RecordKey, record: &[u8], max_version: u64, what: Trim) -> bool {
    match RecordHead::decode(record) {
        Ok(head) => head.version <= max_version && (what == Trim::Everything || head.is_tombstone),
        Err(error) => {
            tracing::warn!(?key, %error, "a damaged record");
            what == Trim::Everything
        }
    }
}

/// The head of what is there; a damaged record counts as nothing.
fn head_of(engine: &dyn Engine, key: &RecordKey) -> Result<Option<RecordHead>, StoreError> {
    let Some(record) = engine.get(Table::Records, key.as_bytes())? else { return Ok(None) };
    Ok(RecordHead::decode(&record)
        .inspect_err(|error| tracing::warn!(?key, %error, "a damaged record is replaced"))
        .ok())
}
