//! Shell. Waiting for a condition, never for a time.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Looks again and again until the condition gives a result; it answers `Err(what it saw)` to be
/// asked again.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<T, String>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match condition() {
            Ok(result) => return Ok(result),
            Err(seen) if Instant::now() >= deadline => {
                anyhow::bail!("{what}: not within {limit:?}; last seen: {seen}");
            }
            Err(_) => thread::sleep(LOOK_EVERY),
        }
    }
}
