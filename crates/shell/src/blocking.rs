//! Shell. Work that blocks its thread, as on a disk. It runs on a thread for such work; in a
//! simulation in place, after and before a while in which other things happen.

/// The work did not end: it panicked, or the runtime is being shut down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted(String);

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "work in the background did not end: {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// Runs the work and waits for it. Once begun it goes on to its end, even if nobody waits.
///
/// # Errors
/// It did not end.
#[cfg(not(feature = "simulation"))]
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Interrupted> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Interrupted(error.to_string()))
}

/// Runs the work in place.
///
/// # Errors
/// None.
#[cfg(feature = "simulation")]
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Interrupted> {
    crate::simulation::delay().await;
    let done = work();
    crate::simulation::delay().await;
    Ok(done)
}
