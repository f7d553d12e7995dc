//! Pure. The form of records on disk and in handoff streams.
//!
//! Key: 16 bytes of the point, big-endian, then the key; so an arc is one range.
//! Value: format version (1), flags (1), version (8, big-endian), expiry where flagged (8,
//! big-endian, Unix milliseconds), then the value.

use std::fmt;
use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};
use ring::{Arc, Point};

/// The longest key: what the engine takes (65,535) less the point.
pub const MAX_KEY_BYTES: usize = 65_519;

/// The length of the point in front of each key.
pub const POINT_BYTES: usize = 16;

const FORMAT: u8 = 1;
const TOMBSTONE: u8 = 0b01;
const EXPIRY: u8 = 0b10;
const HEAD_BYTES: usize = 10;
const EXPIRY_BYTES: usize = 8;

/// Where a record is stored: its point, then its key. Ordered by point.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Bytes);

impl RecordKey {
    /// The record key of a client's key, which is at most [`MAX_KEY_BYTES`] long.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self::with_point(Point::of(key), key)
    }

    /// As [`RecordKey::new`], where the key's point is known already.
    #[must_use]
    pub fn with_point(point: Point, key: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(POINT_BYTES + key.len());
        bytes.put_u128(point.0);
        bytes.put_slice(key);
        Self(bytes.freeze())
    }

    /// Reads what [`RecordKey::as_bytes`] gave; `None` where it is too short or too long.
    #[must_use]
    pub fn from_raw(bytes: Bytes) -> Option<Self> {
        (POINT_BYTES..=POINT_BYTES + MAX_KEY_BYTES).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The point.
    #[must_use]
    pub fn point(&self) -> Point {
        let head = self.0.first_chunk::<POINT_BYTES>().copied().unwrap_or_default();
        Point(u128::from_be_bytes(head))
    }

    /// The client's key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.0.get(POINT_BYTES..).unwrap_or_default()
    }

    /// Whether the point is that of the key; to be asked of what came over the network.
    #[must_use]
    pub fn point_fits_key(&self) -> bool {
        self.point() == Point::of(self.key())
    }

    /// Point and key.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.point(), self.key().escape_ascii())
    }
}

/// The record keys of an arc, or of what of it lies after a key; `None` where that is nothing.
pub(crate) fn key_range(
    arc: Arc,
    after: Option<&RecordKey>,
) -> Option<(Bound<RecordKey>, Bound<RecordKey>)> {
    let start = RecordKey::with_point(arc.start(), &[]);
    let end = arc.last().next().map(|end| RecordKey::with_point(end, &[]));
    let from = match after {
        Some(after) if end.as_ref().is_some_and(|end| after >= end) => return None,
        Some(after) if *after >= start => Bound::Excluded(after.clone()),
        _ => Bound::Included(start),
    };
    Some((from, end.map_or(Bound::Unbounded, Bound::Excluded)))
}

/// A stored value or the trace of a removed one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Grows with each write to the key, across owners.
    pub version: u64,
    /// From when on the record counts as absent, in Unix milliseconds.
    pub expiry_ms: Option<u64>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Shorter than its own head says.
    #[error("a record is cut short")]
    Truncated,
    /// Another format version.
    #[error("a record has format {0}, not {FORMAT}")]
    Format(u8),
    /// Flags that do not exist, or exclude each other or the value.
    #[error("a record has impossible flags {0:#04x}")]
    Flags(u8),
}

/// What stands in front of a record's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHead {
    /// As in [`Record`].
    pub version: u64,
    /// As in [`Record`].
    pub expiry_ms: Option<u64>,
    /// Whether the record is a tombstone.
    pub is_tombstone: bool,
}

impl RecordHead {
    /// Reads the head of an encoded record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (&format, rest) = bytes.split_first().ok_or(RecordError::Truncated)?;
        if format != FORMAT {
            return Err(RecordError::Format(format));
        }
        let (&flags, rest) = rest.split_first().ok_or(RecordError::Truncated)?;
        let (version, rest) = rest.split_first_chunk().ok_or(RecordError::Truncated)?;
        let version = u64::from_be_bytes(*version);
        let head = match flags {
            0 => Self { version, expiry_ms: None, is_tombstone: false },
            EXPIRY => {
                let (expiry, _) = rest.split_first_chunk().ok_or(RecordError::Truncated)?;
                let expiry_ms = Some(u64::from_be_bytes(*expiry));
                Self { version, expiry_ms, is_tombstone: false }
            }
            TOMBSTONE if rest.is_empty() => Self { version, expiry_ms: None, is_tombstone: true },
            _ => return Err(RecordError::Flags(flags)),
        };
        Ok(head)
    }

    /// Whether a reader at this time sees a value.
    #[must_use]
    pub fn is_live(&self, now_ms: u64) -> bool {
        !self.is_tombstone && self.expiry_ms.is_none_or(|expiry| expiry > now_ms)
    }

    /// How many bytes stand before the value.
    pub(crate) const fn len(self) -> usize {
        HEAD_BYTES + if self.expiry_ms.is_some() { EXPIRY_BYTES } else { 0 }
    }
}

impl Record {
    /// A tombstone.
    #[must_use]
    pub const fn tombstone(version: u64) -> Self {
        Self { version, expiry_ms: None, value: None }
    }

    /// Whether a reader at this time sees a value.
    #[must_use]
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.value.is_some() && self.expiry_ms.is_none_or(|expiry| expiry > now_ms)
    }

    /// The stored form. A tombstone has no expiry.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let expiry = self.expiry_ms.filter(|_| self.value.is_some());
        let value = self.value.as_deref().unwrap_or_default();
        let mut bytes = BytesMut::with_capacity(HEAD_BYTES + EXPIRY_BYTES + value.len());
        bytes.put_u8(FORMAT);
        bytes.put_u8(match (&self.value, expiry) {
            (None, _) => TOMBSTONE,
            (Some(_), Some(_)) => EXPIRY,
            (Some(_), None) => 0,
        });
        bytes.put_u64(self.version);
        if let Some(expiry) = expiry {
            bytes.put_u64(expiry);
        }
        bytes.put_slice(value);
        bytes.freeze()
    }

    /// Reads the stored form; the value is a slice of it.
    pub fn decode(mut bytes: Bytes) -> Result<Self, RecordError> {
        let head = RecordHead::decode(&bytes)?;
        let value = (!head.is_tombstone).then(|| bytes.split_off(head.len()));
        Ok(Self { version: head.version, expiry_ms: head.expiry_ms, value })
    }
}
