//! Tests of the store.

use super::*;

fn record(version: u64, value: &str) -> Bytes {
    Record { version, expiry_ms: None, value: Some(Bytes::copy_from_slice(value.as_bytes())) }
        .encode()
}

#[test]
fn writes_are_seen_at_once_released_and_found_after_a_restart() {
    for durability in [Durability::Always, Durability::EverySec] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreConfig::small(durability)).unwrap();
        let mut writer = store.writer().unwrap();
        assert!(store.writer().is_none());
        let key = RecordKey::new(b"key");
        writer.put(key.clone(), record(7, "one"), None);
        let (found, batch) = writer.get(&key).unwrap();
        assert_eq!((found.unwrap().version, batch), (7, 1));
        writer.seal();
        store.sync().unwrap();
        assert_eq!((writer.released(), writer.durable()), (1, 1));
        assert_eq!(store.get(&key).unwrap().unwrap().value.unwrap(), "one");
        assert_eq!(writer.get(&key).unwrap().1, 0);
        drop((store, writer));
        let store = Store::open(dir.path(), StoreConfig::small(durability)).unwrap();
        assert_eq!(store.get(&key).unwrap().unwrap().version, 7);
    }
}
