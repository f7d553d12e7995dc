//! Shell. The time that each hot path takes on this machine: `cargo bench -p hot-paths`, and after
//! `--` a part of the names.

use divan::Bencher;
use hot_paths::{Case, cases};

fn main() {
    divan::main();
}

#[divan::bench(args = cases())]
fn time(bencher: Bencher<'_, '_>, case: Case) {
    bencher.bench_local((case.prepare)());
}
