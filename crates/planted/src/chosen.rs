//! Shell. Which bug a test build has, by its environment or by the test that runs.

use std::cell::Cell;
use std::sync::OnceLock;

use crate::{Bug, VARIABLE};

/// Wrong usage, as the exit codes of the binary have it.
const EXIT_USAGE: i32 = 64;

thread_local! {
    static WITHIN: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether the bug is there: for this thread, or for the whole process.
#[must_use]
pub fn is(bug: Bug) -> bool {
    WITHIN.get().or_else(chosen) == Some(bug)
}

/// The bug of the whole process. A name that is none ends it: nothing would be tested.
pub fn chosen() -> Option<Bug> {
    static CHOSEN: OnceLock<Option<Bug>> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty())?;
        match name.parse() {
            Ok(bug) => Some(bug),
            Err(unknown) => {
                eprintln!("{VARIABLE}: {unknown}");
                std::process::exit(EXIT_USAGE)
            }
        }
    })
}

/// Runs the code with this bug, as far as it runs on this thread.
pub fn within<T>(bug: Bug, code: impl FnOnce() -> T) -> T {
    /// Takes it out again, in a panic as well.
    struct Restore(Option<Bug>);
    impl Drop for Restore {
        fn drop(&mut self) {
            WITHIN.set(self.0);
        }
    }
    let _restore = Restore(WITHIN.replace(Some(bug)));
    code()
}
