use std::sync::Arc;

use ring::Arc as RingArc;

use super::*;
use crate::store::{Durability, MemoryEngine, Op, Record, StoreConfig};

const VERSION: Version = 7;

fn store_with_an_unsynced_record() -> (Arc<MemoryEngine>, Store) {
    let engine = Arc::new(MemoryEngine::new());
    let config = StoreConfig::small(Durability::EverySec);
    let store = Store::with_engine(Arc::<MemoryEngine>::clone(&engine), config, Arc::new(|_| {}));
    let store = store.unwrap();
    let record = Record { version: VERSION, expiry_ms: None, value: Some(Bytes::from("value")) };
    store.commit(&[Op::Put(RecordKey::new(b"key"), record.encode(), None)]).unwrap();
    (engine, store)
}

async fn first_piece(store: &Store, durable: Version) -> Piece {
    let arcs = RingArc::FULL.into();
    let mut pieces = start(store.clone(), arcs, Cursor::default(), durable, 1 << 20);
    pieces.recv().await.unwrap().unwrap()
}

/// A target that holds a write which its source loses would bring it back later.
#[tokio::test]
async fn a_piece_comes_when_its_records_are_on_disk() {
    let (engine, store) = store_with_an_unsynced_record();
    let piece = first_piece(&store, VERSION - 1).await;
    assert_eq!((piece.records.len(), engine.n_unsynced()), (1, 0));
}

#[tokio::test]
async fn what_is_on_disk_already_waits_for_nothing() {
    let (engine, store) = store_with_an_unsynced_record();
    engine.hold();
    let piece = first_piece(&store, VERSION).await;
    assert_eq!(piece.records.len(), 1);
    engine.let_go();
}

/// Expiries and tombstones go with the rest: a key that lives for ever or comes back is wrong too.
#[tokio::test]
async fn records_are_sent_as_they_are_stored() {
    let (_engine, store) = store_with_an_unsynced_record();
    let value = Some(Bytes::from("value"));
    let expiring = Record { version: 8, expiry_ms: Some(9_000_000_000_000), value };
    let stored = [(b"expiring", expiring), (b"deleted!", Record::tombstone(9))];
    for (key, record) in &stored {
        let put = Op::Put(RecordKey::new(&key[..]), record.encode(), record.expiry_ms);
        store.commit(&[put]).unwrap();
    }
    let sent = first_piece(&store, 9).await.records;
    assert_eq!(sent.len(), 3);
    for (key, record) in stored {
        assert!(sent.contains(&(RecordKey::new(key), record.encode())), "{record:?}");
    }
}
