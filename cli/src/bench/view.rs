//! Shell. Shows how far a run is: a bar on a terminal, a line now and then elsewhere.

use std::sync::Arc;
use std::time::Duration;

use bench::plan::{Limit, Plan};
use bench::progress::{Phase, Progress};
use indicatif::ProgressBar;
use shell::clock::{Clock, SystemClock};

use crate::bars::Console;
use crate::figures;

const DRAW_EVERY: Duration = Duration::from_millis(200);
/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The length of the bar.
const WHOLE: u64 = 1_000;
const TEMPLATE: &str = "{prefix} [{bar:30}] {wide_msg}";

/// The progress of one run.
pub(super) struct View {
    title: String,
    console: Console,
    bar: Option<ProgressBar>,
    plan: Plan,
    progress: Arc<Progress>,
}

impl View {
    pub(super) fn new(title: &str, plan: &Plan, progress: Arc<Progress>) -> Self {
        let console = Console::new();
        let bar = console.is_terminal().then(|| {
            let bar = console.bar(TEMPLATE).with_prefix(title.to_owned());
            bar.set_length(WHOLE);
            bar
        });
        Self { title: title.to_owned(), console, bar, plan: plan.clone(), progress }
    }

    /// Shows it until it is dropped.
    pub(super) async fn show(&self) {
        let clock = SystemClock::new();
        let every = if self.bar.is_some() { DRAW_EVERY } else { LINE_EVERY };
        let mut began = (Phase::Connecting, clock.monotonic());
        loop {
            tokio::time::sleep(every).await;
            let (phase, answers) = self.progress.now();
            let now = clock.monotonic();
            if phase != began.0 {
                began = (phase, now);
            }
            let share = share(&self.plan, phase, answers, now.saturating_sub(began.1));
            let text = format!("{}: {} answers", name(phase), figures::count(answers));
            match &self.bar {
                Some(bar) => {
                    bar.set_position(share);
                    bar.set_message(text);
                }
                None => self.console.say(&format!("{}: {text}", self.title)),
            }
        }
    }
}

/// Whatever ends, nothing is left on the terminal.
impl Drop for View {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How much of a phase is over, as a part of [`WHOLE`].
fn share(plan: &Plan, phase: Phase, answers: u64, elapsed: Duration) -> u64 {
    let of_time = |whole: Duration| {
        let share = elapsed.as_millis() * u128::from(WHOLE) / whole.as_millis().max(1);
        u64::try_from(share).unwrap_or(WHOLE)
    };
    let of_count = |whole: u64| answers.saturating_mul(WHOLE) / whole.max(1);
    let share = match (phase, plan.limit) {
        (Phase::Connecting, _) => 0,
        (Phase::Preloading, _) => of_count(plan.keys),
        (Phase::WarmingUp, _) => of_time(plan.warmup),
        (Phase::Measuring, Limit::Requests(requests)) => of_count(requests),
        (Phase::Measuring, Limit::Time(time)) => of_time(time),
    };
    share.min(WHOLE)
}

const fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::Preloading => "writing all keys",
        Phase::WarmingUp => "warming up",
        Phase::Measuring => "measuring",
    }
}
