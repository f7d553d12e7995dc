//! Writer and store against a map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ring::Point;

use super::*;

const N_KEYS: u8 = 24;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Option<u8>),
    Tombstone(u8),
    Remove(u8),
    Get(u8),
    Scan(u8, u8, Option<u8>),
    Seal,
    Sync,
    Hold(bool),
    Reopen,
}

fn key(n: u8) -> RecordKey {
    RecordKey::new(&[n % N_KEYS])
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<(u8, Option<u8>)>().prop_map(|(n, expiry)| Step::Put(n, expiry)),
        1 => any::<u8>().prop_map(Step::Tombstone),
        3 => any::<u8>().prop_map(Step::Remove),
        4 => any::<u8>().prop_map(Step::Get),
        3 => any::<(u8, u8, Option<u8>)>().prop_map(|(a, b, after)| Step::Scan(a, b, after)),
        3 => Just(Step::Seal),
        1 => Just(Step::Sync),
        1 => any::<bool>().prop_map(Step::Hold),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..80)
}

/// A place where a store can be opened again and again.
trait Place {
    fn open(&self) -> Store;
    /// Lets commits hang, where the place can do that.
    fn hold(&self, _holds: bool) {}
}

struct InMemory(Arc<MemoryEngine>, Durability);

impl Place for InMemory {
    fn open(&self) -> Store {
        memory_store(&self.0, self.1)
    }

    fn hold(&self, holds: bool) {
        self.0.set_calm(!holds);
        if holds {
            self.0.hold();
        } else {
            self.0.let_go();
        }
    }
}

/// Lets a failed test end.
struct LetGo<'a, P: Place>(&'a P);

impl<P: Place> Drop for LetGo<'_, P> {
    fn drop(&mut self) {
        self.0.hold(false);
    }
}

struct OnDisk(tempfile::TempDir, Durability);

impl Place for OnDisk {
    fn open(&self) -> Store {
        Store::open(self.0.path(), StoreConfig::small(self.1)).unwrap()
    }
}

/// Runs the steps, each with its own version, and compares every answer with the map.
fn check(place: &impl Place, steps: &[Step]) {
    let mut store = place.open();
    let mut writer = store.writer().unwrap();
    let _let_go = LetGo(place);
    let mut model: BTreeMap<RecordKey, Record> = BTreeMap::new();
    for (version, step) in (1_u64..).zip(steps) {
        match step {
            Step::Put(n, expiry) => {
                let expiry_ms = expiry.map(u64::from);
                let value = Bytes::from(version.to_string());
                let record = Record { version, expiry_ms, value: Some(value) };
                writer.put(key(*n), record.encode(), expiry_ms);
                model.insert(key(*n), record);
            }
            Step::Tombstone(n) => {
                writer.put(key(*n), Record::tombstone(version).encode(), None);
                model.insert(key(*n), Record::tombstone(version));
            }
            Step::Remove(n) => {
                writer.remove(key(*n));
                model.remove(&key(*n));
            }
            Step::Get(n) => {
                let (found, batch) = writer.get(&key(*n)).unwrap();
                assert_eq!(found.as_ref(), model.get(&key(*n)));
                assert!(batch <= writer.last_batch());
            }
            Step::Scan(a, b, after) => check_scan(&mut writer, &model, *a, *b, *after),
            Step::Seal => writer.seal(),
            Step::Hold(holds) => place.hold(*holds),
            Step::Sync => {
                place.hold(false);
                writer.seal();
                store.sync().unwrap();
                assert_eq!(store.durable(), writer.last_batch());
                let expected: Vec<_> = model.clone().into_iter().collect();
                assert_eq!(all(&store), expected);
            }
            Step::Reopen => {
                place.hold(false);
                writer.seal();
                drop((writer, store));
                store = place.open();
                writer = store.writer().unwrap();
            }
        }
    }
    place.hold(false);
    writer.seal();
    store.sync().unwrap();
    check_expiries(&store, &model);
}

