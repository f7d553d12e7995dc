//! Pure. What holds of this server's formats for any bytes at all. The fuzz targets ask it; a
//! breach is a panic.

use bytes::Bytes;
use handoff::invariants;

use crate::executor::Admission;
use crate::handoff::fuzz_frames;
use crate::ownership::{fuzz_decisions, fuzz_segments};
use crate::store::{Record, RecordHead, RecordKey};

/// Records on disk and in streams: head and whole agree, and what was read is written alike.
pub fn record(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Some(key) = RecordKey::from_raw(bytes.clone()) {
        assert_eq!(RecordKey::with_point(key.point(), key.key()).as_bytes(), &bytes);
    }
    let head = RecordHead::decode(&bytes);
    match Record::decode(bytes.clone()) {
        Ok(record) => {
            let head = head.expect("a whole record has a head");
            assert_eq!((record.version, record.expiry_ms), (head.version, head.expiry_ms));
            assert_eq!(record.value.is_none(), head.is_tombstone);
            assert_eq!(record.encode(), bytes);
        }
        Err(error) => assert_eq!(head, Err(error)),
    }
}

/// A file of decisions, with and without a checksum that fits.
pub fn decisions(bytes: &[u8]) {
    for decisions in fuzz_decisions(bytes) {
        let _ = invariants::one_handoff(&decisions);
        let segments = fuzz_segments(&decisions, &Admission::Admitted);
        assert_eq!(segments.arcs.arcs(), decisions.owned().arcs());
    }
}

/// The frames of a handoff's stream, from both sides, one after the other.
pub fn frames(stream: &[u8]) {
    fuzz_frames(stream);
}
