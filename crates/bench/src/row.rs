//! Pure. One run as a row of a CSV: all its conditions and results.

use serde::{Deserialize, Serialize};

use crate::outcome::{Latency, Outcome};
use crate::plan::{Limit, Plan};

/// A row, in the order of its columns. Latencies are in microseconds; a column of a condition
/// that was not set is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Of this program.
    pub version: String,
    /// When the run ended, in UTC.
    pub date: String,
    /// What was measured.
    pub target: String,
    /// Servers of the cluster, where this program started it.
    pub servers: Option<u16>,
    /// Processors of the machine on which the client ran.
    pub cpus: u64,
    /// `closed` or `open`.
    pub r#loop: String,
    /// Requests a second of an open loop.
    pub rate: Option<u64>,
    /// Connections.
    pub clients: u32,
    /// Threads of the client.
    pub threads: u32,
    /// Requests without an answer of each connection, at most.
    pub pipeline: u32,
    /// Requests in all, where they end the run.
    pub requests: Option<u64>,
    /// Seconds, where they end the run.
    pub seconds: Option<f64>,
    /// Seconds of the same before it counted.
    pub warmup_s: f64,
    /// Bytes of each value.
    pub value_size: u32,
    /// Size of the key space.
    pub keys: u64,
    /// How keys were chosen.
    pub distribution: String,
    /// What was asked.
    pub mix: String,
    /// Whether every key was written first.
    pub preload: bool,
    /// Whether answers were judged.
    pub verify: bool,
    /// What random choices followed from.
    pub seed: u64,
    /// What was varied, in a sweep.
    pub sweep: String,
    /// Its value here.
    pub point: String,
    /// The how-manieth run of this point, from 1.
    pub repetition: u32,
    /// From the first request to the last answer.
    pub elapsed_s: f64,
    /// Answers that were no errors.
    pub operations: u64,
    /// Of these, a second.
    pub throughput: f64,
    /// Error replies and lost requests.
    pub errors: u64,
    /// The same by kind, as `MOVED=2 connection=1`.
    pub error_kinds: String,
    /// Wrong answers.
    pub violations: u64,
    /// Bytes of requests.
    pub bytes_sent: u64,
    /// Bytes of replies.
    pub bytes_received: u64,
    /// Of all operations.
    pub min_us: f64,
    /// Of all operations.
    pub p50_us: f64,
    /// Of all operations.
    pub p90_us: f64,
    /// Of all operations.
    pub p99_us: f64,
    /// Of all operations.
    pub p999_us: f64,
    /// Of all operations.
    pub max_us: f64,
    /// `GET`s.
    pub get_operations: u64,
    /// Of `GET`s.
    pub get_p50_us: f64,
    /// Of `GET`s.
    pub get_p99_us: f64,
    /// Of `GET`s.
    pub get_max_us: f64,
    /// `SET`s.
    pub set_operations: u64,
    /// Of `SET`s.
    pub set_p50_us: f64,
    /// Of `SET`s.
    pub set_p99_us: f64,
    /// Of `SET`s.
    pub set_max_us: f64,
    /// `INCR`s.
    pub incr_operations: u64,
    /// Of `INCR`s.
    pub incr_p50_us: f64,
    /// Of `INCR`s.
    pub incr_p99_us: f64,
    /// Of `INCR`s.
    pub incr_max_us: f64,
    /// `DEL`s.
    pub del_operations: u64,
    /// Of `DEL`s.
    pub del_p50_us: f64,
    /// Of `DEL`s.
    pub del_p99_us: f64,
    /// Of `DEL`s.
    pub del_max_us: f64,
    /// `EXISTS`es.
    pub exists_operations: u64,
    /// Of `EXISTS`es.
    pub exists_p50_us: f64,
    /// Of `EXISTS`es.
    pub exists_p99_us: f64,
    /// Of `EXISTS`es.
    pub exists_max_us: f64,
}

/// Where and when a run was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Circumstances {
    /// Of this program.
    pub version: String,
    /// Now, as text.
    pub date: String,
    /// Processors of this machine.
    pub cpus: u64,
    /// The name of what a sweep varies, or nothing.
    pub sweep: String,
    /// Its value.
    pub point: String,
    /// The how-manieth run of the point, from 1.
    pub repetition: u32,
}

impl Row {
    /// The row of a run.
    #[must_use]
    pub fn new(plan: &Plan, circumstances: &Circumstances, outcome: &Outcome) -> Self {
        let (requests, seconds) = match plan.limit {
            Limit::Requests(requests) => (Some(requests), None),
            Limit::Time(time) => (None, Some(time.as_secs_f64())),
        };
        let kind = |name| outcome.kinds.get(name).copied().unwrap_or_default();
        let conditions = Self {
            target: plan.target.clone(),
            servers: plan.servers,
            r#loop: if plan.rate.is_some() { "open" } else { "closed" }.to_owned(),
            rate: plan.rate,
            clients: plan.clients,
            threads: plan.threads_used(),
            pipeline: plan.pipeline,
            requests,
            seconds,
            warmup_s: plan.warmup.as_secs_f64(),
            value_size: plan.value_bytes,
            keys: plan.keys,
            distribution: plan.distribution.to_string(),
            mix: plan.mix.to_string(),
            preload: plan.preload,
            verify: plan.verify,
            seed: plan.seed,
            ..Self::default()
        };
        conditions
            .with_circumstances(circumstances.clone())
            .with_totals(outcome)
            .with_kinds(kind("get"), kind("set"), kind("incr"))
            .with_other_kinds(kind("del"), kind("exists"))
    }

    fn with_circumstances(self, circumstances: Circumstances) -> Self {
        let Circumstances { version, date, cpus, sweep, point, repetition } = circumstances;
        Self { version, date, cpus, sweep, point, repetition, ..self }
    }

    fn with_totals(self, outcome: &Outcome) -> Self {
        let error_kinds: Vec<String> =
            outcome.error_kinds.iter().map(|(kind, count)| format!("{kind}={count}")).collect();
        Self {
            elapsed_s: outcome.elapsed_s,
            operations: outcome.operations,
            throughput: outcome.throughput,
            errors: outcome.errors,
            error_kinds: error_kinds.join(" "),
            violations: outcome.violations,
            bytes_sent: outcome.bytes_sent,
            bytes_received: outcome.bytes_received,
            min_us: outcome.latency.min_us,
            p50_us: outcome.latency.p50_us,
            p90_us: outcome.latency.p90_us,
            p99_us: outcome.latency.p99_us,
            p999_us: outcome.latency.p999_us,
            max_us: outcome.latency.max_us,
            ..self
        }
    }

    fn with_kinds(self, get: Latency, set: Latency, incr: Latency) -> Self {
        Self {
            get_operations: get.operations,
            get_p50_us: get.p50_us,
            get_p99_us: get.p99_us,
            get_max_us: get.max_us,
            set_operations: set.operations,
            set_p50_us: set.p50_us,
            set_p99_us: set.p99_us,
            set_max_us: set.max_us,
            incr_operations: incr.operations,
            incr_p50_us: incr.p50_us,
            incr_p99_us: incr.p99_us,
            incr_max_us: incr.max_us,
            ..self
        }
    }

    fn with_other_kinds(self, del: Latency, exists: Latency) -> Self {
        Self {
            del_operations: del.operations,
            del_p50_us: del.p50_us,
            del_p99_us: del.p99_us,
            del_max_us: del.max_us,
            exists_operations: exists.operations,
            exists_p50_us: exists.p50_us,
            exists_p99_us: exists.p99_us,
            exists_max_us: exists.max_us,
            ..self
        }
    }
}
