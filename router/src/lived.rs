//! Shell. Time as one thread lives it: while the process was stopped, or had no processor, none
//! went by. A server is not silent, and a command does not wait too long, while nobody was there
//! to look.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// Between two looks at the clock lies less, where the thread runs: it looks at least each
/// [`LOOK_EVERY`].
const GAP_MAX: Duration = Duration::from_millis(500);
/// How long a thread that has nothing to do may go without a look.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The clock of one thread. Its instants lie behind the system's by what the thread has missed; so
/// they are for each other only.
#[derive(Debug)]
pub(crate) struct LivedClock {
    looked: Cell<Instant>,
    missed: Cell<Duration>,
}

impl LivedClock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self::start_at(Instant::now())
    }

    fn start_at(now: Instant) -> Self {
        Self { looked: Cell::new(now), missed: Cell::default() }
    }

    /// Now. Whoever looks first after a gap notices it for all.
    pub(crate) fn now(&self) -> Instant {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Instant {
        let gap = now.saturating_duration_since(self.looked.replace(now));
        if gap > GAP_MAX {
            self.missed.set(self.missed.get() + gap.saturating_sub(LOOK_EVERY));
        }
        now.checked_sub(self.missed.get()).unwrap_or(now)
    }

    /// The system's instant for one of this clock, if nothing more is missed until then.
    pub(crate) fn to_system(&self, lived: Instant) -> Instant {
        lived + self.missed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = LOOK_EVERY;

    #[test]
    fn time_goes_by_while_the_thread_runs() {
        let start = Instant::now();
        let clock = LivedClock::start_at(start);
        for n in 1..=100 {
            assert_eq!(clock.at(start + STEP * n), start + STEP * n);
        }
        let at_the_bound = start + STEP * 100 + GAP_MAX;
        assert_eq!(clock.at(at_the_bound), at_the_bound);
    }

    #[test]
    fn a_pause_is_missed_whoever_looks_first() {
        let start = Instant::now();
        let clock = LivedClock::start_at(start);
        let before = clock.at(start + STEP);
        let pause = Duration::from_secs(12);
        let after = clock.at(start + STEP + pause);
        assert_eq!(after - before, STEP);
        assert_eq!(clock.at(start + STEP + pause), after);
        assert_eq!(clock.at(start + STEP + pause + STEP), after + STEP);
        let again = clock.at(start + STEP + pause + STEP + pause);
        assert_eq!(again - before, STEP * 3);
    }

    #[test]
    fn a_time_to_wake_is_one_of_the_system() {
        let start = Instant::now();
        let clock = LivedClock::start_at(start);
        let system = start + Duration::from_secs(7);
        let lived = clock.at(system);
        assert_eq!(clock.to_system(lived), system);
    }
}
