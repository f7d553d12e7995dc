//! Shell. Everything that happened, line by line: two runs of a seed must have the same lines.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The lines of one run, of which the hash is kept.
#[derive(Default)]
pub(crate) struct Trace {
    hasher: RefCell<DefaultHasher>,
    is_shown: bool,
}

impl Trace {
    pub(crate) fn new(is_shown: bool) -> Self {
        Self { is_shown, ..Self::default() }
    }

    /// Adds a line; `at_ms` is the time of the simulation.
    pub(crate) fn add(&self, at_ms: u128, line: &str) {
        (at_ms, line).hash(&mut *self.hasher.borrow_mut());
        if self.is_shown {
            println!("{at_ms:>8} {line}");
        }
    }

    /// What two equal traces have in common.
    pub(crate) fn hash(&self) -> u64 {
        self.hasher.borrow().finish()
    }
}
