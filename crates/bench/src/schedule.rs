//! Pure. When the requests of an open loop are meant to be sent.

use std::time::Duration;

/// The most requests of a second, all clients together.
pub(crate) const RATE_MAX: u64 = 10_000_000;

/// The intended times of one client's requests. All clients together make an even pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    rate: u64,
    client: u64,
    clients: u64,
}

const SECOND: u128 = 1_000_000_000;

impl Schedule {
    /// The part of one client in `rate` requests a second. Neither rate nor clients is 0.
    pub(crate) const fn new(rate: u64, client: u32, clients: u32) -> Self {
        Self { rate, client: client as u64, clients: clients as u64 }
    }

    /// When the client's request of this number, from 0, is meant to be sent, since the begin.
    #[inline]
    pub(crate) fn intended(self, number: u64) -> Duration {
        let place = u128::from(self.client) + u128::from(number) * u128::from(self.clients);
        let nanos = place * SECOND / u128::from(self.rate.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many of the client's requests are meant to be sent by then.
    pub(crate) fn due(self, elapsed: Duration) -> u64 {
        let nanos = elapsed.as_nanos();
        // Of all clients: those with `place * SECOND / rate <= nanos`.
        let all = ((nanos + 1) * u128::from(self.rate) - 1) / SECOND + 1;
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        if all <= self.client { 0 } else { (all - self.client).div_ceil(self.clients.max(1)) }
    }

    /// The time between two of the client's requests.
    pub(crate) fn period(self) -> Duration {
        self.intended(1).saturating_sub(self.intended(0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{RATE_MAX, Schedule};

    #[test]
    fn clients_take_turns() {
        let times =
            |client| [0, 1].map(|n| Schedule::new(1_000, client, 4).intended(n).as_millis());
        assert_eq!([0, 1, 2, 3].map(times), [[0, 4], [1, 5], [2, 6], [3, 7]]);
        assert_eq!(Schedule::new(1_000, 3, 4).period(), Duration::from_millis(4));
    }

    #[test]
    fn so_many_are_due_as_the_rate_says() {
        let second = Duration::from_secs(1) - Duration::from_nanos(1);
        let due = |client| Schedule::new(10_001, client, 3).due(second);
        assert_eq!((0..3).map(due).sum::<u64>(), 10_001);
        assert_eq!(Schedule::new(10, 0, 1).due(Duration::ZERO), 1);
        assert_eq!(Schedule::new(10, 1, 2).due(Duration::ZERO), 0);
    }

    proptest! {
        #[test]
        fn a_request_is_due_from_its_intended_time_on(
            rate in 1..=RATE_MAX, clients in 1_u32..1_000, client in 0_u32..1_000,
            number in 0_u64..1_000_000,
        ) {
            let schedule = Schedule::new(rate, client % clients, clients);
            let time = schedule.intended(number);
            prop_assert!(schedule.due(time) > number);
            if let Some(before) = time.checked_sub(Duration::from_nanos(1)) {
                prop_assert!(schedule.due(before) <= number);
            }
        }
    }
}
