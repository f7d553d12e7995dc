//! Shell. Many seeds, each in a process of its own: one that ends it, or never ends, is a finding
//! like any other.

use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;

#[derive(Args)]
pub(crate) struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many at a time.
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// So many of the first seeds run twice, and must do the same.
    #[arg(long, default_value_t = 3)]
    twice: u64,
    /// Seconds that one seed may take.
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 5)]
    failures_max: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Report {
    operations: u64,
    errors: u64,
    scales: u64,
    faults: u64,
    simulated_ms: u64,
    trace: String,
    violation: Option<String>,
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

pub(crate) fn run(options: &Options) -> ExitCode {
    let began = Instant::now();
    let (next, sums) = (AtomicU64::new(options.from), Mutex::new(Sums::default()));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| work(options, &next, &sums, began));
        }
    });
    let sums = sums.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    println!(
        "{} seeds from {}: {} operations ({} refused or unclear), {} scale changes, {} faults, \
         {:.1} simulated hours, {} seeds run twice, {} violations, {:.0} s",
        sums.seeds,
        options.from,
        sums.operations,
        sums.errors,
        sums.scales,
        sums.faults,
        Duration::from_millis(sums.simulated_ms).as_secs_f64() / 3_600.0,
        sums.twice,
        sums.failures.len(),
        began.elapsed().as_secs_f64()
    );
    for failure in &sums.failures {
        println!("{failure}");
    }
    if sums.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn work(options: &Options, next: &AtomicU64, sums: &Mutex<Sums>, began: Instant) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= options.from + options.seeds {
            return;
        }
        let report = play(seed, options.timeout);
        let is_twice = seed < options.from + options.twice;
        let again = is_twice.then(|| play(seed, options.timeout));
        let mut sums = sums.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if sums.failures.len() as u64 >= options.failures_max {
            return;
        }
        sums.add(seed, report, again);
        if sums.seeds.is_multiple_of(20) {
            println!(
                "{} seeds, {} operations, {} failures, {:.0} s",
                sums.seeds,
                sums.operations,
                sums.failures.len(),
                began.elapsed().as_secs_f64()
            );
            let _ = std::io::stdout().flush();
        }
    }
}

impl Sums {
    fn add(&mut self, seed: u64, report: Result<Report, String>, again: Option<Outcome>) {
        self.seeds += 1;
        let mut fail = |why: &str| {
            let failure = format!("seed {seed}: {why}\n    ringkv-sim run --seed {seed} --trace");
            println!("{failure}");
            self.failures.push(failure);
        };
        let report = match report {
            Ok(report) => report,
            Err(error) => return fail(&error),
        };
        if let Some(violation) = &report.violation {
            fail(violation);
        }
        if let Some(again) = again {
            match again {
                Ok(again) if again.trace == report.trace => self.twice += 1,
                Ok(_) => fail("the same seed did something else the second time"),
                Err(error) => fail(&error),
            }
        }
        self.operations += report.operations;
        self.errors += report.errors;
        self.scales += report.scales;
        self.faults += report.faults;
        self.simulated_ms += report.simulated_ms;
    }
}

type Outcome = Result<Report, String>;

fn play(seed: u64, timeout_s: u64) -> Outcome {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("timeout")
        .args(["--signal=KILL", &timeout_s.to_string()])
        .arg(program)
        .args(["run", "--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().next_back().unwrap_or_default();
    serde_json::from_str(line).map_err(|_| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<&str> = stderr.lines().rev().take(6).collect();
        format!("{}: {}", output.status, tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
    })
}
