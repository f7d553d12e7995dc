//! What a loss of power takes away, and what it never does.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Model = BTreeMap<RecordKey, Record>;

/// Writes batches of (key, value or removal), crashes while they are on their way, and finds the
/// state after one of the batches that were not known to be safe yet.
fn check(durability: Durability, batches: &[Vec<(u8, bool)>], sync_each: usize, n_kept: usize) {
    let (engine, store) = new_memory_store(durability);
    let mut writer = store.writer().unwrap();
    let (mut model, mut states) = (Model::new(), vec![Model::new()]);
    let mut version = 0;
    for (n, batch) in (1..).zip(batches) {
        for (key, is_put) in batch {
            version += 1;
            let key = RecordKey::new(&[key % 8]);
            if *is_put {
                let expiry_ms = (version % 2 == 0).then_some(version);
                writer.put(key.clone(), expiring(version, "v", expiry_ms), expiry_ms);
                let value = Some(Bytes::from_static(b"v"));
                model.insert(key, Record { version, expiry_ms, value });
            } else {
                writer.remove(key.clone());
                model.remove(&key);
            }
        }
        writer.seal();
        states.push(model.clone());
        if n % sync_each == 0 {
            store.request_sync();
        }
    }
    let (released, durable) = (store.released(), store.durable());
    let safe = if durability == Durability::Always { released } else { durable };
    let engine = Arc::new(engine.after_crash(n_kept));
    let found: Model = all(&memory_store(&engine, durability)).into_iter().collect();
    let safe = usize::try_from(safe).unwrap();
    let possible = states.get(safe..).unwrap();
    assert!(possible.contains(&found), "{found:?} is no state from batch {safe} on");
    let index = engine.scan(Table::Expiry, Bound::Unbounded, Bound::Unbounded).count();
    let n_expiring = found.values().filter(|record| record.expiry_ms.is_some()).count();
    assert!(index >= n_expiring, "a record and its index entry are one commit");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_crash_loses_only_what_was_not_synced_and_whole_batches_from_the_end(
        batches in prop::collection::vec(prop::collection::vec(any::<(u8, bool)>(), 1..6), 1..20),
        always: bool,
        sync_each in 1_usize..9,
        n_kept in 0_usize..9,
    ) {
        let durability = if always { Durability::Always } else { Durability::EverySec };
        check(durability, &batches, sync_each, n_kept);
    }
}
