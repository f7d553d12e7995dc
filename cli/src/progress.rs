//! Pure. How far a change of the ring is: rates, time left, and the lines that say so.

use std::collections::BTreeMap;
use std::time::Duration;

use rebalance::{HandoffState, PairProgress, Rebalance};

use crate::figures;

/// The time over which a rate is averaged.
const RATE_WINDOW_S: f64 = 3.0;
/// Closer observations than this say nothing about a rate.
const RATE_STEP: Duration = Duration::from_millis(50);
/// Data goes in chunks: a rate over less time than this is told by none.
const RATE_KNOWN_AFTER_S: f64 = 0.75;

/// One change of the ring from its begin to its end, as seen from outside.
#[derive(Debug)]
pub(crate) struct Tracker {
    latest: Rebalance,
    rate: Rate,
    pair_rates: BTreeMap<(String, String), Rate>,
}

/// What goes from one server to another.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    progress: &'a PairProgress,
    state: HandoffState,
    rate: Rate,
}

/// What moves in a second, as an average that forgets.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    last: Option<(Duration, u64, u64)>,
    /// How much of the averages is known: it goes from 0 to 1.
    weight: f64,
    seconds: f64,
    keys: f64,
    bytes: f64,
}

impl Rate {
    fn observe(&mut self, now: Duration, keys: u64, bytes: u64) {
        let Some((then, keys_before, bytes_before)) = self.last else {
            self.last = Some((now, keys, bytes));
            return;
        };
        let step = now.saturating_sub(then);
        if step < RATE_STEP {
            return;
        }
        let seconds = step.as_secs_f64();
        let fresh = 1.0 - (-seconds / RATE_WINDOW_S).exp();
        let toward = |average: f64, value: f64| average + fresh * (value - average);
        let per_second = |now: u64, before: u64| float(now.saturating_sub(before)) / seconds;
        self.weight = toward(self.weight, 1.0);
        self.keys = toward(self.keys, per_second(keys, keys_before));
        self.bytes = toward(self.bytes, per_second(bytes, bytes_before));
        self.seconds += seconds;
        self.last = Some((now, keys, bytes));
    }

    /// Keys and bytes a second, once that can be told.
    fn per_second(&self) -> Option<(f64, f64)> {
        (self.seconds >= RATE_KNOWN_AFTER_S)
            .then(|| (self.keys / self.weight, self.bytes / self.weight))
    }

    /// The time until so many more keys have moved; `None` where nothing moves.
    fn time_left(&self, keys: u64) -> Option<Duration> {
        let (keys_per_second, _) = self.per_second()?;
        if keys_per_second < 0.01 {
            return None;
        }
        Duration::try_from_secs_f64(float(keys) / keys_per_second).ok()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
    fn speed(&self) -> Option<String> {
        let (_, bytes_per_second) = self.per_second()?;
        Some(format!("{}/s", figures::bytes(bytes_per_second as u64)))
    }

    fn eta(&self, keys_left: u64) -> Option<String> {
        Some(format!("ETA {}", figures::duration(self.time_left(keys_left)?)))
    }
}

impl Pair<'_> {
    pub(crate) fn is_over(&self) -> bool {
        self.state.is_over()
    }

    /// Moved keys, and the estimate of all, never below them.
    pub(crate) fn keys(&self) -> (u64, u64) {
        (self.progress.keys_moved, self.progress.keys_total.max(self.progress.keys_moved))
    }

    /// The two servers.
    pub(crate) fn title(&self) -> String {
        format!("{} -> {}", self.progress.source, self.progress.target)
    }

    /// Keys, bytes, state, and what is known of rate and time left.
    pub(crate) fn text(&self) -> String {
        let (moved, total) = self.keys();
        let (amount, state) = (keys_text(moved, total), state_name(self.state).to_owned());
        let bytes = figures::bytes(self.progress.bytes_moved);
        let [speed, eta] = self.pace();
        joined([Some(amount), Some(bytes), Some(state), speed, eta])
    }

    /// The same, what matters most first.
    pub(crate) fn bar_text(&self) -> String {
        let (moved, total) = self.keys();
        let (amount, state) = (keys_text(moved, total), state_name(self.state).to_owned());
        let bytes = figures::bytes(self.progress.bytes_moved);
        let [speed, eta] = self.pace();
        joined([Some(amount), eta, speed, Some(bytes), Some(state)])
    }

    fn pace(&self) -> [Option<String>; 2] {
        if self.is_over() {
            return [None, None];
        }
        let (moved, total) = self.keys();
        [self.rate.speed(), self.rate.eta(total - moved)]
    }
}

impl Tracker {
    /// A change that is first seen now.
    pub(crate) fn new(now: Duration, rebalance: &Rebalance) -> Self {
        let mut tracker = Self {
            latest: Rebalance::default(),
            rate: Rate::default(),
            pair_rates: BTreeMap::new(),
        };
        tracker.observe(now, rebalance);
        tracker
    }

