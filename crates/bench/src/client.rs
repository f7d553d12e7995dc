//! Shell. One client: sends, waits for answers, and comes back when its connection is lost.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use shell::clock::{Clock, SystemClock};

use crate::connection::{Address, Connection};
use crate::pacer::Pacer;
use crate::progress::Progress;
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::workload::{NOT_SENT, Workload};

/// The most requests in one write before the run.
const PRELOAD_BATCH: u64 = 128;
/// Between two attempts to connect again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);
/// For so long after the last intended time an open loop's requests may still be sent and answered.
const OVERRUN_MAX: Duration = Duration::from_secs(30);

/// What a client is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    pub(crate) task: Task,
    /// The moment from which times count.
    pub(crate) begin: Duration,
    /// Answers that may be missing at a time.
    pub(crate) pipeline: u64,
}

/// See [`Pass`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    /// Write all of its own keys.
    Preload,
    /// Send when the last batch is answered, so many requests.
    Requests(u64),
    /// The same until this time since the begin.
    Time(Duration),
    /// Send so many requests when they are due.
    Scheduled(Schedule, u64),
}

/// A client between its passes.
pub(crate) struct Client {
    pub(crate) number: u32,
    pub(crate) address: Rc<Address>,
    pub(crate) clock: SystemClock,
    pub(crate) progress: Arc<Progress>,
    pub(crate) workload: Workload,
    pub(crate) connection: Connection,
    pub(crate) out: Vec<u8>,
    /// The time of the last bytes that came, since the begin.
    pub(crate) now: Duration,
}

impl Client {
    /// Does what it is to do.
    ///
    /// # Errors
    /// The target is gone for longer than a connection may take to be made.
    pub(crate) async fn run(&mut self, pass: Pass, tally: &RefCell<Tally>) -> io::Result<()> {
        self.now = self.since(pass);
        match pass.task {
            Task::Preload => {
                let batch = pass.pipeline.max(PRELOAD_BATCH);
                self.closed(Pass { pipeline: batch, ..pass }, self.workload.preloads(), tally).await
            }
            Task::Requests(requests) => self.closed(pass, requests, tally).await,
            Task::Time(_) => self.closed(pass, u64::MAX, tally).await,
            Task::Scheduled(schedule, requests) => self.open(pass, schedule, requests, tally).await,
        }
    }

    async fn closed(
        &mut self,
        pass: Pass,
        requests: u64,
        tally: &RefCell<Tally>,
    ) -> io::Result<()> {
        let end = if let Task::Time(time) = pass.task { time } else { Duration::MAX };
        let mut sent = 0;
        while sent < requests && self.now < end && !self.progress.is_stopped() {
            let batch = pass.pipeline.min(requests - sent);
            for place in sent..sent + batch {
                if matches!(pass.task, Task::Preload) {
                    self.workload.push_preload(&mut self.out, place, Duration::ZERO);
                } else {
                    self.workload.push(&mut self.out, Duration::ZERO);
                }
            }
            sent += batch;
            let now = self.since(pass);
            self.workload.mark_sent(batch as usize, now);
            tally.borrow_mut().note_send(now, self.out.len());
            if let Err(error) = self.exchange(pass, tally).await {
                self.come_back(error, pass, end, tally).await?;
            }
        }
        Ok(())
    }

    /// Sends what is to be sent and waits for all answers.
    #[inline]
    async fn exchange(&mut self, pass: Pass, tally: &RefCell<Tally>) -> io::Result<()> {
        self.flush(pass, tally).await?;
        while self.workload.in_flight() > 0 {
            self.connection.fill().await?;
            self.take_in(pass, tally)?;
        }
        Ok(())
    }

    #[inline]
    async fn flush(&mut self, pass: Pass, tally: &RefCell<Tally>) -> io::Result<()> {
        let mut sent = 0;
        while !self.connection.write(&self.out, &mut sent).await? {
            self.take_in(pass, tally)?;
        }
        self.out.clear();
        Ok(())
    }

