//! Shell. A panic ends the process, whatever thread it is in: state that nobody can vouch for
//! serves nobody.

use std::panic;
use std::process;

/// From here on a panic, once it has been reported as usual, aborts the process, before anything
/// unwinds. As `panic = "abort"` of a profile does, but without a second build of every
/// dependency for tests, which unwind.
pub fn abort_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        report(info);
        process::abort();
    }));
}
