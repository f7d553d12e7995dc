//! The file of decisions: what is read back, and what is refused with its remedy.

use std::fs;
use std::path::Path;

use handoff::{ClusterId, Incarnation, Terms};
use ring::{Arc, ArcSet};
use shell::rng::OsRng;
use tempfile::TempDir;

use super::file::{FILES, FORMAT, SyncOrder};
use super::*;
use crate::store::{Durability, Store, StoreConfig};

/// Decisions of format 1, as they were when it was released.
const FIXTURE: &[u8] = include_bytes!("fixtures/decisions-v1.bin");

const CLUSTER: ClusterId = ClusterId(0xc1);

fn store(dir: &Path) -> Store {
    Store::open(&dir.join("store"), StoreConfig::small(Durability::Always)).unwrap()
}

fn open(dir: &Path, store: &Store) -> Result<Record, VolumeError> {
    Record::open(dir, CLUSTER, "kv-0", store, &OsRng)
}

fn take_term(decisions: &mut handoff::Decisions, term: u64) {
    let incarnation = decisions.server().incarnation;
    decisions.take_head(handoff::Head { term, incarnation }).unwrap();
}

/// A directory with some decisions.
fn used() -> (TempDir, Store, Record) {
    let dir = TempDir::new().unwrap();
    let store = store(dir.path());
    let mut record = open(dir.path(), &store).unwrap();
    take_term(&mut record.decisions, 7);
    assert!(record.decisions.take_changed());
    record.file.write(&record.decisions, &store, SyncOrder::StoreFirst).unwrap();
    (dir, store, record)
}

