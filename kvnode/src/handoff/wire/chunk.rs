//! Pure. A chunk of records on its way into a frame, without a copy in between.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::encode::{begin_frame, end_frame};
use super::{
    CHUNK_BYTES, HEAD_BYTES, LENGTH_BYTES, MAX_RECORD_BYTES, RECORD_OVERHEAD_BYTES, WireError, kind,
};
use crate::store::RecordKey;

/// Takes records until about [`CHUNK_BYTES`] are together, then becomes a frame.
#[derive(Debug, Default)]
pub struct Chunk {
    frame: BytesMut,
    n_records: usize,
}

impl Chunk {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record, or leaves it (`false`) where the chunk must be sent first. An empty chunk
    /// takes any record.
    ///
    /// # Errors
    /// The record is longer than any client could have written it.
    pub fn push(&mut self, key: &RecordKey, record: &[u8]) -> Result<bool, WireError> {
        let cost = RECORD_OVERHEAD_BYTES + key.as_bytes().len() + record.len();
        if self.n_records > 0 && self.len_bytes() + cost > CHUNK_BYTES {
            return Ok(false);
        }
        if self.n_records == 0 {
            begin_frame(kind::RECORDS, &mut self.frame);
        }
        Self::put_record(key, record, &mut self.frame)?;
        self.n_records += 1;
        Ok(true)
    }

    /// Whether no record is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_records == 0
    }

    /// How many records are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n_records
    }

    /// How many bytes they take.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.frame.len().saturating_sub(LENGTH_BYTES + HEAD_BYTES)
    }

    /// The frame, and an empty chunk in its place; `None` where there is nothing to send.
    ///
    /// # Errors
    /// Never for what [`Chunk::push`] took.
    pub fn take_frame(&mut self) -> Result<Option<Bytes>, WireError> {
        if self.n_records == 0 {
            return Ok(None);
        }
        self.n_records = 0;
        let mut frame = self.frame.split();
        end_frame(&mut frame, 0)?;
        Ok(Some(frame.freeze()))
    }

    pub(super) fn put_record(
        key: &RecordKey,
        record: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), WireError> {
        let length = |bytes: &[u8]| {
            let too_long =
                || WireError::TooLong { bytes: bytes.len(), max_bytes: MAX_RECORD_BYTES };
            let length = u32::try_from(bytes.len()).ok();
            length.filter(|_| bytes.len() <= MAX_RECORD_BYTES).ok_or_else(too_long)
        };
        let (key, key_length) = (key.as_bytes(), length(key.as_bytes())?);
        let record_length = length(record)?;
        out.reserve(RECORD_OVERHEAD_BYTES + key.len() + record.len());
        out.put_u32(key_length);
        out.put_slice(key);
        out.put_u32(record_length);
        out.put_slice(record);
        Ok(())
    }
}
