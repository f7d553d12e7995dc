//! Shell. Time comes from here, so that code that depends on it can be given another clock.

use std::time::Duration;

// Which stands still with a simulation.
use tokio::time::Instant;

/// A source of time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch by the wall clock. It may jump, backwards too.
    fn unix_ms(&self) -> u64;

    /// Time since an arbitrary moment. It never falls.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn unix_ms(&self) -> u64 {
        u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(not(feature = "simulation"))]
fn since_epoch() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(feature = "simulation")]
fn since_epoch() -> Duration {
    turmoil::since_epoch().unwrap_or_default()
}
