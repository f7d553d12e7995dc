//! Counting, applying and deleting whole arcs.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ring::{ArcSet, Point};

use super::*;

fn keys(n: u32) -> impl Iterator<Item = RecordKey> {
    (0..n).map(|n| RecordKey::new(n.to_string().as_bytes()))
}

fn half() -> ArcSet {
    RingArc::new(Point::MIN, Point(u128::MAX / 2)).unwrap().into()
}

#[test]
fn counts_tell_live_keys_from_records() {
    let (_engine, store) = new_memory_store(Durability::EverySec);
    let mut ops: Vec<Op> = keys(10).map(|key| Op::Put(key, record(1, "12345"), None)).collect();
    let gone = RecordKey::new(b"gone");
    ops.push(Op::Put(gone, Record::tombstone(1).encode(), None));
    let late = RecordKey::new(b"late");
    ops.push(Op::Put(late, expiring(1, "", Some(100)), Some(100)));
    store.commit(&ops).unwrap();
    let count = |arcs: &ArcSet, now_ms| store.count(arcs, now_ms).unwrap();
    let whole = count(&ArcSet::full(), 99);
    assert_eq!((whole.keys, whole.bytes, whole.records), (11, 10 * 6 + 4, 12));
    assert_eq!(count(&ArcSet::full(), 100).keys, 10);
    let (one, other) = (count(&half(), 0), count(&half().complement(), 0));
    assert_eq!(one.records + other.records, 12);
    assert_eq!(store.max_version().unwrap(), 1);
}

#[test]
fn a_count_in_pieces_is_the_count_of_all() {
    let (_engine, store) = new_memory_store(Durability::EverySec);
    let ops: Vec<Op> = keys(100).map(|key| Op::Put(key, record(1, "v"), None)).collect();
    store.commit(&ops).unwrap();
    let arcs = half().union(&RingArc::new(Point(u128::MAX / 4 * 3), Point::MAX).unwrap().into());
    let whole = store.count(&arcs, 0).unwrap();
    for records_max in [0, 1, 7, whole.records - 1, whole.records, whole.records + 1] {
        let (mut total, mut rest, mut n_pieces) = (node_api::Count::default(), arcs.clone(), 0);
        while !rest.is_empty() {
            let piece = store.count_some(&rest, 0, records_max).unwrap();
            assert!(piece.count.records <= records_max.max(1), "{records_max}: {piece:?}");
            assert!(rest.covers(&piece.rest) && rest != piece.rest);
            total += piece.count;
            (rest, n_pieces) = (piece.rest, n_pieces + 1);
        }
        assert_eq!((total, n_pieces), (whole, whole.records.div_ceil(records_max.max(1))));
    }
}

#[test]
fn a_deletion_is_bounded_by_arc_and_version_and_can_stop() {
    let (_engine, store) = new_memory_store(Durability::EverySec);
    let ops = |version: u64| {
        let put = move |key| Op::Put(key, expiring(version, "v", Some(5)), Some(5));
        keys(3_000).map(put).collect::<Vec<Op>>()
    };
    store.commit(&ops(7)).unwrap();
    let newer = RecordKey::new(b"0");
    store.commit(&[Op::Put(newer.clone(), record(8, "new"), None)]).unwrap();
    let arcs = ArcSet::from(RingArc::FULL);

    let mut n_pieces = 0;
    let stopped = store
        .delete_arcs(&half(), 7, Trim::Everything, |_| {
            n_pieces += 1;
            n_pieces < 2
        })
        .unwrap();
    assert!(!stopped.is_finished && stopped.n_records < 1_000, "{stopped:?}");

    let rest = store.delete_arcs(&half(), 7, Trim::Everything, |_| true).unwrap();
    assert!(rest.is_finished);
    let left = all(&store);
    assert_eq!(left.len() as u64, 3_000 - stopped.n_records - rest.n_records);
    let is_left = |key: &RecordKey| *key == newer || !half().contains(key.point());
    assert!(left.iter().all(|(key, _)| is_left(key)));

    store.delete_arcs(&arcs, 7, Trim::Everything, |_| true).unwrap();
    assert_eq!(all(&store).len(), 1);
    let index = store.engine().scan(Table::Expiry, Bound::Unbounded, Bound::Unbounded);
    assert!(index.count() <= 1, "index entries go with their records");
}

#[test]
fn dropping_tombstones_leaves_values_and_newer_tombstones() {
    let (_engine, store) = new_memory_store(Durability::EverySec);
    let ops: Vec<Op> = keys(100)
        .zip(1_u64..)
        .map(|(key, version)| {
            let is_tombstone = version % 2 == 0;
            let tombstone = Record::tombstone(version).encode();
            Op::Put(key, if is_tombstone { tombstone } else { record(version, "v") }, None)
        })
        .collect();
    store.commit(&ops).unwrap();
    let dropped = store.delete_arcs(&ArcSet::full(), 50, Trim::Tombstones, |_| true).unwrap();
    assert_eq!((dropped.n_records, dropped.is_finished), (25, true));
    assert_eq!(all(&store).iter().filter(|(_, record)| record.value.is_none()).count(), 25);
}

