//! The form of records and keys.

use proptest::prelude::*;

use super::super::sweep::{decode_entry, index_entry};
use super::*;

/// One of each kind, as they stand in the fixture.
fn examples() -> Vec<(RecordKey, Record)> {
    let value = |bytes: &'static [u8]| Some(Bytes::from_static(bytes));
    vec![
        (RecordKey::new(b""), Record { version: 0, expiry_ms: None, value: value(b"") }),
        (RecordKey::new(b"a"), Record { version: 1, expiry_ms: None, value: value(b"one") }),
        (
            RecordKey::new(b"\0\xff"),
            Record { version: u64::MAX, expiry_ms: Some(1_700_000_000_000), value: value(b"\0") },
        ),
        (RecordKey::new(b"gone"), Record::tombstone(0x0102_0304_0506_0708)),
    ]
}

/// Every released format can be read for ever: length, key, length, record, and so on.
#[test]
fn the_committed_fixture_of_format_1_is_read_and_written_alike() {
    let fixture: &[u8] = include_bytes!("../fixtures/records-v1.bin");
    let (mut rest, mut found, mut written) = (fixture, Vec::new(), Vec::new());
    let field = |rest: &mut &[u8]| {
        let (length, tail) = rest.split_first_chunk::<4>().unwrap();
        let (bytes, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
        *rest = tail;
        Bytes::copy_from_slice(bytes)
    };
    while !rest.is_empty() {
        let key = RecordKey::from_raw(field(&mut rest)).unwrap();
        found.push((key, Record::decode(field(&mut rest)).unwrap()));
    }
    assert_eq!(found, examples());
    for (key, record) in examples() {
        for bytes in [key.as_bytes(), &record.encode()] {
            written.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
            written.extend_from_slice(bytes);
        }
    }
    assert_eq!(written, fixture);
}

#[test]
fn keys_are_bounded() {
    let longest = RecordKey::new(&vec![b'k'; MAX_KEY_BYTES]);
    assert_eq!(RecordKey::from_raw(longest.as_bytes().clone()), Some(longest.clone()));
    let too_long = [longest.as_bytes(), &b"k"[..]].concat();
    assert_eq!(RecordKey::from_raw(too_long.into()), None);
    assert_eq!(RecordKey::from_raw(Bytes::from_static(&[0; POINT_BYTES - 1])), None);
    assert!(longest.point_fits_key());
    assert!(!RecordKey::with_point(ring::Point::MIN, b"k").point_fits_key());
}

#[test]
fn damage_is_told_and_never_decoded() {
    let bytes = expiring(7, "value", Some(9));
    for length in 0..18 {
        let cut = Record::decode(bytes.slice(..length));
        assert_eq!(cut, Err(RecordError::Truncated), "at {length}");
    }
    let with = |index: usize, byte: u8| {
        let mut bytes = bytes.to_vec();
        *bytes.get_mut(index).unwrap() = byte;
        Record::decode(bytes.into())
    };
    assert_eq!(with(0, 2), Err(RecordError::Format(2)));
    assert_eq!(with(1, 4), Err(RecordError::Flags(4)));
    assert_eq!(with(1, 3), Err(RecordError::Flags(3)));
    assert_eq!(with(1, 1), Err(RecordError::Flags(1)), "a tombstone with a value");
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(
        version: u64,
        expiry_ms: Option<u64>,
        value: Option<Vec<u8>>,
    ) {
        let record = Record {
            version,
            expiry_ms: expiry_ms.filter(|_| value.is_some()),
            value: value.map(Bytes::from),
        };
        let bytes = record.encode();
        let head = RecordHead::decode(&bytes).unwrap();
        prop_assert_eq!((head.version, head.expiry_ms), (record.version, record.expiry_ms));
        prop_assert_eq!(head.is_live(1 << 62), record.is_live(1 << 62));
        prop_assert_eq!(Record::decode(bytes).unwrap(), record);
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        if let Ok(record) = Record::decode(bytes.clone()) {
            prop_assert_eq!(record.encode(), bytes);
        }
    }

    #[test]
    fn index_entries_fit_the_engine_and_come_back(
        expiry_ms: u64,
        length in prop_oneof![0_usize..40, MAX_KEY_BYTES - 20..=MAX_KEY_BYTES],
    ) {
        let key = RecordKey::new(&vec![b'k'; length]);
        let (entry, rest) = index_entry(expiry_ms, &key);
        prop_assert!(entry.len() <= 65_535);
        prop_assert_eq!(decode_entry(&entry, &rest), Some((expiry_ms, key)));
    }
}