    /// Takes in how far it is now. A change that was retargeted stays one change.
    pub(crate) fn observe(&mut self, now: Duration, rebalance: &Rebalance) {
        self.latest = rebalance.clone();
        self.rate.observe(now, rebalance.keys_moved, rebalance.bytes_moved);
        for pair in &rebalance.pairs {
            let key = (pair.source.clone(), pair.target.clone());
            let rate = self.pair_rates.entry(key).or_default();
            rate.observe(now, pair.keys_moved, pair.bytes_moved);
        }
    }

    /// The pairs of servers between which something goes.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        self.latest.pairs.iter().map(|progress| {
            let key = (progress.source.clone(), progress.target.clone());
            let rate = self.pair_rates.get(&key).copied().unwrap_or_default();
            Pair { progress, state: self.state_of(progress), rate }
        })
    }

    /// Moved keys of all handoffs, and the estimate of all.
    pub(crate) fn keys(&self) -> (u64, u64) {
        let moved = self.latest.keys_moved;
        (moved, self.latest.keys_total.max(moved))
    }

    /// From how many servers to how many.
    pub(crate) fn title(&self) -> String {
        let (from, to) = (self.latest.from, self.latest.to);
        if from == to {
            format!("rebalance of {}", figures::of(to as u64, "server"))
        } else {
            format!("rebalance {from} -> {to} servers")
        }
    }

    /// The title that stands before a bar.
    pub(crate) fn short_title(&self) -> String {
        let (from, to) = (self.latest.from, self.latest.to);
        if from == to { "rebalance".to_owned() } else { format!("{from} -> {to} servers") }
    }

    /// How far all of it is, on one line, without its title.
    pub(crate) fn text(&self) -> String {
        let (moved, total) = self.keys();
        let (speed, eta) = (self.rate.speed(), self.rate.eta(total - moved));
        let (keys, bytes) = (keys_text(moved, total), figures::bytes(self.latest.bytes_moved));
        joined([Some(keys), Some(bytes), Some(self.handoffs()), speed, eta])
    }

    /// The same, what matters most first.
    pub(crate) fn bar_text(&self) -> String {
        let (moved, total) = self.keys();
        let (speed, eta) = (self.rate.speed(), self.rate.eta(total - moved));
        let (keys, bytes) = (keys_text(moved, total), figures::bytes(self.latest.bytes_moved));
        joined([Some(keys), eta, speed, Some(bytes), Some(self.handoffs())])
    }

    fn handoffs(&self) -> String {
        let handoffs = &self.latest.handoffs;
        let over = handoffs.iter().filter(|handoff| handoff.state.is_over()).count();
        format!("handoffs {over}/{}", handoffs.len())
    }

    /// What the change did: one line for all, one for each server that gave or got keys.
    pub(crate) fn summary(&self) -> Vec<String> {
        let handoffs = &self.latest.handoffs;
        let cancelled = |state| state == HandoffState::Cancelled;
        let note = match handoffs.iter().filter(|handoff| cancelled(handoff.state)).count() {
            0 => String::new(),
            n => format!("; {} cancelled", figures::of(n as u64, "handoff")),
        };
        let mut lines = vec![format!(
            "{} done in {}: {} ({}) moved{note}",
            self.title(),
            figures::duration(Duration::from_millis(self.latest.duration_ms)),
            figures::of(self.latest.keys_moved, "key"),
            figures::bytes(self.latest.bytes_moved),
        )];
        let mut servers: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for pair in &self.latest.pairs {
            servers.entry(&pair.source).or_default().0 += pair.keys_moved;
            servers.entry(&pair.target).or_default().1 += pair.keys_moved;
        }
        let width = servers.keys().map(|name| name.len()).max().unwrap_or(0);
        lines.extend(servers.into_iter().map(|(name, (gave, got))| {
            let amounts = [("gave", gave), ("got", got)];
            let parts = amounts.iter().filter(|(_, keys)| *keys > 0);
            let parts: Vec<String> =
                parts.map(|(verb, keys)| format!("{verb} {}", figures::of(*keys, "key"))).collect();
            let what = if parts.is_empty() { "moved no key".into() } else { parts.join(", ") };
            format!("  {name:<width$}  {what}")
        }));
        lines
    }

    /// The least advanced of the pair's handoffs that are not cancelled.
    fn state_of(&self, pair: &PairProgress) -> HandoffState {
        let handoffs = self.latest.handoffs.iter();
        let ours = handoffs.filter(|one| one.source == pair.source && one.target == pair.target);
        ours.map(|handoff| handoff.state).min().unwrap_or(HandoffState::Done)
    }
}

/// As in the JSON form.
const fn state_name(state: HandoffState) -> &'static str {
    match state {
        HandoffState::Starting => "starting",
        HandoffState::Copying => "copying",
        HandoffState::Frozen => "frozen",
        HandoffState::Done => "done",
        HandoffState::Cancelled => "cancelled",
    }
}

fn keys_text(moved: u64, total: u64) -> String {
    format!("{}/{} keys", figures::count(moved), figures::count(total))
}

/// What is known, two spaces between.
fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

#[expect(clippy::cast_precision_loss, reason = "an estimate is made of it")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
