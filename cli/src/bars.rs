//! Shell. Shows a change of the ring while it runs: bars on a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rebalance::Status;
use shell::clock::{Clock, SystemClock};

use crate::progress::Tracker;

/// Pairs of servers that get a bar of their own; the bar of the whole change counts all.
const BARS_MAX: usize = 16;
/// What is cut off on a narrow terminal is what matters least.
const TEMPLATE: &str = "{prefix:16} [{bar:8}] {wide_msg}";
/// The least time between two lines about the same change.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Standard error, shared by bars, messages and logs so that none garbles another.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    bars: MultiProgress,
    terminal: bool,
}

impl Console {
    pub(crate) fn new() -> Self {
        let terminal = io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), terminal }
    }

    /// Whether a person is looking.
    pub(crate) const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A bar below the others, of that template.
    pub(crate) fn bar(&self, template: &str) -> ProgressBar {
        self.bars.add(new_bar(template))
    }

    /// Writes to standard output. A reader that has seen enough, as `head`, is no failure.
    pub(crate) fn print(text: &str) {
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }

    /// Writes one line. That nobody reads it any more is no reason to stop.
    pub(crate) fn say(&self, line: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr(), "{line}");
        });
    }
}

/// A whole log line at a time, above the bars.
impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Shows one change after the other.
#[derive(Debug)]
pub(crate) struct ProgressView {
    console: Console,
    clock: SystemClock,
    change: Option<Shown>,
    /// The epoch of the latest finished change; `None` before the first look.
    last_epoch: Option<u64>,
}

#[derive(Debug)]
struct Shown {
    tracker: Tracker,
    total: Option<ProgressBar>,
    bars: BTreeMap<String, ProgressBar>,
    last_line: Option<(Duration, String)>,
}

impl ProgressView {
    pub(crate) fn new(console: Console) -> Self {
        Self { console, clock: SystemClock::new(), change: None, last_epoch: None }
    }

    /// Writes one line above the bars.
    pub(crate) fn say(&self, line: &str) {
        self.console.say(line);
    }

    /// Takes in the newest status; says so when a change has come to its end.
    pub(crate) fn show(&mut self, status: &Status) {
        let now = self.clock.monotonic();
        match (&status.rebalance, &mut self.change) {
            (Some(rebalance), Some(shown)) => shown.tracker.observe(now, rebalance),
            (Some(rebalance), change @ None) => {
                *change = Some(Shown {
                    tracker: Tracker::new(now, rebalance),
                    total: None,
                    bars: BTreeMap::new(),
                    last_line: None,
                });
            }
            (None, _) => return self.finish(now, status),
        }
        if let Some(shown) = &mut self.change {
            if self.console.terminal {
                draw(&self.console.bars, shown);
            } else {
                print_line(&self.console, shown, now);
            }
        }
    }

    /// Sums up the change that has come to its end, even if it was too short to be seen.
    fn finish(&mut self, now: Duration, status: &Status) {
        let last = status.last_rebalance.as_ref();
        let epoch = last.map_or(0, |last| last.epoch);
        let is_new = self.last_epoch.is_some_and(|before| before != epoch);
        self.last_epoch = Some(epoch);
        let shown = self.change.take();
        if let Some(shown) = &shown {
            for bar in shown.bars.values().chain(&shown.total) {
                bar.finish_and_clear();
                self.console.bars.remove(bar);
            }
        }
        if let Some(last) = last
            && (is_new || shown.is_some())
        {
            for line in Tracker::new(now, last).summary() {
                self.console.say(&line);
            }
        }
    }
}

fn draw(bars: &MultiProgress, shown: &mut Shown) {
    let total = shown.total.get_or_insert_with(|| bars.add(new_bar(TEMPLATE)));
    let (moved, keys) = shown.tracker.keys();
    update(total, shown.tracker.short_title(), shown.tracker.bar_text(), moved, keys);
    for pair in shown.tracker.pairs() {
        let title = pair.title();
        if !shown.bars.contains_key(&title) {
            if pair.is_over() || shown.bars.len() >= BARS_MAX {
                continue;
            }
            shown.bars.insert(title.clone(), bars.add(new_bar(TEMPLATE)));
        }
        let Some(bar) = shown.bars.get(&title) else { continue };
        let (moved, keys) = pair.keys();
        update(bar, title, pair.bar_text(), moved, keys);
    }
}

fn new_bar(template: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style.progress_chars("=> "))
}

fn update(bar: &ProgressBar, title: String, text: String, moved: u64, total: u64) {
    bar.set_length(total.max(1));
    bar.set_position(moved);
    bar.set_prefix(title);
    bar.set_message(text);
}

fn print_line(console: &Console, shown: &mut Shown, now: Duration) {
    if shown.tracker.keys().1 == 0 {
        return; // not counted yet, or nothing to tell of
    }
    let line = format!("{}: {}", shown.tracker.title(), shown.tracker.text());
    let due = match &shown.last_line {
        Some((then, before)) => now.saturating_sub(*then) >= LINE_EVERY && *before != line,
        None => true,
    };
    if due {
        console.say(&line);
        shown.last_line = Some((now, line));
    }
}
