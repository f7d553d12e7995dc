//! Pure. How far a change of the ring is: rates, time left, and the lines that say so.

use std::collections::BTreeMap;
use std::time::Duration;

use rebalance::{HandoffState, PairProgress, Rebalance};

use crate::figures;

/// The time over which a rate is averaged.
const RATE_WINDOW_S: f64 = 3.0;
/// Closer observations than this say nothing about a rate.
const RATE_STEP: Duration = Duration::from_millis(50);

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
    keys_per_second: f64,
    bytes_per_second: f64,
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
        let known = self.keys_per_second > 0.0;
        let weight = if known { 1.0 - (-seconds / RATE_WINDOW_S).exp() } else { 1.0 };
        let toward =
            |average: f64, moved: u64| average + weight * (float(moved) / seconds - average);
        self.keys_per_second = toward(self.keys_per_second, keys.saturating_sub(keys_before));
        self.bytes_per_second = toward(self.bytes_per_second, bytes.saturating_sub(bytes_before));
        self.last = Some((now, keys, bytes));
    }

    /// The time until so many more keys have moved; `None` where nothing moves.
    fn time_left(&self, keys: u64) -> Option<Duration> {
        if self.keys_per_second < 0.01 {
            return None;
        }
        Duration::try_from_secs_f64(float(keys) / self.keys_per_second).ok()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
    fn text(&self, keys_left: u64) -> String {
        let speed = format!("{}/s", figures::bytes(self.bytes_per_second as u64));
        match self.time_left(keys_left) {
            Some(left) => format!("{speed}  ETA {}", figures::duration(left)),
            None => speed,
        }
    }
}

impl Pair<'_> {
    pub(crate) fn is_over(&self) -> bool {
        self.state >= HandoffState::Done
    }

    /// Moved keys, and the estimate of all, never below them.
    pub(crate) fn keys(&self) -> (u64, u64) {
        (self.progress.keys_moved, self.progress.keys_total.max(self.progress.keys_moved))
    }

    /// The two servers.
    pub(crate) fn title(&self) -> String {
        format!("{} -> {}", self.progress.source, self.progress.target)
    }

    /// Keys, bytes, state, rate and time left.
    pub(crate) fn text(&self) -> String {
        let (moved, total) = self.keys();
        let amount = amount(moved, total, self.progress.bytes_moved);
        let state = state_name(self.state);
        if self.is_over() {
            return format!("{amount}  {state}");
        }
        format!("{amount}  {state}  {}", self.rate.text(total - moved))
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

    /// How far all of it is, on one line, without its title.
    pub(crate) fn text(&self) -> String {
        let (moved, total) = self.keys();
        let handoffs = &self.latest.handoffs;
        let over = handoffs.iter().filter(|handoff| handoff.state >= HandoffState::Done).count();
        format!(
            "{}  handoffs {over}/{}  {}",
            amount(moved, total, self.latest.bytes_moved),
            handoffs.len(),
            self.rate.text(total - moved),
        )
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

fn amount(moved: u64, total: u64, bytes: u64) -> String {
    let keys = format!("{}/{} keys", figures::count(moved), figures::count(total));
    format!("{keys}  {}", figures::bytes(bytes))
}

#[expect(clippy::cast_precision_loss, reason = "an estimate is made of it")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
