//! Expiries.

use super::*;

fn put(store: &Store, key: &RecordKey, version: u64, expiry_ms: u64) {
    let record = expiring(version, "v", Some(expiry_ms));
    store.commit(&[Op::Put(key.clone(), record, Some(expiry_ms))]).unwrap();
}

#[test]
fn due_keys_come_soonest_first_and_at_their_millisecond() {
    let (_engine, store) = new_memory_store(Durability::EverySec);
    let keys: Vec<RecordKey> = [b"a", b"b", b"c"].map(|key| RecordKey::new(key)).into();
    for (key, expiry_ms) in keys.iter().zip([30, 10, 20]) {
        put(&store, key, 1, expiry_ms);
    }
    let due = |now_ms, limit| {
        let Due { keys, has_more } = store.due(now_ms, limit).unwrap();
        (keys, has_more)
    };
    assert_eq!(due(9, 5), (vec![], false));
    assert_eq!(due(10, 5), (vec![keys[1].clone()], false));
    assert_eq!(due(30, 2), (vec![keys[1].clone(), keys[2].clone()], true));
    assert_eq!(due(u64::MAX, 5).0.len(), 3);
}

#[test]
fn keys_that_may_not_be_removed_do_not_hide_others() {
    let (_engine, store) = new_memory_store(Durability::EverySec);
    for n in 0..10 {
        put(&store, &RecordKey::new(&[n]), 1, u64::from(n));
    }
    let mut sweeper = Sweeper::new(store);
    let mut seen = 0;
    while let Due { keys, has_more: true } = sweeper.next(100, 3).unwrap() {
        seen += keys.len();
    }
    assert_eq!(seen, 9, "three whole pieces, then one that ends the round");
    assert_eq!(sweeper.next(100, 3).unwrap().keys.len(), 3, "and it begins again");
}

#[test]
fn the_longest_key_expires_too() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig::small(Durability::EverySec);
    let store = Store::open(dir.path(), config).unwrap();
    let key = RecordKey::new(&vec![b'k'; MAX_KEY_BYTES]);
    put(&store, &key, 1, 5);
    assert_eq!(store.due(5, 1).unwrap().keys, std::slice::from_ref(&key));
    store.commit(&[Op::Remove(key)]).unwrap();
    assert_eq!(store.due(5, 1).unwrap(), Due { keys: vec![], has_more: true });
    assert_eq!(store.due(5, 1).unwrap(), Due::default());
}

#[test]
fn a_damaged_record_does_not_stop_the_sweep() {
    let (engine, store) = new_memory_store(Durability::EverySec);
    let (damaged, sound) = (RecordKey::new(b"damaged"), RecordKey::new(b"sound"));
    put(&store, &damaged, 1, 1);
    put(&store, &sound, 1, 2);
    engine.damage(Table::Records, damaged.as_bytes(), Bytes::from_static(b"?"));
    assert_eq!(store.due(9, 9).unwrap().keys, [sound]);
    let error = store.get(&damaged).unwrap_err();
    assert!(!error.is_fatal() && error.to_string().contains("damaged"), "{error}");
}