fn check_scan(
    writer: &mut Writer,
    model: &BTreeMap<RecordKey, Record>,
    a: u8,
    b: u8,
    after: Option<u8>,
) {
    let (a, b) = (key(a).point(), key(b).point());
    let arc = RingArc::new(a.min(b), a.max(b)).unwrap();
    let after = after.map(key);
    let expected: Vec<(RecordKey, Record)> = model
        .iter()
        .filter(|(key, _)| arc.contains(key.point()) && after.as_ref().is_none_or(|a| *key > a))
        .map(|(key, record)| (key.clone(), record.clone()))
        .collect();
    let last_batch = writer.last_batch();
    let mut scan = writer.scan_from(arc, after.as_ref());
    let found: Vec<(RecordKey, Record)> = scan
        .by_ref()
        .map(|entry| {
            let (key, record) = entry.unwrap();
            (key, Record::decode(record).unwrap())
        })
        .collect();
    assert!(scan.depends_on() <= last_batch);
    assert_eq!(found, expected);
}

/// The index leads to exactly the records that have expired, at any time.
fn check_expiries(store: &Store, model: &BTreeMap<RecordKey, Record>) {
    for now_ms in [0, 1, 100, 255] {
        let (mut sweeper, mut found) = (Sweeper::new(store.clone()), Vec::new());
        loop {
            let due = sweeper.next(now_ms, 3).unwrap();
            found.extend(due.keys);
            if !due.has_more {
                break;
            }
        }
        found.sort();
        let is_due = |record: &Record| record.expiry_ms.is_some_and(|expiry| expiry <= now_ms);
        let expected: Vec<RecordKey> =
            model.iter().filter(|(_, record)| is_due(record)).map(|(key, _)| key.clone()).collect();
        assert_eq!(found, expected, "at {now_ms}");
    }
    let n_expiring = model.values().filter(|record| record.expiry_ms.is_some()).count();
    let left = store.engine().scan(Table::Expiry, Bound::Unbounded, Bound::Unbounded).count();
    assert_eq!(left, n_expiring, "stale entries are dropped when they are due");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn in_memory_always(steps in steps()) {
        check(&InMemory(Arc::new(MemoryEngine::new()), Durability::Always), &steps);
    }

    #[test]
    fn in_memory_every_sec(steps in steps()) {
        check(&InMemory(Arc::new(MemoryEngine::new()), Durability::EverySec), &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn on_disk(steps in steps(), always: bool) {
        let durability = if always { Durability::Always } else { Durability::EverySec };
        check(&OnDisk(tempfile::tempdir().unwrap(), durability), &steps);
    }
}

#[test]
fn scans_include_the_ends_of_the_ring() {
    let (_engine, store) = new_memory_store(Durability::EverySec);
    let mut writer = store.writer().unwrap();
    let ends = [Point::MIN, Point::MAX].map(|point| RecordKey::with_point(point, b""));
    for (version, key) in (1..).zip(&ends) {
        writer.put(key.clone(), record(version, ""), None);
        let found: Vec<_> = writer.scan_from(RingArc::FULL, None).map(|e| e.unwrap().0).collect();
        assert_eq!(found.as_slice(), &ends[..found.len()]);
        writer.seal();
    }
    let after: Vec<_> =
        writer.scan_from(RingArc::FULL, Some(&ends[0])).map(|e| e.unwrap().0).collect();
    assert_eq!(after, [ends[1].clone()]);
}

#[test]
fn a_scan_depends_on_pending_removals_too() {
    let (engine, store) = new_memory_store(Durability::Always);
    let mut writer = store.writer().unwrap();
    writer.put(RecordKey::new(b"a"), record(1, ""), None);
    writer.seal();
    store.sync().unwrap();
    engine.hold();
    writer.remove(RecordKey::new(b"a"));
    writer.seal();
    let mut scan = writer.scan_from(RingArc::FULL, None);
    assert!(scan.next().is_none());
    assert_eq!(scan.depends_on(), 2);
    engine.let_go();
}
