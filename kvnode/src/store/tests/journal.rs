//! A bit flipped in the journal never brings an older value back.

use std::fs;

use super::*;

const WRITES: u64 = 40;
/// What stands between the number of a batch and the record's value in its first item: the rest of
/// the item's head, a key of 17 bytes, and the head of the record.
const NUMBER_BEFORE_VALUE: usize = 8 + 21 + 17 + 10;

fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, StoreConfig::small(Durability::Always))
}

fn key() -> RecordKey {
    RecordKey::new(b"k")
}

/// The values of one key, written one after the other, in a journal; and its bytes.
fn written(dir: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let store = open(dir).unwrap();
    for n in 0..WRITES {
        let value = record(n + 1, &format!("value-{n:04}"));
        store.commit(&[Op::Put(key(), value, None)]).unwrap();
    }
    drop(store);
    let path = dir.join("fjall/0.jnl");
    let mut bytes = fs::read(&path).unwrap();
    let n_used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(n_used);
    (path, bytes)
}

fn find(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
}

#[test]
fn a_bit_flipped_in_the_number_of_a_batch_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sound) = written(dir.path());
    let newest = format!("value-{:04}", WRITES - 1);
    let at = find(&sound, &newest) - NUMBER_BEFORE_VALUE;
    let number = u64::from_le_bytes(sound[at..at + 8].try_into().unwrap());
    assert!((WRITES..1_000).contains(&number), "the form of the journal has changed: {number}");
    let mut n_refused = 0;
    for bit in [0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 39, 41, 62] {
        let mut damaged = sound.clone();
        damaged[at + bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, damaged).unwrap();
        match open(dir.path()) {
            Ok(store) => {
                let found = store.get(&key()).unwrap().and_then(|record| record.value).unwrap();
                assert_eq!(found, newest.as_bytes(), "bit {bit} of batch {number}");
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("0.jnl") && text.contains("restore"), "{text}");
                n_refused += 1;
            }
        }
    }
    assert!(n_refused >= 3, "{n_refused}");
    fs::write(&path, sound).unwrap();
    assert!(open(dir.path()).is_ok());
}
