//! Pure. Which of the reasons that a cluster gives for waiting deserve to be told: those that last.

use std::collections::BTreeMap;
use std::time::Duration;

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
    if reason.starts_with("waiting") { reason.to_owned() } else { format!("waiting: {reason}") }
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
