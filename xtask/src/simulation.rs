//! Shell. `cargo xtask simulate`: many seeds of `sim/`, each in a process of its own, so that one
//! that ends its process, or never ends, is a finding like any other.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::root;
use crate::stage::Report;
use crate::suite::{Options, cargo};

/// How many seeds run at a time.
const JOBS: u64 = 2;
/// How long one seed may take.
const SEED_SECONDS: &str = "120";
/// So many failures end a campaign.
const FAILURES_MAX: usize = 5;

/// Which seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Campaign {
    from: u64,
    seeds: u64,
    /// So many of the first run twice, and must do the same.
    twice: u64,
}

impl Campaign {
    /// What continuous integration runs.
    const SHORT: Self = Self { from: 1, seeds: 300, twice: 20 };

    fn parse(flags: &[String]) -> anyhow::Result<Self> {
        let mut campaign = Self::SHORT;
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            let number = flags.next().and_then(|text| text.parse().ok());
            let number = number.with_context(|| format!("{flag} takes a number"))?;
            match flag.as_str() {
                "--from" => campaign.from = number,
                "--seeds" => campaign.seeds = number,
                "--twice" => campaign.twice = number,
                _ => bail!("cargo xtask simulate [--from SEED] [--seeds N] [--twice N]"),
            }
        }
        Ok(campaign)
    }
}

/// The task.
pub(crate) fn run(flags: &[String]) -> anyhow::Result<()> {
    let campaign = Campaign::parse(flags)?;
    build(Options::default())?;
    play(campaign)
}

/// The stage of `cargo xtask test`.
pub(crate) fn stages(report: &mut Report, options: Options) -> anyhow::Result<()> {
    report.call("build of the simulation", || build(options))?;
    report.call("simulation", || play(Campaign::SHORT))
}

fn sim() -> PathBuf {
    root().join("sim")
}

/// Builds it, and runs the tests of its own. In its directory, where its compiler flags are.
fn build(options: Options) -> anyhow::Result<()> {
    for subcommand in ["build", "test"] {
        let mut command = cargo(options, subcommand);
        command.env("CARGO_TARGET_DIR", sim().join("target"));
        let status = command.arg("--quiet").current_dir(sim()).status()?;
        ensure!(status.success(), "`cargo {subcommand}` in sim/ failed");
    }
    Ok(())
}

fn play(campaign: Campaign) -> anyhow::Result<()> {
    let began = Instant::now();
    let program = sim().join("target/debug/ringkv-sim");
    let (next, sums) = (AtomicU64::new(0), Mutex::new(Sums::default()));
    std::thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| work(campaign, &program, &next, &sums));
        }
    });
    let sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}, {:.0} s", sums.line(), began.elapsed().as_secs_f64());
    ensure!(sums.failures.is_empty(), "the simulation found {} violations", sums.failures.len());
    Ok(())
}

fn work(campaign: Campaign, program: &Path, next: &AtomicU64, sums: &Mutex<Sums>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let seed = campaign.from + number;
        let is_over = |sums: &Sums| sums.failures.len() >= FAILURES_MAX;
        if number >= campaign.seeds || is_over(&sums.lock().unwrap_or_else(PoisonError::into_inner))
        {
            return;
        }
        let outcome = one(program, seed);
        let again = (number < campaign.twice).then(|| one(program, seed));
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.add(seed, outcome, again);
        if sums.seeds.is_multiple_of(100) {
            println!("{}", sums.line());
            let _ = std::io::stdout().flush();
        }
    }
}

/// What a run of one seed prints.
#[derive(Debug, Default, Deserialize)]
struct Outcome {
    operations: u64,
    errors: u64,
    scales: u64,
    faults: u64,
    simulated_ms: u64,
    trace: String,
    violation: Option<String>,
}

fn one(program: &Path, seed: u64) -> Result<Outcome, String> {
    let output = Command::new("timeout")
        .args(["--signal=KILL", SEED_SECONDS])
        .arg(program)
        .args(["--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().next_back().unwrap_or_default();
    serde_json::from_str(line).map_err(|_| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        format!("{}: {}", output.status, stderr.lines().next_back().unwrap_or_default())
    })
}

#[derive(Default)]
struct Sums {
    seeds: u64,
    operations: u64,
    errors: u64,
    scales: u64,
    faults: u64,
    simulated_ms: u64,
    twice: u64,
    failures: Vec<String>,
}

impl Sums {
    fn add(
        &mut self,
        seed: u64,
        outcome: Result<Outcome, String>,
        again: Option<Result<Outcome, String>>,
    ) {
        self.seeds += 1;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return self.fail(seed, &error),
        };
        if let Some(violation) = &outcome.violation {
            self.fail(seed, violation);
        }
        match again {
            Some(Ok(again)) if again.trace == outcome.trace => self.twice += 1,
            Some(Ok(_)) => self.fail(seed, "the same seed did something else the second time"),
            Some(Err(error)) => self.fail(seed, &error),
            None => {}
        }
        self.operations += outcome.operations;
        self.errors += outcome.errors;
        self.scales += outcome.scales;
        self.faults += outcome.faults;
        self.simulated_ms += outcome.simulated_ms;
    }

    fn fail(&mut self, seed: u64, why: &str) {
        let replay = format!("sim/target/debug/ringkv-sim --seed {seed} --trace");
        let failure = format!("seed {seed}: {why}\n    {replay}");
        println!("{failure}");
        self.failures.push(failure);
    }

    fn line(&self) -> String {
        let hours = Duration::from_millis(self.simulated_ms).as_secs_f64() / 3_600.0;
        format!(
            "{} seeds, {} operations ({} refused or unclear), {} scale changes, {} faults, \
             {hours:.1} simulated hours, {} seeds run twice alike, {} violations",
            self.seeds,
            self.operations,
            self.errors,
            self.scales,
            self.faults,
            self.twice,
            self.failures.len()
        )
    }
}
