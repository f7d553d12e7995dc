//! Shell. The index of expiries, and the reader of what is due.
//!
//! Each record with an expiry has an index entry, written in the same batch: expiry (8 bytes,
//! big-endian), then the record key. What does not fit into an engine's key is in the entry's
//! value. Entries of records that were overwritten or removed stay until they are due; the reader
//! drops them.

use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};

use super::record::RecordHead;
use super::{Change, RecordKey, Store, StoreError, Table};

/// The longest key that the engine takes.
const MAX_ENGINE_KEY_BYTES: usize = 65_535;
const EXPIRY_BYTES: usize = 8;

/// Key and value of an index entry.
pub(crate) fn index_entry(expiry_ms: u64, key: &RecordKey) -> (Bytes, Bytes) {
    let key = key.as_bytes();
    let n_fitting = key.len().min(MAX_ENGINE_KEY_BYTES - EXPIRY_BYTES);
    let mut bytes = BytesMut::with_capacity(EXPIRY_BYTES + n_fitting);
    bytes.put_u64(expiry_ms);
    bytes.put_slice(key.get(..n_fitting).unwrap_or_default());
    (bytes.freeze(), key.slice(n_fitting..))
}

pub(crate) fn decode_entry(key: &[u8], rest: &[u8]) -> Option<(u64, RecordKey)> {
    let (expiry, head) = key.split_first_chunk::<EXPIRY_BYTES>()?;
    let record_key = RecordKey::from_raw([head, rest].concat().into())?;
    Some((u64::from_be_bytes(*expiry), record_key))
}

/// What a look at the index found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Keys whose committed record has expired. They are to be looked at again by the executor,
    /// which may have overwritten them since, or may not be allowed to remove them.
    pub keys: Vec<RecordKey>,
    /// Whether there may be more due now.
    pub has_more: bool,
}

impl Store {
    /// Keys whose records have expired by now, soonest first, by a look at `limit` entries of the
    /// index. It shows the same ones again until they are removed: see [`Sweeper`].
    pub fn due(&self, now_ms: u64, limit: usize) -> Result<Due, StoreError> {
        Sweeper::new(self.clone()).next(now_ms, limit)
    }
}

/// Goes through all due entries of the index, piece by piece, then begins again; so entries that
/// nobody may remove at the moment do not hide those behind them.
#[derive(Clone, Debug)]
pub struct Sweeper {
    store: Store,
    after: Option<Bytes>,
}

impl Sweeper {
    /// One that begins with the soonest expiry.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store, after: None }
    }

    /// The next piece: a look at `limit` entries at most.
    pub fn next(&mut self, now_ms: u64, limit: usize) -> Result<Due, StoreError> {
        let from =
            self.after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(&after[..]));
        let end = now_ms.saturating_add(1).to_be_bytes();
        let entries = self.store.engine().scan(Table::Expiry, from, Bound::Excluded(&end));
        let (mut keys, mut stale, mut n_seen, mut last) = (Vec::new(), Vec::new(), 0, None);
        for entry in entries.take(limit) {
            let (entry_key, rest) = entry?;
            match decode_entry(&entry_key, &rest) {
                Some((expiry_ms, key)) if self.is_current(expiry_ms, &key)? => keys.push(key),
                _ => stale.push(Change::Remove(Table::Expiry, entry_key.clone())),
            }
            n_seen += 1;
            last = Some(entry_key);
        }
        let has_more = n_seen == limit;
        self.after = last.filter(|_| has_more);
        if !stale.is_empty() {
            self.store.pipeline().commit(stale)?;
        }
        Ok(Due { keys, has_more })
    }

    fn is_current(&self, expiry_ms: u64, key: &RecordKey) -> Result<bool, StoreError> {
        let Some(record) = self.store.engine().get(Table::Records, key.as_bytes())? else {
            return Ok(false);
        };
        match RecordHead::decode(&record) {
            Ok(head) => Ok(head.expiry_ms == Some(expiry_ms)),
            Err(error) => {
                tracing::warn!(?key, %error, "a damaged record cannot expire");
                Ok(false)
            }
        }
    }
}