#[test]
fn a_damaged_record_is_deleted_with_the_rest_and_never_counted_as_a_key() {
    let (engine, store) = new_memory_store(Durability::EverySec);
    let key = RecordKey::new(b"a");
    engine.damage(Table::Records, key.as_bytes(), Bytes::from_static(b"\x01\x07"));
    let count = store.count(&ArcSet::full(), 0).unwrap();
    assert_eq!((count.keys, count.records), (0, 1));
    store.delete_arcs(&ArcSet::full(), u64::MAX, Trim::Tombstones, |_| true).unwrap();
    assert_eq!(store.count(&ArcSet::full(), 0).unwrap().records, 1);
    store.delete_arcs(&ArcSet::full(), 0, Trim::Everything, |_| true).unwrap();
    assert_eq!(store.count(&ArcSet::full(), 0).unwrap().records, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Chunks may come again, overlap and hold a key twice: the newest version of each key stays.
    #[test]
    fn applying_keeps_the_newest_of_each_key(
        chunks in prop::collection::vec(
            prop::collection::vec((0_u8..6, 1_u64..20, any::<bool>()), 0..8),
            1..8,
        ),
    ) {
        let (_engine, store) = new_memory_store(Durability::EverySec);
        let mut model: BTreeMap<RecordKey, Record> = BTreeMap::new();
        let mut n_keys = 0;
        for chunk in &chunks {
            let records: Vec<(RecordKey, Record)> = chunk
                .iter()
                .map(|(key, version, is_put)| {
                    // What a version holds is decided by the version, as on a source.
                    let is_put = *is_put && version % 3 != 0;
                    let value = is_put.then(|| Bytes::from(version.to_string()));
                    let version = version * 2 + u64::from(is_put);
                    let record = Record { version, expiry_ms: None, value };
                    (RecordKey::new(&[*key]), record)
                })
                .collect();
            let encoded: Vec<_> =
                records.iter().map(|(key, record)| (key.clone(), record.encode())).collect();
            let applied = store.apply(&encoded).unwrap();
            n_keys += applied.n_new_keys;
            let highest = records.iter().map(|(_, record)| record.version).max();
            prop_assert_eq!(applied.max_version, highest.unwrap_or(0));
            for (key, record) in records {
                if model.get(&key).is_none_or(|there| there.version < record.version) {
                    model.insert(key, record);
                }
            }
            let expected: Vec<_> = model.clone().into_iter().collect();
            prop_assert_eq!(all(&store), expected);
            let n_live = model.values().filter(|record| record.value.is_some()).count();
            prop_assert_eq!(n_keys, i64::try_from(n_live).unwrap());
        }
    }
}

#[test]
fn damaged_records_are_not_applied() {
    let (engine, store) = new_memory_store(Durability::EverySec);
    let sound = (RecordKey::new(b"a"), record(1, "v"));
    let damaged = (RecordKey::new(b"b"), Bytes::from_static(b"\x09"));
    assert!(store.apply(&[sound.clone(), damaged]).is_err());
    assert_eq!(all(&store), []);
    engine.damage(Table::Records, sound.0.as_bytes(), Bytes::from_static(b"?"));
    assert_eq!(store.apply(&[sound]).unwrap().n_newer, 1, "sound records replace damaged ones");
    assert_eq!(all(&store).len(), 1);
}

#[test]
fn a_note_is_as_old_as_the_records_applied_with_it() {
    let (engine, store) = new_memory_store(Durability::EverySec);
    let records: Vec<_> = keys(150).map(|key| (key, record(7, "value"))).collect();
    let name = Bytes::from_static(b"name");
    let mut says = Vec::new();
    let noted = |applied: &Applied, is_last: bool| {
        says.push((applied.n_new_keys, is_last));
        Some((name.clone(), Bytes::from(applied.n_new_keys.to_string())))
    };
    let applied = store.apply_noting(&records, noted).unwrap();
    assert_eq!(applied.n_newer_bytes, 10 * 6 + 90 * 7 + 50 * 8);
    assert_eq!(says, [(64, false), (128, false), (150, true)]);
    assert_eq!(store.note(&name).unwrap().as_deref(), Some(&b"150"[..]));
    store.apply_noting(&[], |_, _| Some((name.clone(), Bytes::new()))).unwrap();
    assert_eq!(store.note(&name).unwrap().as_deref(), Some(&b""[..]));
    store.remove_note(&name).unwrap();
    assert_eq!(store.note(&name).unwrap(), None);
    drop(engine);
}
