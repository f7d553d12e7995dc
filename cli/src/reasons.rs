//! Pure. Which of the reasons that a cluster gives for waiting deserve to be told: those that last.

use std::collections::BTreeMap;
use std::time::Duration;

use rebalance::{Lost, Status};

use crate::figures;

/// A reason that goes away sooner, as while servers start, is not told.
const TOLD_AFTER: Duration = Duration::from_secs(3);

/// The reasons of now, each with when it came up and whether it was told.
#[derive(Debug, Default)]
pub(crate) struct Reasons(BTreeMap<String, (Duration, bool)>);

impl Reasons {
    /// Takes in the reasons of now, and answers those to tell. Each is told once, unless it goes
    /// away in between.
    pub(crate) fn observe(&mut self, now: Duration, reasons: &[String]) -> Vec<String> {
        self.0.retain(|known, _| reasons.contains(known));
        let mut to_tell = Vec::new();
        for reason in reasons {
            let (since, told) = self.0.entry(reason.clone()).or_insert((now, false));
            if !*told && now.saturating_sub(*since) >= TOLD_AFTER {
                *told = true;
                to_tell.push(line(reason));
            }
        }
        to_tell
    }
}

/// A reason as a line of its own.
pub(crate) fn line(reason: &str) -> String {
    let has_a_title = reason.starts_with("waiting") || reason.starts_with("lost: ");
    if has_a_title { reason.to_owned() } else { format!("waiting: {reason}") }
}

/// All that a cluster waits for: what its status says, and what a person has to decide.
pub(crate) fn of(status: &Status, url: &str) -> Vec<String> {
    let lost = status.lost.iter().map(|lost| lost_text(lost, url));
    status.reasons.iter().cloned().chain(lost).collect()
}

/// A loss, and the two ways out.
fn lost_text(lost: &Lost, url: &str) -> String {
    let (name, incarnation) = (&lost.server.name, lost.server.incarnation);
    format!(
        "lost: the volume of {name} is gone, and {} of the keys with it; bring it back, or accept \
         the loss:\n  curl -X POST {url}/accept-data-loss \\\n    -d \
         '{{\"name\":\"{name}\",\"incarnation\":\"{incarnation}\"}}'",
        figures::percent(lost.share)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Reasons;

    #[test]
    fn only_what_lasts_is_told_and_only_once() {
        let mut reasons = Reasons::default();
        let mut at = |seconds, now: &[&str]| {
            let now: Vec<String> = now.iter().map(|text| (*text).to_owned()).collect();
            reasons.observe(Duration::from_secs(seconds), &now)
        };
        assert!(at(0, &["kv-0 is away", "kv-1 is away"]).is_empty());
        assert_eq!(at(3, &["kv-0 is away"]), ["waiting: kv-0 is away"]);
        assert!(at(9, &["kv-0 is away", "kv-1 is away"]).is_empty());
        assert!(at(10, &["kv-1 is away"]).is_empty());
        assert_eq!(at(12, &["kv-0 is away", "kv-1 is away"]), ["waiting: kv-1 is away"]);
    }
}
