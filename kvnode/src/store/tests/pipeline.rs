//! When batches are released and durable, and what happens when storage fails.

use super::*;

fn write(writer: &mut Writer, key: &[u8], version: u64) {
    writer.put(RecordKey::new(key), record(version, "value"), None);
}

#[test]
fn always_releases_after_the_fsync_and_merges_what_is_queued() {
    let (engine, store) = new_memory_store(Durability::Always);
    let mut writer = store.writer().unwrap();
    assert!(store.writer().is_none(), "one writer only");
    engine.hold();
    for version in 1..=9 {
        write(&mut writer, b"same", version);
        writer.seal();
    }
    assert_eq!((writer.released(), writer.durable(), writer.open_batch()), (0, 0, 10));
    let (found, batch) = writer.get(&RecordKey::new(b"same")).unwrap();
    assert_eq!((found.unwrap().version, batch), (9, 9));
    assert_eq!(store.get(&RecordKey::new(b"same")).unwrap(), None);
    engine.let_go();
    wait_released(&store, 9);
    assert_eq!((store.durable(), engine.n_unsynced()), (9, 0));
    assert!(engine.n_syncs() <= 2, "the first batch, then all others together");
    let (found, batch) = writer.get(&RecordKey::new(b"same")).unwrap();
    assert_eq!((found.unwrap().version, batch), (9, 0));
    assert_eq!(writer.pending_bytes(), 0);
}

#[test]
fn every_sec_releases_at_once_and_is_durable_by_a_sync() {
    let (engine, store) = new_memory_store(Durability::EverySec);
    let mut writer = store.writer().unwrap();
    write(&mut writer, b"a", 1);
    assert_eq!((writer.last_batch(), writer.released()), (1, 0));
    engine.set_calm(true);
    writer.seal();
    assert_eq!((writer.last_batch(), writer.released()), (1, 1));
    store.sync().unwrap();
    assert_eq!((writer.durable(), engine.n_unsynced(), engine.n_syncs()), (1, 0, 1));
    store.sync().unwrap();
    assert_eq!(engine.n_syncs(), 1, "there was nothing to sync");
}

#[test]
fn every_sec_syncs_by_itself() {
    let (_engine, store) = new_memory_store(Durability::EverySec);
    let mut writer = store.writer().unwrap();
    write(&mut writer, b"a", 1);
    writer.seal();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut durable = writer.durable_watch();
    assert_eq!(*runtime.block_on(durable.wait_for(|durable| *durable == 1)).unwrap(), 1);
}

#[test]
fn a_busy_engine_never_makes_the_data_thread_wait() {
    let (engine, store) = new_memory_store(Durability::EverySec);
    let mut writer = store.writer().unwrap();
    engine.set_calm(false);
    engine.hold();
    for version in 1..=5 {
        write(&mut writer, b"a", version);
        writer.seal();
    }
    assert_eq!(writer.released(), 0);
    engine.set_calm(true);
    write(&mut writer, b"a", 6);
    writer.seal();
    assert_eq!(writer.released(), 0, "batches keep their order");
    store.request_sync();
    engine.let_go();
    wait_released(&store, 6);
    assert_eq!(writer.get(&RecordKey::new(b"a")).unwrap().0.unwrap().version, 6);
}

#[test]
fn an_empty_batch_is_no_batch() {
    let (_engine, store) = new_memory_store(Durability::Always);
    let mut writer = store.writer().unwrap();
    writer.seal();
    assert_eq!((writer.open_batch(), writer.last_batch()), (1, 0));
}

#[test]
fn a_failed_commit_is_reported_and_nothing_is_released_after() {
    for durability in [Durability::Always, Durability::EverySec] {
        let (engine, failures) = (Arc::new(MemoryEngine::new()), Failures::default());
        let config = StoreConfig::small(durability);
        let store =
            Store::with_engine(Arc::clone(&engine) as _, config, failures.collector()).unwrap();
        let mut writer = store.writer().unwrap();
        engine.fail();
        write(&mut writer, b"a", 1);
        writer.seal();
        let error = store.sync().unwrap_err();
        assert!(error.is_fatal(), "{error}");
        assert_eq!((store.released(), store.durable()), (0, 0));
        drop((writer, store));
        assert_eq!(failures.seen(), ["storage failed: injected failure"]);
    }
}

#[test]
fn the_last_handle_that_goes_brings_everything_to_disk() {
    let (engine, store) = new_memory_store(Durability::EverySec);
    let mut writer = store.writer().unwrap();
    engine.set_calm(false);
    for version in 1..=5 {
        write(&mut writer, b"a", version);
        writer.seal();
    }
    store.commit(&[Op::Put(RecordKey::new(b"b"), record(1, "b"), None)]).unwrap();
    drop((writer, store));
    assert_eq!(engine.n_unsynced(), 0);
    assert_eq!(all(&memory_store(&engine, Durability::Always)).len(), 2);
}

#[test]
fn a_stamp_is_on_disk_with_everything_before_it() {
    for durability in [Durability::Always, Durability::EverySec] {
        let (engine, store) = new_memory_store(durability);
        assert_eq!(store.stamp().unwrap(), 0);
        let mut writer = store.writer().unwrap();
        write(&mut writer, b"a", 1);
        writer.seal();
        store.set_stamp(7).unwrap();
        store.sync().unwrap();
        let after = Arc::new(engine.after_crash(0));
        let store = memory_store(&after, durability);
        assert_eq!((store.stamp().unwrap(), all(&store).len()), (7, 1));
    }
}

#[test]
fn much_that_was_written_has_the_disk_looked_at_at_once() {
    let reserve = StoreConfig::small(Durability::Always).disk_reserve_bytes;
    let is_noticed = |n_bytes: u64| {
        let (engine, store) = new_memory_store(Durability::Always);
        assert!(!store.is_disk_full());
        engine.set_free_bytes(0);
        let value = "v".repeat(usize::try_from(n_bytes).unwrap());
        store.commit(&[Op::Put(RecordKey::new(b"much"), record(1, &value), None)]).unwrap();
        store.is_disk_full()
    };
    assert!(is_noticed(reserve / 8), "more than the share, with its key");
    // Unless the machine is so slow that the look is old, which is no mistake.
    let began = std::time::Instant::now();
    let is_noticed = is_noticed(reserve / 8 - 1_024);
    assert!(!is_noticed || began.elapsed().as_millis() >= 250);
}

#[test]
fn writes_that_grow_are_refused_below_the_reserve() {
    let reserve = StoreConfig::small(Durability::Always).disk_reserve_bytes;
    for (free_bytes, is_full) in [(reserve, false), (reserve - 1, true)] {
        let (engine, store) = new_memory_store(Durability::Always);
        engine.set_free_bytes(free_bytes);
        assert_eq!(store.is_disk_full(), is_full);
        assert_eq!(store.free_bytes().unwrap(), 0);
    }
}
