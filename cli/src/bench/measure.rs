//! Shell. All runs of one command: each point of the sweep, each repetition.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bench::RunError;
use bench::outcome::Outcome;
use bench::plan::Plan;
use bench::progress::Progress;
use bench::row::{Circumstances, Row};
use bench::sweep::{Setting, Variable};
use bench::{table, timeline};
use serde::Serialize;
use shell::clock::{Clock, SystemClock};

use super::cluster::Cluster;
use super::options::RunArgs;
use super::report;
use super::view::View;
use super::watch::Watch;
use crate::bars::Console;
use crate::cluster_api::to_json;
use crate::failure::Failure;

/// A longer line than that is no header of ours.
const HEADER_BYTES_MAX: u64 = 64 * 1024;

/// One run in the JSON answer.
#[derive(Debug, Serialize)]
struct Run {
    /// As in the CSV.
    run: Row,
    /// The whole result.
    result: Outcome,
}

/// Measures, writes and shows everything that was asked for.
pub(super) async fn all(args: &RunArgs) -> Result<(), Failure> {
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
    let plan = args.plan(cpus)?;
    let (variable, settings) = match &args.sweep {
        Some(sweep) => (Some(sweep.variable), sweep.settings.iter().map(Some).collect()),
        None => (None, vec![None]),
    };
    for setting in &settings {
        let plan = setting.map_or_else(|| plan.clone(), |setting| setting.apply(&plan));
        plan.validate().map_err(Failure::usage)?;
    }
    let mut runs = Vec::new();
    for setting in settings {
        let point = Point { args, variable, setting, cpus };
        point.measure(&plan, &mut runs).await?;
    }
    if args.json {
        Console::print(&format!("{}\n", to_json(&runs)));
    } else if runs.len() > 1 {
        let rows: Vec<&Row> = runs.iter().map(|run| &run.run).collect();
        Console::print(&report::sweep(&rows));
    }
    let violations: u64 = runs.iter().map(|run| run.result.violations).sum();
    if violations > 0 {
        return Err(Failure::other(format!("--verify found {violations} wrong answers")));
    }
    Ok(())
}

/// One point of a sweep, or the only one.
struct Point<'a> {
    args: &'a RunArgs,
    variable: Option<Variable>,
    setting: Option<&'a Setting>,
    cpus: u64,
}

impl Point<'_> {
    async fn measure(&self, plan: &Plan, runs: &mut Vec<Run>) -> Result<(), Failure> {
        let mut plan = self.setting.map_or_else(|| plan.clone(), |setting| setting.apply(plan));
        for repetition in 1..=self.args.repeat {
            // Each run has a cluster of its own: none finds the keys of another.
            let cluster = match self.setting {
                Some(Setting::Servers(servers)) => {
                    let cluster = Cluster::start(*servers, self.args.durability).await?;
                    plan.target = cluster.resp();
                    Some(cluster)
                }
                _ => None,
            };
            let outcome = self.run(&plan, repetition).await?;
            if let Some(cluster) = cluster {
                cluster.stop().await?;
            }
            let row = Row::new(&plan, &self.circumstances(repetition), &outcome);
            if let Some(path) = &self.args.csv {
                append(path, &row)?;
            }
            if let Some(path) = &self.args.timeline {
                write_timeline(path, &row, &outcome)?;
            }
            if !self.args.json {
                Console::print(&report::run(&row, &outcome));
            }
            runs.push(Run { run: row, result: outcome });
        }
        Ok(())
    }

    /// One run, with what shows its progress and what looks at the cluster.
    async fn run(&self, plan: &Plan, repetition: u32) -> Result<Outcome, Failure> {
        let clock = SystemClock::new();
        let progress = Arc::new(Progress::default());
        let watch = match &self.args.watch_rebalance {
            Some(url) => Some(Watch::new(url, self.args.password_path()).await?),
            None => None,
        };
        let seen = RefCell::new(Vec::new());
        let title = self.title(repetition);
        let view = View::new(&title, plan, progress.clone());
        let running = bench::run::run(plan, clock, progress);
        let looking = async {
            match &watch {
                Some(watch) => watch.look(clock, &seen).await,
                None => std::future::pending().await,
            }
        };
        let mut outcome = tokio::select! {
            outcome = running => outcome.map_err(failure)?,
            () = view.show() => return Err(Failure::other("the view has ended")),
            () = looking => return Err(Failure::other("the watch has ended")),
        };
        if let Some(interval) = plan.interval {
            let seen = from(outcome.began, &seen.borrow());
            timeline::mark_handoffs(&mut outcome.timeline, interval, &seen);
        }
        Ok(outcome)
    }

    fn title(&self, repetition: u32) -> String {
        let mut title = match (self.variable, self.setting) {
            (Some(variable), Some(setting)) => format!("{} {setting}", variable.name()),
            _ => "bench".to_owned(),
        };
        if self.args.repeat > 1 {
            title.push_str(&format!(", {repetition}/{}", self.args.repeat));
        }
        title
    }

    fn circumstances(&self, repetition: u32) -> Circumstances {
        Circumstances {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            date: bench::date::rfc3339(SystemClock::new().unix_ms()),
            cpus: self.cpus,
            sweep: self.variable.map_or("", Variable::name).to_owned(),
            point: self.setting.map_or_else(String::new, ToString::to_string),
            repetition,
        }
    }
}

/// What was seen, by the time since the run began.
fn from(began: Duration, seen: &[(Duration, u64)]) -> Vec<(Duration, u64)> {
    seen.iter().map(|(at, count)| (at.saturating_sub(began), *count)).collect()
}

fn failure(error: RunError) -> Failure {
    match error {
        RunError::Plan(error) => Failure::usage(error),
        RunError::Connect { .. }
        | RunError::Login { .. }
        | RunError::Gone { .. }
        | RunError::Preload { .. }
        | RunError::Silence { .. } => Failure::unavailable(error),
        RunError::Thread(_) | RunError::Panic => Failure::other(error),
    }
}

fn append(path: &Path, row: &Row) -> Result<(), Failure> {
    let added = || -> anyhow::Result<()> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut header = String::new();
        BufReader::new((&file).take(HEADER_BYTES_MAX)).read_line(&mut header)?;
        let text = table::append(&header, row)?;
        file.write_all(text.as_bytes())?;
        Ok(())
    };
    added().with_context(|| format!("--csv {}", path.display())).map_err(Failure::storage)
}

fn write_timeline(path: &Path, row: &Row, outcome: &Outcome) -> Result<(), Failure> {
    let written = || -> anyhow::Result<()> {
        let rows = table::write(&outcome.timeline, true)?;
        fs::write(path, format!("# {}\n{rows}", bench::plot::conditions(row)))?;
        Ok(())
    };
    written().with_context(|| format!("--timeline {}", path.display())).map_err(Failure::storage)
}
