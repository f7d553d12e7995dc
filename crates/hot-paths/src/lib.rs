//! Pure. What is done for every command, as named cases: `benches/` times them, `cargo xtask
//! instructions` counts their instructions and holds them against `budgets.json`.
//!
//! A case does the same work each time: no clock, no randomness, inputs that are written here. It
//! asserts what comes of it, so that no error path is taken for a fast one.

mod codec;
mod dialects;
mod inputs;
mod nodes;
mod rings;
mod routers;

#[cfg(test)]
mod tests;

use std::fmt;

/// What is measured: one call is one operation.
pub type Operation = Box<dyn FnMut()>;

/// One hot path.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The crate and what it does there.
    pub name: &'static str,
    /// How many operations are counted; a multiple of those after which the inputs repeat.
    pub n_operations: u32,
    /// Makes everything that the operation needs, which is not measured.
    pub prepare: fn() -> Operation,
}

impl Case {
    /// A path of some thousand instructions at most.
    const fn short(name: &'static str, prepare: fn() -> Operation) -> Self {
        Self { name, n_operations: 4 * inputs::N_INPUTS, prepare }
    }

    /// A path of more.
    const fn long(name: &'static str, prepare: fn() -> Operation) -> Self {
        Self { name, n_operations: 16, prepare }
    }

    /// A path of millions, whose inputs are the same each time.
    const fn huge(name: &'static str, prepare: fn() -> Operation) -> Self {
        Self { name, n_operations: 1, prepare }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Every case, in the order of its crate.
pub fn cases() -> impl Iterator<Item = Case> {
    let crates = [codec::CASES, dialects::CASES, rings::CASES, nodes::CASES, routers::CASES];
    crates.into_iter().flatten().copied()
}
