//! Pure. How long to wait before a process that ended is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// A process that ran for so long had no trouble with its start.
const STABLE: Duration = Duration::from_secs(30);

/// Doubles with each quick end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The wait after a process that ran for so long.
    pub(super) fn next(&mut self, ran: Duration) -> Duration {
        let wait = match self.last {
            Some(last) if ran < STABLE => (last * 2).min(LONGEST),
            _ => FIRST,
        };
        self.last = Some(wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, LONGEST};

    #[test]
    fn quick_ends_are_waited_for_longer_and_longer() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..4).map(|_| backoff.next(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600]);
        for _ in 0..10 {
            backoff.next(Duration::ZERO);
        }
        assert_eq!(backoff.next(Duration::ZERO), LONGEST);
        assert_eq!(backoff.next(Duration::from_secs(60)).as_millis(), 200);
    }
}