fn check_refused(dir: &Path, store: &Store, says: &[&str]) {
    let error = open(dir, store).map(|_| ()).unwrap_err().to_string();
    for part in says {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn an_incarnation_is_drawn_once() {
    let (dir, store, record) = used();
    let again = open(dir.path(), &store).unwrap();
    assert_eq!(again.server(), record.server());
    assert_eq!(again.decisions.term(), 7);
    let other = TempDir::new().unwrap();
    let other_store = super::tests::store(other.path());
    let other = open(other.path(), &other_store).unwrap();
    assert_ne!(other.server().incarnation, record.server().incarnation);
}

#[test]
fn another_cluster_or_server_is_refused() {
    let (dir, store, _) = used();
    let error = Record::open(dir.path(), ClusterId(2), "kv-0", &store, &OsRng).unwrap_err();
    assert!(matches!(error, VolumeError::OtherCluster { .. }), "{error}");
    let error = Record::open(dir.path(), CLUSTER, "kv-1", &store, &OsRng).unwrap_err();
    assert!(error.to_string().contains("the server kv-0, not to kv-1"), "{error}");
}

fn paths(dir: &Path) -> [std::path::PathBuf; 2] {
    FILES.map(|name| dir.join(name))
}

/// What a start finds after each byte of a file was damaged in turn, in places.
fn with_damage(path: &Path, mut check: impl FnMut()) {
    let sound = fs::read(path).unwrap();
    let length = sound.iter().rposition(|byte| *byte != 0).unwrap();
    for at in [0, 1, 4, 5, 8, 9, length / 2, length] {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        fs::write(path, damaged).unwrap();
        check();
    }
    for length in [0, 5, 9, length / 2] {
        fs::write(path, &sound[..length]).unwrap();
        check();
    }
    fs::remove_file(path).unwrap();
    check();
    fs::write(path, sound).unwrap();
}

#[test]
fn damage_to_one_file_is_made_good_and_to_both_is_refused() {
    let (dir, store, record) = used();
    drop(open(dir.path(), &store).unwrap());
    let [a, b] = paths(dir.path());
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    for (one, other) in [(&a, &b), (&b, &a)] {
        let kept = fs::read(other).unwrap();
        with_damage(one, || {
            let repaired = open(dir.path(), &store).unwrap();
            assert_eq!(repaired.decisions, record.decisions);
            drop(repaired);
            assert_eq!(fs::read(one).unwrap(), kept);
        });
    }
    let sound = fs::read(&b).unwrap();
    with_damage(&a, || {
        fs::write(&b, &sound[..20]).unwrap();
        check_refused(dir.path(), &store, &["is damaged", "no whole copy", "restore"]);
    });
}

#[test]
fn a_torn_decision_was_not_made() {
    let (dir, store, _) = used();
    let mut record = open(dir.path(), &store).unwrap();
    let before = record.decisions.clone();
    let paths = paths(dir.path());
    let contents = || paths.clone().map(|path| fs::read(path).unwrap());
    for _ in 0..4 {
        let old = contents();
        take_term(&mut record.decisions, 8);
        assert!(record.decisions.take_changed());
        record.file.write(&record.decisions, &store, SyncOrder::StoreFirst).unwrap();
        let new = contents();
        let written = usize::from(new[0] == old[0]);
        assert_eq!(new[1 - written], old[1 - written], "one file at a time");
        fs::write(&paths[written], &new[written][..30]).unwrap();
        record = open(dir.path(), &store).unwrap();
        assert_eq!(record.decisions, before);
    }
}

/// A directory whose newest decision, term 8, is in one file and went to disk beside the store,
/// which knows of the one before only.
fn used_with_a_decision_ahead() -> (TempDir, Store, Record) {
    let (dir, store, mut record) = used();
    record.file.mirror(&record.decisions).unwrap();
    take_term(&mut record.decisions, 8);
    record.file.write(&record.decisions, &store, SyncOrder::Together).unwrap();
    store.set_stamp(2).unwrap();
    (dir, store, record)
}

#[test]
fn a_decision_beside_the_store_was_made_only_if_the_store_knows_it() {
    let (dir, store, _) = used_with_a_decision_ahead();
    let again = open(dir.path(), &store).unwrap();
    assert_eq!(again.decisions.term(), 7);
    // It is gone from both files.
    drop(again);
    store.set_stamp(3).unwrap();
    assert_eq!(open(dir.path(), &store).unwrap().decisions.term(), 7);

    let (dir, store, _) = used_with_a_decision_ahead();
    store.set_stamp(3).unwrap();
    assert_eq!(open(dir.path(), &store).unwrap().decisions.term(), 8);
}

#[test]
fn a_decision_beside_a_store_that_lost_more_is_not_taken_for_unmade() {
    let (dir, store, _) = used_with_a_decision_ahead();
    store.set_stamp(1).unwrap();
    check_refused(dir.path(), &store, &["has lost data", "up to 1", "3 were made"]);

    // A second copy is written once the decision is made.
    let (dir, store, mut record) = used_with_a_decision_ahead();
    record.file.mirror(&record.decisions).unwrap();
    check_refused(dir.path(), &store, &["has lost data", "up to 2", "3 were made"]);

    // The decision before it is not whole.
    let (dir, store, _) = used_with_a_decision_ahead();
    for path in paths(dir.path()) {
        let bytes = fs::read(&path).unwrap();
        let is_ahead = bytes.windows(10).any(|window| window == b"\"together\"");
        if !is_ahead {
            fs::write(&path, &bytes[..30]).unwrap();
        }
    }
    check_refused(dir.path(), &store, &["has lost data", "up to 2", "3 were made"]);
}

#[test]
fn a_decision_that_is_gone_is_missed() {
    let (dir, store, _) = used();
    let mut record = open(dir.path(), &store).unwrap();
    let old = paths(dir.path()).map(|path| fs::read(path).unwrap());
    for term in 8..10 {
        take_term(&mut record.decisions, term);
        record.file.write(&record.decisions, &store, SyncOrder::StoreFirst).unwrap();
    }
    for (path, old) in paths(dir.path()).iter().zip(old) {
        fs::write(path, old).unwrap();
    }
    check_refused(dir.path(), &store, &["is damaged", "decisions is gone", "restore"]);
}

#[test]
fn a_newer_format_is_refused() {
    let (dir, store, _) = used();
    let [a, _] = paths(dir.path());
    let mut newer = fs::read(&a).unwrap_or_else(|_| vec![FORMAT; 20]);
    newer[0] = FORMAT + 1;
    fs::write(&a, newer).unwrap();
    check_refused(dir.path(), &store, &["has format 2", "start the version"]);
}

#[test]
fn a_store_that_lost_decisions_is_refused() {
    let (dir, _, _) = used();
    let other = TempDir::new().unwrap();
    let rolled_back = store(other.path());
    check_refused(dir.path(), &rolled_back, &["has lost data", "up to 0", "2 were made"]);
    rolled_back.set_stamp(1).unwrap();
    check_refused(dir.path(), &rolled_back, &["has lost data", "up to 1", "2 were made"]);
    rolled_back.set_stamp(2).unwrap();
    assert!(open(dir.path(), &rolled_back).is_ok());
    // The process ended between the stamp and the file, and again.
    for stamp in 3..6 {
        rolled_back.set_stamp(stamp).unwrap();
        assert!(open(dir.path(), &rolled_back).is_ok());
    }
}

#[test]
fn a_first_start_may_be_interrupted() {
    let dir = TempDir::new().unwrap();
    let store = store(dir.path());
    let [a, b] = paths(dir.path());
    for torn in [a, b] {
        store.set_stamp(1).unwrap();
        fs::write(&torn, [FORMAT, 0]).unwrap();
    }
    let record = open(dir.path(), &store).unwrap();
    assert_eq!(open(dir.path(), &store).unwrap().server(), record.server());
    assert_eq!(store.stamp().unwrap(), 1);
}

#[test]
fn the_released_format_is_read() {
    for name in FILES {
        let dir = TempDir::new().unwrap();
        let store = store(dir.path());
        store.set_stamp(9).unwrap();
        fs::write(dir.path().join(name), FIXTURE).unwrap();
        let record = open(dir.path(), &store).unwrap();
        assert_eq!(record.decisions, sample());
    }
}

#[test]
fn one_process_at_a_time() {
    let dir = TempDir::new().unwrap();
    let lock = VolumeLock::take(dir.path()).unwrap();
    let wait = std::time::Duration::from_millis(1);
    let error = VolumeLock::take_within(dir.path(), wait).unwrap_err();
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(lock);
    VolumeLock::take(dir.path()).unwrap();
}

/// Something of everything.
fn sample() -> handoff::Decisions {
    let server = |n: u128| handoff::Server { name: format!("kv-{n}"), incarnation: Incarnation(n) };
    let arcs = |start: u128, last: u128| -> ArcSet {
        Arc::new(ring::Point(start), ring::Point(last)).into_iter().collect()
    };
    let mut decisions = handoff::Decisions::new(CLUSTER, server(0));
    let document = ring::RingDocument::bootstrap(
        &CLUSTER.to_string(),
        ring::Placement::Balanced,
        2,
        [("kv-0", server(0).incarnation.to_string()), ("kv-1", server(1).incarnation.to_string())]
            .iter()
            .map(|(name, incarnation)| (*name, &**incarnation)),
    );
    take_term(&mut decisions, 3);
    decisions.record_ring(document.unwrap()).unwrap();
    decisions.accept_grant(&arcs(0, 99), 1, 1).unwrap();
    decisions.fence(&arcs(1_000, 1_001), 4).unwrap();
    let terms = |arcs: ArcSet, epoch| Terms { peer: server(1), arcs, epoch };
    for (n, start) in [(1, 0), (2, 10), (3, 20)] {
        let id = handoff::HandoffId(n);
        decisions.accept_give(id, &terms(arcs(start, start + 9), 2)).unwrap();
        let facts = SourceFacts { highest_version: 77, ..SourceFacts::default() };
        let events: &[SourceEvent] = match n {
            1 => &[SourceEvent::CaughtUp, SourceEvent::Yes],
            2 => &[SourceEvent::CaughtUp],
            _ => &[],
        };
        for event in events {
            decisions.source_event(id, *event, &facts).unwrap();
        }
    }
    let (id, asked) = (handoff::HandoffId(4), terms(arcs(200, 300), 3));
    decisions.accept_receive(id, &asked).unwrap();
    let facts = TargetFacts { version_clock: 5, wall_clock_ms: 6, ..TargetFacts::default() };
    decisions.target_event(id, &asked, TargetEvent::Reached, &facts).unwrap();
    decisions.take_changed();
    decisions
}
