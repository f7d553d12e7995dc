//! Pure. How far a change of the ring is: rates, time left, and the lines that say so.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster_api::{HandoffProgress, Rebalance};
use crate::figures;

/// The time over which a rate is averaged.
const RATE_WINDOW_S: f64 = 3.0;
/// Closer observations than this say nothing about a rate.
const RATE_STEP: Duration = Duration::from_millis(50);

/// One change of the ring from its begin to its end, as seen from outside.
#[derive(Debug)]
pub(crate) struct Tracker {
    began: Duration,
    now: Duration,
    from: usize,
    to: usize,
    handoffs: BTreeMap<String, Handoff>,
}

/// One handoff of the change.
#[derive(Clone, Debug)]
pub(crate) struct Handoff {
    pub(crate) progress: HandoffProgress,
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
}

impl Handoff {
    /// Whether the target owns what it was to get, or the handoff was given up.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.progress.state.as_str(), "owned" | "given" | "dropped" | "refused")
    }

    fn is_given_up(&self) -> bool {
        matches!(self.progress.state.as_str(), "dropped" | "refused")
    }

    /// Moved keys, and the estimate of all, never below them.
    pub(crate) fn keys(&self) -> (u64, u64) {
        let moved = self.progress.keys_moved;
        (moved, if self.is_over() { moved } else { self.progress.keys_total.max(moved) })
    }

    /// The two servers.
    pub(crate) fn title(&self) -> String {
        format!("{} -> {}", self.progress.source, self.progress.target)
    }

    /// Keys, bytes, rate, state and time left.
    pub(crate) fn text(&self) -> String {
        let (moved, total) = self.keys();
        let amount = amount(moved, total, self.progress.bytes_moved);
        if self.is_over() {
            return format!("{amount}  {}", self.progress.state);
        }
        format!("{amount}  {}  {}", self.progress.state, speed(&self.rate, total - moved))
    }
}

impl Tracker {
    /// A change that is first seen now.
    pub(crate) fn new(now: Duration, rebalance: &Rebalance) -> Self {
        let mut tracker = Self {
            began: now,
            now,
            from: rebalance.from,
            to: rebalance.to,
            handoffs: BTreeMap::new(),
        };
        tracker.observe(now, rebalance);
        tracker
    }

    /// Takes in how far it is now. A change that was retargeted stays one change.
    pub(crate) fn observe(&mut self, now: Duration, rebalance: &Rebalance) {
        self.now = now;
        self.to = rebalance.to;
        for progress in &rebalance.handoffs {
            let handoff = self
                .handoffs
                .entry(progress.id.clone())
                .or_insert_with(|| Handoff { progress: progress.clone(), rate: Rate::default() });
            handoff.progress = progress.clone();
            handoff.rate.observe(now, progress.keys_moved, progress.bytes_moved);
        }
    }

    /// The handoffs seen, each with its name.
    pub(crate) fn handoffs(&self) -> impl Iterator<Item = (&str, &Handoff)> {
        self.handoffs.iter().map(|(id, handoff)| (id.as_str(), handoff))
    }

    /// Moved keys of all handoffs, and the estimate of all.
    pub(crate) fn keys(&self) -> (u64, u64) {
        let sum = |(a, b), (c, d)| (a + c, b + d);
        self.handoffs.values().map(Handoff::keys).fold((0, 0), sum)
    }

    /// From how many servers to how many.
    pub(crate) fn title(&self) -> String {
        if self.from == self.to {
            format!("rebalance of {}", figures::of(self.to as u64, "server"))
        } else {
            format!("rebalance {} -> {} servers", self.from, self.to)
        }
    }

    /// How far all of it is, on one line, without its title.
    pub(crate) fn text(&self) -> String {
        let (moved, total) = self.keys();
        let over = self.handoffs.values().filter(|handoff| handoff.is_over()).count();
        let rate = self.handoffs.values().filter(|handoff| !handoff.is_over()).fold(
            Rate::default(),
            |sum, handoff| Rate {
                last: None,
                keys_per_second: sum.keys_per_second + handoff.rate.keys_per_second,
                bytes_per_second: sum.bytes_per_second + handoff.rate.bytes_per_second,
            },
        );
        format!(
            "{}  handoffs {over}/{}  {}",
            amount(moved, total, self.bytes_moved()),
            self.handoffs.len(),
            speed(&rate, total - moved),
        )
    }

    /// What the change did: one line for all, one for each server that gave or got keys.
    pub(crate) fn summary(&self) -> Vec<String> {
        let (moved, _) = self.keys();
        let given_up = self.handoffs.values().filter(|handoff| handoff.is_given_up()).count();
        let note = match given_up {
            0 => String::new(),
            n => format!("; {} given up for a newer plan", figures::of(n as u64, "handoff")),
        };
        let mut lines = vec![format!(
            "{} done in {}: {} ({}) moved{note}",
            self.title(),
            figures::duration(self.now.saturating_sub(self.began)),
            figures::of(moved, "key"),
            figures::bytes(self.bytes_moved()),
        )];
        let mut servers: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for handoff in self.handoffs.values().filter(|handoff| !handoff.is_given_up()) {
            let keys = handoff.progress.keys_moved;
            servers.entry(&handoff.progress.source).or_default().0 += keys;
            servers.entry(&handoff.progress.target).or_default().1 += keys;
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

    fn bytes_moved(&self) -> u64 {
        self.handoffs.values().map(|handoff| handoff.progress.bytes_moved).sum()
    }
}

fn amount(moved: u64, total: u64, bytes: u64) -> String {
    let keys = format!("{}/{} keys", figures::count(moved), figures::count(total));
    format!("{keys}  {}", figures::bytes(bytes))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
fn speed(rate: &Rate, keys_left: u64) -> String {
    let speed = format!("{}/s", figures::bytes(rate.bytes_per_second as u64));
    match rate.time_left(keys_left) {
        Some(left) => format!("{speed}  ETA {}", figures::duration(left)),
        None => speed,
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate is made of it")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
