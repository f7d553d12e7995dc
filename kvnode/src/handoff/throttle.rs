//! Shell. A bound on the bytes a second that this node streams, over all its handoffs.
//!
//! What was captured is charged and never waits, as writers would wait for it; the scan pays for
//! both. But it pays at most twice its own bytes: however much is written, it goes on at half the
//! bound, and so every handoff ends.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shell::clock::{Clock, SystemClock};

/// How much may go out at once after a time of rest.
const BURST: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Throttle {
    clock: SystemClock,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    bytes_per_second: Option<u64>,
    /// When everything that was charged is paid for.
    paid_at: Duration,
    /// How many captured bytes may still be charged before the scan has sent more.
    captured_left: u64,
}

impl Throttle {
    pub(crate) fn new(clock: SystemClock) -> Self {
        let inner = Inner { bytes_per_second: None, paid_at: Duration::ZERO, captured_left: 0 };
        Self { clock, inner: Mutex::new(inner) }
    }

    pub(crate) fn set_rate(&self, bytes_per_second: Option<u64>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.bytes_per_second != bytes_per_second {
            inner.bytes_per_second = bytes_per_second;
            inner.paid_at = self.clock.monotonic();
        }
    }

    /// Counts bytes of the scan that are sent.
    pub(crate) fn charge_scan(&self, n_bytes: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.captured_left = n_bytes;
        inner.charge(n_bytes, self.clock.monotonic());
    }

    /// Counts captured bytes that are sent.
    pub(crate) fn charge_captured(&self, n_bytes: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let charged = n_bytes.min(inner.captured_left);
        inner.captured_left -= charged;
        inner.charge(charged, self.clock.monotonic());
    }

    /// Returns when nothing is owed.
    pub(crate) async fn ready(&self) {
        loop {
            let owed = self.owed();
            if owed.is_zero() {
                return;
            }
            tokio::time::sleep(owed).await;
        }
    }

    fn owed(&self) -> Duration {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.bytes_per_second {
            None => Duration::ZERO,
            // Looked at again now and then, as the bound may change.
            Some(_) => {
                let owed = inner.paid_at.saturating_sub(self.clock.monotonic());
                owed.min(Duration::from_millis(250))
            }
        }
    }
}

impl Inner {
    fn charge(&mut self, n_bytes: u64, now: Duration) {
        let Some(rate) = self.bytes_per_second else { return };
        let nanos = u128::from(n_bytes) * 1_000_000_000 / u128::from(rate.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.paid_at = self.paid_at.max(now.saturating_sub(BURST)).saturating_add(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_bytes_at_most_halve_the_scan() {
        let throttle = Throttle::new(SystemClock::new());
        throttle.set_rate(Some(10_000));
        throttle.charge_captured(1_000_000);
        assert_eq!(throttle.owed(), Duration::ZERO);
        throttle.charge_scan(1_000);
        throttle.charge_captured(600);
        throttle.charge_captured(1_000_000);
        assert!(throttle.owed() <= Duration::from_millis(200), "{:?}", throttle.owed());
    }
}
