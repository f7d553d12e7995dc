//! Opening a directory, and what is said where that is refused.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::*;

fn open(dir: &Path) -> Result<Store, OpenError> {
    let config = StoreConfig { memtable_bytes: 1 << 20, ..StoreConfig::small(Durability::Always) };
    Store::open(dir, config)
}

fn refusal(dir: &Path) -> String {
    open(dir).unwrap_err().to_string()
}

fn put(store: &Store, n: u32, value: &str) {
    let key = RecordKey::new(&n.to_be_bytes());
    store.commit(&[Op::Put(key, record(u64::from(n), value), None)]).unwrap();
}

/// The only file below the directory whose name ends so.
fn find(dir: &Path, ends_with: &str) -> Option<PathBuf> {
    fs::read_dir(dir).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => find(&path, ends_with),
            false => path.to_str().unwrap().ends_with(ends_with).then_some(path),
        }
    })
}

#[test]
fn a_store_is_found_again_and_held_by_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/on/the/way");
    let store = open(&path).unwrap();
    put(&store, 1, "v");
    assert!(refusal(&path).contains("stop that one first"));
    drop(store);
    assert_eq!(all(&open(&path).unwrap()).len(), 1);
}

#[test]
fn other_directories_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let text = refusal(dir.path());
    assert!(text.contains("letter.txt") && text.contains("choose an empty directory"), "{text}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    for (format, expected) in [
        ("ringkv store 2\n", "use the version of ringkv that wrote it"),
        ("rocksdb\n", "is not a ringkv store"),
        ("", "is not a ringkv store"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()).unwrap());
        fs::write(dir.path().join("FORMAT"), format).unwrap();
        let text = refusal(dir.path());
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn an_interrupted_creation_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    fs::remove_file(dir.path().join("FORMAT")).unwrap();
    fs::remove_file(dir.path().join("fjall/version")).unwrap();
    fs::write(dir.path().join("CREATING"), "").unwrap();
    drop(open(dir.path()).unwrap());
    assert!(!dir.path().join("CREATING").exists());
    // And one that had only begun.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("CREATING.new"), "").unwrap();
    drop(open(dir.path()).unwrap());
}

#[test]
fn a_store_without_its_engine_is_damaged_and_not_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    fs::remove_dir_all(dir.path().join("fjall")).unwrap();
    assert!(refusal(dir.path()).contains("is damaged"));
}

#[test]
fn a_torn_tail_of_the_journal_loses_the_last_commits_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for n in 0..20 {
        put(&store, n, "some value");
    }
    drop(store);
    let journal = find(dir.path(), ".jnl").unwrap();
    let bytes = fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    fs::OpenOptions::new().write(true).open(&journal).unwrap().set_len(used as u64 - 10).unwrap();
    let found = all(&open(dir.path()).unwrap());
    assert_eq!(found.len(), 19);
    assert!(found.iter().all(|(_, record)| record.version < 19));
}

#[test]
fn bit_rot_is_an_error_and_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let value = "x".repeat(1_000);
    for n in 0..4_000 {
        put(&store, n, &value);
    }
    drop(store);
    // Opening once more writes what the journal held into a table.
    let tables = dir.path().join("fjall/keyspaces");
    let table = (0..4)
        .filter_map(|n| {
            let tables = tables.join(n.to_string()).join("tables");
            let files = fs::read_dir(tables).ok()?.map(|entry| entry.unwrap().path());
            files.max_by_key(|path| fs::metadata(path).unwrap().len())
        })
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&table, bytes).unwrap();

    match open(dir.path()) {
        Err(error) => assert!(matches!(error, OpenError::Corrupt { .. }), "{error}"),
        Ok(store) => {
            let mut n_errors = 0;
            for n in 0..4_000_u32 {
                match store.get(&RecordKey::new(&n.to_be_bytes())) {
                    Ok(found) => assert_eq!(found.unwrap().value.unwrap(), value.as_bytes()),
                    Err(error) => {
                        assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
                        n_errors += 1;
                    }
                }
            }
            assert!((1..100).contains(&n_errors), "{n_errors}");
        }
    }
}

#[test]
fn refusals_name_their_remedy() {
    let text = |kind: io::ErrorKind| OpenError::from_io("/data", kind.into()).to_string();
    assert!(text(io::ErrorKind::PermissionDenied).contains("read and write access"));
    assert!(text(io::ErrorKind::ReadOnlyFilesystem).contains("read and write access"));
    assert!(text(io::ErrorKind::StorageFull).contains("enlarge the volume"));
    assert!(text(io::ErrorKind::Other).contains("check the disk"));
}
