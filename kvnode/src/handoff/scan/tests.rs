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
