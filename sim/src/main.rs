//! Shell. Runs the real router, server and coordinator in a simulated world: network, clocks, disks
//! and randomness follow from a seed, and so does everything that goes wrong.

mod campaign;
mod clock;
mod history;
mod hosts;
mod judge;
mod plan;
mod stage;
mod trace;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    about,
    after_help = "Examples:\n  ringkv-sim run --seed 42 --trace\n  \
    ringkv-sim campaign --seeds 300 --from 1"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one seed and says what came of it.
    Run {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// Print what happens, and with RUST_LOG what the programs log.
        #[arg(long)]
        trace: bool,
    },
    /// Runs many seeds, each in a process of its own.
    Campaign(campaign::Options),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { seed, trace } => run(seed, trace),
        Command::Campaign(options) => campaign::run(&options),
    }
}

fn run(seed: u64, trace: bool) -> ExitCode {
    if trace {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .without_time()
            .with_ansi(false)
            .with_writer(std::io::stdout)
            .init();
    }
    let (report, outcome) = world::run(seed, trace);
    println!("{}", serde_json::to_string(&report).unwrap_or_default());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seed {seed}: {error:#}\nreplay: ringkv-sim run --seed {seed} --trace");
            ExitCode::FAILURE
        }
    }
}
