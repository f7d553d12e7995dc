//! Every case runs, and has a name of its own.

use std::collections::BTreeSet;

use super::cases;

#[test]
fn every_case_does_what_it_says() {
    for case in cases() {
        let mut operation = (case.prepare)();
        (0..case.n_operations.div_ceil(8).min(32)).for_each(|_| operation());
    }
}

#[test]
fn names_are_distinct() {
    let names: BTreeSet<&str> = cases().map(|case| case.name).collect();
    assert_eq!(names.len(), cases().count());
}
