//! Shell. Alternating rounds of redis-benchmark on the sides of a comparison.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::benchmark::{self, Outcome};
use super::cell::{Cell, Durability, Kind};
use super::options::Options;
use super::rows::{Row, Sample};
use super::sides::Side;
use crate::processes::{Process, cpu_seconds, run};

/// Requests of each connection in the first trial, and how many there are at the most.
const TRIAL_REQUESTS: u64 = 4;
const TRIALS_MAX: u32 = 6;
/// A run may take so many times as long as was aimed at, and this besides.
const PATIENCE: f64 = 30.0;
const PATIENCE_BESIDES: Duration = Duration::from_secs(60);
/// Connections that write beside the GETs that are measured, and their start.
const BESIDE_CONNECTIONS: u32 = 8;
const BESIDE_START: Duration = Duration::from_millis(300);
/// It is told to begin anew when it has done these; it can count no further.
const REQUESTS_OF_LOOP: u64 = i32::MAX as u64;

/// Measures a cell on all sides.
pub(crate) fn measure(
    sides: &[Side],
    durability: Durability,
    cell: &Cell,
    options: &Options,
    directory: &Path,
) -> anyhow::Result<Row> {
    let each = Run { sides, cell, options, directory };
    let rates: Vec<f64> =
        sides.iter().map(|side| each.trial(side)).collect::<anyhow::Result<_>>()?;
    let requests = benchmark::requests_for(options.seconds, &rates, cell);
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        let mut order: Vec<usize> = (0..sides.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        let mut samples = Vec::new();
        for index in order {
            let side = sides.get(index).context("no such side")?;
            samples.push((index, each.round(side, requests)?));
        }
        samples.sort_by_key(|(index, _)| *index);
        rounds.push(samples.into_iter().map(|(_, sample)| sample).collect());
    }
    Ok(Row { durability, cell: *cell, requests, rounds })
}

struct Run<'a> {
    sides: &'a [Side],
    cell: &'a Cell,
    options: &'a Options,
    directory: &'a Path,
}

impl Run<'_> {
    /// About how many requests a second there are.
    fn trial(&self, side: &Side) -> anyhow::Result<f64> {
        let at_once = u64::from(self.cell.connections) * u64::from(self.cell.pipeline);
        let mut requests = (at_once * TRIAL_REQUESTS).max(1_000);
        let (mut rate, enough) = (0.0, benchmark::trial_seconds(self.options.client_threads));
        for _ in 0..TRIALS_MAX {
            rate = self.benchmark(side, requests)?.0.per_second;
            if requests as f64 / rate.max(1.0) >= enough {
                break;
            }
            requests *= 8;
        }
        Ok(rate)
    }

    fn round(&self, side: &Side, requests: u64) -> anyhow::Result<Sample> {
        let idle: Vec<u32> = self
            .sides
            .iter()
            .flat_map(|other| other.front.iter().chain(&other.servers))
            .filter(|pid| !side.front.contains(pid) && !side.servers.contains(pid))
            .copied()
            .collect();
        let groups = [&side.front, &side.servers, &idle];
        let used = || -> anyhow::Result<Vec<f64>> {
            groups.iter().map(|pids| cpu_seconds(pids)).collect()
        };
        let (before, began) = (used()?, Instant::now());
        let (outcome, client) = self.benchmark(side, requests)?;
        let (seconds, after) = (began.elapsed().as_secs_f64(), used()?);
        let spent: Vec<f64> =
            after.iter().zip(&before).map(|(after, before)| after - before).collect();
        let spent = |at: usize| spent.get(at).copied().unwrap_or(0.0);
        Ok(Sample {
            per_second: outcome.per_second,
            p50_ms: outcome.p50_ms,
            p99_ms: outcome.p99_ms,
            proxy_cpu_seconds: spent(0),
            servers_cpu_seconds: spent(1),
            idle_share: spent(2) / seconds.max(1e-3),
            client_share: client * outcome.per_second / requests as f64,
        })
    }

    /// What redis-benchmark says, and its processor time.
    fn benchmark(&self, side: &Side, requests: u64) -> anyhow::Result<(Outcome, f64)> {
        let beside = match self.cell.kind {
            Kind::GetBesideSet => Some(self.start_beside(side)?),
            Kind::Set | Kind::Get => None,
        };
        let threads = self.options.client_threads;
        let words =
            benchmark::arguments(self.cell, side.port, requests, self.options.keys, threads);
        let within = Duration::from_secs_f64(self.options.seconds * PATIENCE) + PATIENCE_BESIDES;
        let (program, words) = self.as_client(words);
        let ended = run(Command::new(program).args(words), within);
        let ended = ended.with_context(|| format!("{}, {}", side.name, self.cell))?;
        drop(beside);
        let outcome = benchmark::parse(&ended.printed);
        let outcome = outcome.with_context(|| format!("{}, {}", side.name, self.cell))?;
        Ok((outcome, ended.cpu_seconds))
    }

    fn start_beside(&self, side: &Side) -> anyhow::Result<Process> {
        let set = Cell { kind: Kind::Set, connections: BESIDE_CONNECTIONS, ..*self.cell };
        let mut words =
            benchmark::arguments(&set, side.port, REQUESTS_OF_LOOP, self.options.keys, 1);
        words.push("-l".to_owned());
        let (program, words) = self.as_client(words);
        let beside = Process::start("beside", self.directory, Path::new(&program), &words)?;
        sleep(BESIDE_START);
        Ok(beside)
    }

    /// redis-benchmark with these arguments, on the processors of the client.
    fn as_client(&self, words: Vec<String>) -> (String, Vec<String>) {
        let program = "redis-benchmark".to_owned();
        let Some(pin) = &self.options.pin else { return (program, words) };
        let taskset = ["--cpu-list".to_owned(), pin.client.clone(), program];
        ("taskset".to_owned(), taskset.into_iter().chain(words).collect())
    }
}
