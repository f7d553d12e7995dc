//! Shell. Says how far the run is, and at the end what it came to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::fault::Fault;

use crate::bench::Seen;
use crate::workflow::Case;

/// How often the live line is printed.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// What has been tried so far.
pub(crate) struct Report {
    began: Instant,
    said: Instant,
    planned: usize,
    pub(crate) tried: usize,
    /// By workflow and fault: tried, of which the fault met something.
    rows: BTreeMap<(String, String), (u32, u32)>,
    changes: usize,
    reconciles: u64,
    slowest: Duration,
    pub(crate) failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(planned: usize) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            said: now,
            planned,
            tried: 0,
            rows: BTreeMap::new(),
            changes: 0,
            reconciles: 0,
            slowest: Duration::ZERO,
            failures: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, case: Case, result: &anyhow::Result<Seen>) {
        self.tried += 1;
        let row = (case.workflow.as_str().to_owned(), name_of(case.fault));
        let row = self.rows.entry(row).or_default();
        row.0 += 1;
        match result {
            Ok(seen) => {
                row.1 += u32::from(seen.met.is_some());
                self.changes += seen.changes.len();
                self.reconciles += u64::from(seen.reconciles);
                self.slowest = self.slowest.max(seen.took);
            }
            Err(error) => {
                row.1 += 1;
                println!("FAILED {case}: {error:#}\n    again: cargo xtask operator-faults {case}");
                self.failures.push(case.to_string());
            }
        }
        if self.said.elapsed() > SAY_EVERY {
            self.said = Instant::now();
            self.say();
        }
    }

    fn say(&self) {
        println!(
            "{:>6.0} s  {} of {} cases, {} requests that change something, {} looks, {} failed",
            self.began.elapsed().as_secs_f64(),
            self.tried,
            self.planned,
            self.changes,
            self.reconciles,
            self.failures.len()
        );
    }

    /// The table of all that was tried.
    pub(crate) fn finish(&self) {
        self.say();
        println!("\n{:<14} {:<34} {:>6} {:>6}", "workflow", "fault", "tried", "met");
        let mut all = (0, 0);
        for ((workflow, fault), (tried, met)) in &self.rows {
            println!("{workflow:<14} {fault:<34} {tried:>6} {met:>6}");
            all = (all.0 + tried, all.1 + met);
        }
        println!("{:<49} {:>6} {:>6}", "in all", all.0, all.1);
        println!(
            "slowest change {:.1} s; in all {:.0} s; failed: {}",
            self.slowest.as_secs_f64(),
            self.began.elapsed().as_secs_f64(),
            if self.failures.is_empty() { "none".to_owned() } else { self.failures.join(" ") }
        );
    }
}

fn name_of(fault: Option<Fault>) -> String {
    let Some(fault) = fault else { return "none".to_owned() };
    let text = fault.to_string();
    text.rsplit_once('.').map_or(text.clone(), |(name, _)| name.to_owned())
}
