//! Shell. Wakes a client at an even pace, finer than the milliseconds of the runtime's timers.

use std::io;
use std::time::Duration;

#[cfg(target_os = "linux")]
pub(crate) use kernel::Pacer;
#[cfg(not(target_os = "linux"))]
pub(crate) use runtime::Pacer;

/// A client is not woken more often.
const PERIOD_MIN: Duration = Duration::from_micros(20);

#[cfg(target_os = "linux")]
mod kernel {
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    use super::{Duration, PERIOD_MIN, io};

    /// A timer of the kernel.
    pub(crate) struct Pacer {
        timer: AsyncFd<OwnedFd>,
    }

    impl Pacer {
        /// Wakes first after `first`, then once a period.
        ///
        /// # Errors
        /// The operating system has no timer to give.
        pub(crate) fn new(first: Duration, period: Duration) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            // A first time of zero would disarm the timer.
            let it_value = timespec(first.max(Duration::from_nanos(1)))?;
            let times = Itimerspec { it_interval: timespec(period.max(PERIOD_MIN))?, it_value };
            timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
            #[expect(
                deprecated,
                reason = "sound for a descriptor that is owned, and never changed"
            )]
            let timer = AsyncFd::new(timer)?;
            Ok(Self { timer })
        }

        /// Waits for the next time; at once if it was missed.
        pub(crate) async fn tick(&mut self) -> io::Result<()> {
            loop {
                let mut guard = self.timer.readable().await?;
                let mut count = [0; 8];
                let read = guard.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut count)?));
                if let Ok(read) = read {
                    return read.map(drop);
                }
            }
        }
    }

    fn timespec(time: Duration) -> io::Result<Timespec> {
        Timespec::try_from(time).map_err(|_| io::ErrorKind::InvalidInput.into())
    }
}

#[cfg(not(target_os = "linux"))]
mod runtime {
    use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

    use super::{Duration, PERIOD_MIN, io};

    /// A timer of the runtime.
    pub(crate) struct Pacer {
        interval: Interval,
    }

    impl Pacer {
        /// Wakes first after `first`, then once a period.
        ///
        /// # Errors
        /// None.
        pub(crate) fn new(first: Duration, period: Duration) -> io::Result<Self> {
            let mut interval = interval_at(Instant::now() + first, period.max(PERIOD_MIN));
            interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
            Ok(Self { interval })
        }

        /// Waits for the next time.
        pub(crate) async fn tick(&mut self) -> io::Result<()> {
            self.interval.tick().await;
            Ok(())
        }
    }
}
