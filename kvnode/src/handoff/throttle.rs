//! Shell. How fast this node streams, over all its handoffs: by a bound on bytes a second, where
//! there is one; else at full speed while no clients are served, and with rests between pieces
//! beside clients.
//!
//! What was captured is charged and never waits, as writers would wait for it; the scan pays for
//! both. But it pays at most twice its own bytes: however much is written, it goes on at half the
//! bound, and so every handoff ends.

use std::sync::{Arc as Shared, Mutex, PoisonError};
use std::time::Duration;

use shell::clock::{Clock, SystemClock};

use crate::metrics::Metrics;

/// How much may go out at once after a time of rest.
const BURST: Duration = Duration::from_millis(50);
/// From how many commands a second on clients count as being served.
const BUSY_COMMANDS_PER_SECOND: u64 = 1_000;
/// How often it is looked at how many there were.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many times longer than a piece of work the rest after it is. Of a scan only the reading is
/// known here, about a quarter of what a piece costs on both sides.
const REST_FACTOR: u32 = 16;
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Throttle {
    clock: SystemClock,
    clients: Shared<Metrics>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    bytes_per_second: Option<u64>,
    /// When everything that was charged is paid for.
    paid_at: Duration,
    /// How many captured bytes may still be charged before the scan has sent more.
    captured_left: u64,
    /// When the scans go on.
    rested_at: Duration,
    clients: Activity,
}

impl Throttle {
    /// Counts the commands of these metrics.
    pub(crate) fn new(clock: SystemClock, clients: Shared<Metrics>) -> Self {
        let inner = Inner {
            bytes_per_second: None,
            paid_at: Duration::ZERO,
            captured_left: 0,
            rested_at: Duration::ZERO,
            clients: Activity::default(),
        };
        Self { clock, clients, inner: Mutex::new(inner) }
    }

    pub(crate) fn set_rate(&self, bytes_per_second: Option<u64>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.bytes_per_second != bytes_per_second {
            inner.bytes_per_second = bytes_per_second;
            inner.paid_at = self.clock.monotonic();
        }
    }

    /// Counts bytes of the scan that are sent, and which it took so long to read.
    pub(crate) fn charge_scan(&self, n_bytes: u64, reading: Duration) {
        let rest = self.rest_after(reading);
        let now = self.clock.monotonic();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.captured_left = n_bytes;
        inner.charge(n_bytes, now);
        inner.rested_at = inner.rested_at.max(now) + rest;
    }

    /// For how long to leave the processors to clients after so much work in the background.
    pub(crate) fn rest_after(&self, work: Duration) -> Duration {
        let n_commands = self.clients.total_commands();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.clients.are_served(self.clock.monotonic(), n_commands) {
            work.saturating_mul(REST_FACTOR).min(REST_MAX)
        } else {
            Duration::ZERO
        }
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
        let ready_at = match inner.bytes_per_second {
            None => inner.rested_at,
            Some(_) => inner.paid_at,
        };
        // Looked at again now and then, as the bound may change.
        ready_at.saturating_sub(self.clock.monotonic()).min(Duration::from_millis(250))
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

/// Whether clients are served, by a look that is not much older than [`LOOK_EVERY`].
#[derive(Debug, Default)]
struct Activity {
    looked_at: Duration,
    n_commands: u64,
    is_busy: bool,
}

impl Activity {
    fn are_served(&mut self, now: Duration, n_commands: u64) -> bool {
        let since = now.saturating_sub(self.looked_at);
        if since >= LOOK_EVERY {
            let n_more = n_commands.saturating_sub(self.n_commands);
            let per_second = u128::from(n_more) * 1_000_000 / since.as_micros().max(1);
            self.is_busy = per_second >= u128::from(BUSY_COMMANDS_PER_SECOND);
            (self.looked_at, self.n_commands) = (now, n_commands);
        }
        self.is_busy
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    fn throttle() -> Throttle {
        let clients = Shared::new(Metrics::register(&mut Registry::default()));
        Throttle::new(SystemClock::new(), clients)
    }

    #[test]
    fn captured_bytes_at_most_halve_the_scan() {
        let throttle = throttle();
        throttle.set_rate(Some(10_000));
        throttle.charge_captured(1_000_000);
        assert_eq!(throttle.owed(), Duration::ZERO);
        throttle.charge_scan(1_000, Duration::ZERO);
        throttle.charge_captured(600);
        throttle.charge_captured(1_000_000);
        assert!(throttle.owed() <= Duration::from_millis(200), "{:?}", throttle.owed());
    }

    #[test]
    fn clients_are_served_from_so_many_commands_a_second_on() {
        let second = Duration::from_secs(1);
        for (n_commands, busy) in [(999, false), (1_000, true)] {
            let mut activity = Activity::default();
            assert_eq!(activity.are_served(second, n_commands), busy);
            let soon = second + LOOK_EVERY / 2;
            assert_eq!(activity.are_served(soon, n_commands), busy, "not looked at again yet");
            assert!(!activity.are_served(second * 2, n_commands), "none since");
        }
    }

    #[test]
    fn a_scan_rests_beside_clients_only() {
        let throttle = throttle();
        throttle.charge_scan(1_000, Duration::from_millis(10));
        assert_eq!(throttle.owed(), Duration::ZERO);
        throttle.inner.lock().unwrap().clients.is_busy = true;
        throttle.charge_scan(1_000, Duration::from_millis(10));
        let owed = throttle.owed();
        assert!(owed > Duration::from_millis(100) && owed <= 10 * REST_FACTOR * MS, "{owed:?}");
        assert_eq!(throttle.rest_after(Duration::from_secs(10)), REST_MAX);
        throttle.set_rate(Some(u64::MAX));
        assert!(throttle.owed() <= MS, "a bound says how fast, clients or not");
    }

    const MS: Duration = Duration::from_millis(1);
}
