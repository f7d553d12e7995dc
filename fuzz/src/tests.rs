//! Every input that is kept, those of former failures among them, with every target: quickly, and
//! without libFuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::TARGETS;

fn corpora() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn every_target_has_a_corpus_and_holds_on_all_of_it() {
    for (name, target) in TARGETS {
        let directory = corpora().join(name);
        let entries = fs::read_dir(&directory).expect(name);
        let paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        assert!(paths.len() >= 3, "{name} has {} inputs", paths.len());
        for path in paths {
            println!("{}", path.display());
            let input = fs::read(&path).expect("readable");
            target(&input);
            // Cut short anywhere, which is what a torn write or a lost connection leaves.
            for end in 0..input.len().min(256) {
                target(input.get(..end).unwrap_or_default());
            }
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let found: BTreeSet<String> = fs::read_dir(corpora())
        .expect("the corpora are there")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, names);
}
