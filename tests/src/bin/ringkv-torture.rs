//! Shell. Tortures real clusters and judges every key: see [`e2e::torture`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use e2e::scenario;
use e2e::torture::{self, Choice, Kind, Nemesis, Options};

/// Clusters live, clients work, things go wrong, sizes change; after each round every key is
/// judged. Every choice follows from the seed. Ends with 1 where something was that must not be.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// How long: no round begins later.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The most rounds.
    #[arg(long, default_value_t = u32::MAX)]
    rounds: u32,
    /// Where the choices begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first cluster, by its number, to repeat what failed.
    #[arg(long, default_value_t = 0)]
    first_life: u32,
    /// What may go wrong: kill, pause, partition, slow, half-open, full-disk, clock; or none.
    #[arg(long, value_delimiter = ',', default_value = "kill,pause,partition,slow,half-open")]
    nemesis: Vec<String>,
    /// What clients do: registers, lists, counters, sequences.
    #[arg(long, value_delimiter = ',', default_value = "registers,lists,counters,sequences")]
    workload: Vec<String>,
    /// The size does not change.
    #[arg(long)]
    no_scale: bool,
    /// Something goes wrong in every round.
    #[arg(long)]
    no_calm: bool,
    /// Seconds of a round at the least.
    #[arg(long, default_value_t = 12.0)]
    round_seconds: f64,
    /// How many clients.
    #[arg(long, default_value_t = 8)]
    clients: u16,
    /// Where failures are written down.
    #[arg(long, default_value = "target/torture")]
    failures: PathBuf,
    /// The library of libfaketime, for `clock`; RINGKV_BIN must be linked dynamically then.
    #[arg(long)]
    faketime: Option<PathBuf>,
    /// Prints the summary as JSON at the end.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    shell::panic::abort_on_panic();
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was as it must be.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let options = options(arguments)?;
    println!("{}", options.command);
    let summary = scenario(torture::run(&options))?;
    println!("{summary}");
    for violation in &summary.violations {
        println!("VIOLATION {violation}");
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&summary)?);
    }
    Ok(summary.violations.is_empty())
}

fn options(arguments: &Arguments) -> anyhow::Result<Options> {
    let nemeses = arguments.nemesis.iter().filter(|name| *name != "none");
    let nemeses: Result<Vec<Nemesis>, String> = nemeses.map(|name| name.parse()).collect();
    let kinds: Result<Vec<Kind>, String> =
        arguments.workload.iter().map(|name| name.parse()).collect();
    Ok(Options {
        choice: Choice {
            seed: arguments.seed,
            nemeses: nemeses.map_err(anyhow::Error::msg)?,
            kinds: kinds.map_err(anyhow::Error::msg)?,
            scale: !arguments.no_scale,
            round: Duration::from_secs_f64(arguments.round_seconds),
            may_be_calm: !arguments.no_calm,
        },
        time: Duration::from_secs_f64(arguments.minutes * 60.0),
        rounds: arguments.rounds,
        first_life: arguments.first_life,
        clients: arguments.clients,
        failures: arguments.failures.clone(),
        faketime: arguments.faketime.clone(),
        command: command(arguments),
    })
}

/// The command that makes the same choices.
fn command(arguments: &Arguments) -> String {
    let mut command = format!(
        "cargo xtask torture --seed {} --nemesis {} --workload {} --round-seconds {} --clients {}",
        arguments.seed,
        arguments.nemesis.join(","),
        arguments.workload.join(","),
        arguments.round_seconds,
        arguments.clients
    );
    for (is_given, flag) in [(arguments.no_scale, " --no-scale"), (arguments.no_calm, " --no-calm")]
    {
        command.push_str(if is_given { flag } else { "" });
    }
    command
}