    /// Takes in the answers that have come.
    #[inline]
    fn take_in(&mut self, pass: Pass, tally: &RefCell<Tally>) -> io::Result<()> {
        self.now = self.since(pass);
        let mut tally = tally.borrow_mut();
        let mut answers = 0;
        while let Some(reply) = self.connection.next_reply()? {
            self.workload.answer(&reply, self.now, &mut tally).map_err(io::Error::other)?;
            answers += 1;
        }
        self.progress.add(answers);
        Ok(())
    }

    async fn open(
        &mut self,
        pass: Pass,
        schedule: Schedule,
        requests: u64,
        tally: &RefCell<Tally>,
    ) -> io::Result<()> {
        let Some(last) = requests.checked_sub(1) else { return Ok(()) };
        let end = schedule.intended(last).saturating_add(OVERRUN_MAX);
        let first = (pass.begin + schedule.intended(0)).saturating_sub(self.clock.monotonic());
        let mut pacer = Pacer::new(first, schedule.period())?;
        let mut sent = 0;
        while !self.progress.is_stopped() {
            let now = self.since(pass);
            let room = pass.pipeline.saturating_sub(self.workload.in_flight() as u64);
            let due = schedule.due(now).min(requests).min(sent + room);
            for number in sent..due {
                self.workload.push(&mut self.out, schedule.intended(number));
            }
            sent = sent.max(due);
            let is_over = sent >= requests && self.workload.in_flight() == 0;
            if is_over || now > end {
                break;
            }
            let step = self.step(pass, sent < requests, &mut pacer, tally).await;
            if let Err(error) = step {
                self.come_back(error, pass, end, tally).await?;
            }
        }
        self.abandon(requests - sent, tally);
        Ok(())
    }

    /// Sends what is to be sent and waits until something has come or is due.
    async fn step(
        &mut self,
        pass: Pass,
        is_more_due: bool,
        pacer: &mut Pacer,
        tally: &RefCell<Tally>,
    ) -> io::Result<()> {
        if !self.out.is_empty() {
            // The time of an open loop begins with its schedule, not with what was late.
            tally.borrow_mut().note_send(Duration::ZERO, self.out.len());
            self.flush(pass, tally).await?;
        }
        let in_flight = self.workload.in_flight() as u64;
        let is_room = in_flight < pass.pipeline;
        tokio::select! {
            filled = self.connection.fill(), if in_flight > 0 => {
                filled?;
                self.take_in(pass, tally)
            }
            ticked = pacer.tick(), if is_more_due && is_room => ticked,
            else => Ok(()),
        }
    }

    /// What an open loop did not get to the target in time, or not back, counts as errors.
    fn abandon(&mut self, unsent: u64, tally: &RefCell<Tally>) {
        let mut tally = tally.borrow_mut();
        self.workload.lose(self.now, &mut tally);
        if unsent > 0 && !self.progress.is_stopped() {
            tally.record_error(NOT_SENT, unsent, self.now);
        }
    }

    /// Counts the requests that are lost with the connection, and makes another.
    async fn come_back(
        &mut self,
        mut error: io::Error,
        pass: Pass,
        end: Duration,
        tally: &RefCell<Tally>,
    ) -> io::Result<()> {
        let lost_at = self.since(pass);
        self.out.clear();
        self.progress.add(self.workload.in_flight() as u64);
        self.workload.lose(lost_at, &mut tally.borrow_mut());
        loop {
            self.now = self.since(pass);
            if self.now > end || self.progress.is_stopped() {
                return Ok(());
            }
            if self.now.saturating_sub(lost_at) > self.address.timeout
                || error.kind() == io::ErrorKind::PermissionDenied
            {
                return Err(error);
            }
            match self.address.connect().await {
                Ok(connection) => {
                    self.connection = connection;
                    return Ok(());
                }
                Err(another) => error = another,
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    #[inline]
    fn since(&self, pass: Pass) -> Duration {
        self.clock.monotonic().saturating_sub(pass.begin)
    }
}
