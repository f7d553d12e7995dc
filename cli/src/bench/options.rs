//! Shell. The options of a run, and the plan that they make.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bench::distribution::Distribution;
use bench::mix::Mix;
use bench::plan::{Limit, Password, Plan};
use bench::sweep::{Sweep, Variable, parse_bytes};
use clap::Args;
use node_api::Secret;

use crate::failure::Failure;
use crate::options::Durability;

/// See [`super::BenchArgs`].
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// A router, a server, or any other RESP server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6379")]
    target: String,
    /// File with the password, if one is asked for
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How long a connection may take to be made, and to come back when it was lost
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    connect_timeout: Duration,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 50)]
    clients: u32,
    /// Threads of the client [default: 1, or 2 with 4 processors]
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// Requests that each connection sends before it waits for answers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pipeline: u32,
    /// Requests, all connections together [default: 100000]
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    requests: Option<u64>,
    /// How long, instead of --requests
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<Duration>,
    /// An open loop: so many requests a second, all connections together
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    /// read-only, read-mainly (95 of 100 read), mixed (50), write-mainly (5), write-only, or
    /// weights of get, set, incr, del and exists: get=70,set=25,incr=5
    #[arg(long, value_name = "MIX", default_value = "mixed")]
    mix: Mix,
    /// Bytes of each value: 512, 4k, 1m
    #[arg(long, value_name = "BYTES", default_value = "256", value_parser = parse_bytes)]
    value_size: u32,
    /// How many keys there are
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    keys: u64,
    /// How keys are chosen: uniform, zipf, or zipf=THETA, the larger the fewer are hot
    #[arg(long, value_name = "D", default_value = "uniform")]
    distribution: Distribution,
    /// Write every key first
    #[arg(long)]
    preload: bool,
    /// How long to do the same before it counts
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    warmup_seconds: Duration,
    /// Check each answer: a value is whole, its key's, and no older than what was acknowledged; a
    /// counter grows by one each time. Each key is then used by one connection only
    #[arg(long)]
    verify: bool,
    /// What all random choices follow from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Measure once for each value: clients, requests, mix, pipeline, value-size, rate, or servers,
    /// for which a local cluster is started each time and removed again
    #[arg(long, value_name = "VARIABLE=A,B,…")]
    pub(super) sweep: Option<Sweep>,
    /// How often to measure each point
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = repetitions())]
    pub(super) repeat: u32,
    /// When a write is answered by the clusters of --sweep servers [default: always]
    #[arg(long, value_enum)]
    pub(super) durability: Option<Durability>,
    /// Append a row for each run to this file: its conditions and results
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Answer JSON: a list of runs
    #[arg(long)]
    pub(super) json: bool,
    /// Write throughput and latencies over time to this CSV
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sweep", "repeat"])]
    pub(super) timeline: Option<PathBuf>,
    /// The interval of the timeline
    #[arg(long, value_name = "MS", default_value_t = 100, requires = "timeline")]
    interval: u64,
    /// Note in the timeline when handoffs were under way at the cluster whose HTTP is there
    #[arg(long, value_name = "URL", requires = "timeline")]
    pub(super) watch_rebalance: Option<String>,
}

/// Requests of a run that does not say how long it is.
const REQUESTS_DEFAULT: u64 = 100_000;
/// More say nothing new.
const REPETITIONS_MAX: i64 = 100;
/// With so many processors a second thread is no hindrance to what is measured.
const CPUS_FOR_TWO_THREADS: u64 = 4;

impl RunArgs {
    /// The plan of a run, before a sweep changes it.
    pub(super) fn plan(&self, cpus: u64) -> Result<Plan, Failure> {
        self.check()?;
        let limit = match (self.requests, self.seconds) {
            (_, Some(time)) => Limit::Time(time),
            (requests, None) => Limit::Requests(requests.unwrap_or(REQUESTS_DEFAULT)),
        };
        let threads = if cpus >= CPUS_FOR_TWO_THREADS { 2 } else { 1 };
        Ok(Plan {
            target: self.target.clone(),
            servers: None,
            password: self.password()?,
            connect_timeout: self.connect_timeout,
            clients: self.clients,
            threads: self.threads.unwrap_or(threads),
            pipeline: self.pipeline,
            limit,
            rate: self.rate,
            value_bytes: self.value_size,
            keys: self.keys,
            distribution: self.distribution,
            mix: self.mix.clone(),
            preload: self.preload,
            warmup: self.warmup_seconds,
            verify: self.verify,
            seed: self.seed,
            interval: self.timeline.is_some().then(|| Duration::from_millis(self.interval)),
        })
    }

    /// Options that contradict a sweep.
    fn check(&self) -> Result<(), Failure> {
        let variable = self.sweep.as_ref().map(|sweep| sweep.variable);
        if variable == Some(Variable::Requests) && self.seconds.is_some() {
            return Err(Failure::usage("--sweep requests and --seconds contradict each other"));
        }
        if self.durability.is_some() && variable != Some(Variable::Servers) {
            return Err(Failure::usage("--durability is for the clusters of --sweep servers"));
        }
        Ok(())
    }

    /// The file with the password.
    pub(super) fn password_path(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    fn password(&self) -> Result<Option<Password>, Failure> {
        let Some(path) = &self.password_file else { return Ok(None) };
        let secret = Secret::read(path)
            .map_err(|error| Failure::unavailable(format!("--password-file: {error}")))?;
        Ok(Some(Password::new(secret.reveal())))
    }
}

/// How often a point can be measured.
fn repetitions() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=REPETITIONS_MAX)
}

/// Seconds with or without a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    const MOST: f64 = 86_400.0;
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=MOST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("give seconds from 0 to {MOST}, as 30 or 0.5")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bench::plan::Limit;
    use clap::Parser;

    use super::{RunArgs, seconds};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    fn run_args(line: &str) -> RunArgs {
        Line::parse_from(["bench"].into_iter().chain(line.split_whitespace())).run
    }

    #[test]
    fn a_run_has_defaults_that_can_be_changed() {
        let plan = run_args("").plan(2).expect("a plan");
        assert_eq!((plan.clients, plan.threads, plan.limit), (50, 1, Limit::Requests(100_000)));
        assert_eq!((plan.rate, plan.interval), (None, None));
        assert_eq!(plan.validate(), Ok(()));
        let line = "--seconds 1.5 --rate 10 --timeline x.csv --interval 50";
        let plan = run_args(line).plan(4).expect("a plan");
        assert_eq!((plan.limit, plan.threads), (Limit::Time(Duration::from_millis(1_500)), 2));
        assert_eq!((plan.rate, plan.interval), (Some(10), Some(Duration::from_millis(50))));
    }

    #[test]
    fn contradictions_are_refused() {
        for line in ["--sweep requests=1,2 --seconds 1", "--durability always"] {
            assert!(run_args(line).plan(2).is_err(), "{line}");
        }
        for line in ["--requests 1 --seconds 1", "--interval 5", "--mix none", "--repeat 0"] {
            let line: Vec<&str> = ["bench"].into_iter().chain(line.split_whitespace()).collect();
            assert!(Line::try_parse_from(&line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn seconds_have_bounds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("86400"), Ok(Duration::from_secs(86_400)));
        for bad in ["-1", "86400.1", "NaN", "inf", "", "1s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
