//! Shell. The wall clock of a simulated host, which may differ from the others'.

use std::net::IpAddr;
use std::time::Duration;

use shell::clock::{Clock, SystemClock};

/// The wall clock of one host.
pub(crate) struct HostClock {
    host: IpAddr,
    clock: SystemClock,
}

impl HostClock {
    pub(crate) fn new(host: IpAddr) -> Self {
        Self { host, clock: SystemClock::new() }
    }
}

impl Clock for HostClock {
    fn unix_ms(&self) -> u64 {
        self.clock.unix_ms().saturating_add_signed(shell::simulation::clock_offset(self.host))
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}
