//! Shell. Waiting for a condition, never for a time.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::bail;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks again and again until the condition gives a result.
///
/// The condition answers `Ok(result)`, or `Err(what it saw)` to be asked again.
///
/// # Errors
/// The condition did not come true in time; the error says what it saw last.
pub async fn until<T, E, F>(
    what: &str,
    limit: Duration,
    condition: impl FnMut() -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, E>>,
    E: Debug,
{
    until_every(what, LOOK_EVERY, limit, condition).await
}

/// The same, looking so often.
///
/// # Errors
/// As of [`until`].
pub async fn until_every<T, E, F>(
    what: &str,
    every: Duration,
    limit: Duration,
    mut condition: impl FnMut() -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, E>>,
    E: Debug,
{
    let deadline = Instant::now() + limit;
    loop {
        match condition().await {
            Ok(result) => return Ok(result),
            Err(seen) if Instant::now() >= deadline => {
                bail!("{what}: not within {limit:?}; last seen: {seen:?}")
            }
            Err(_) => tokio::time::sleep(every).await,
        }
    }
}
