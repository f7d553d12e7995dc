//! Shell. Runs the real router, server and coordinator in a simulated world: network, clocks, disks
//! and randomness follow from a seed, and so does everything that goes wrong.

mod clock;
mod history;
mod hosts;
mod judge;
mod plan;
mod stage;
mod trace;
mod world;

use std::process::ExitCode;

use clap::Parser;
use rand::SeedableRng as _;

/// Runs one seed, prints a line of JSON about it, and fails if anything was wrong.
#[derive(Parser)]
#[command(after_help = "Example: ringkv-sim --seed 42 --trace\nMany seeds: cargo xtask simulate")]
struct Arguments {
    /// The seed.
    #[arg(long)]
    seed: u64,
    /// Print what happens, and with RUST_LOG what the programs log.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let Arguments { seed, trace } = Arguments::parse();
    // What libraries draw, such as the order of their hash tables, and their clocks.
    mad_turmoil::rand::set_rng(rand::rngs::StdRng::seed_from_u64(seed));
    let _clocks = mad_turmoil::time::SimClocksGuard::init();
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
            eprintln!("seed {seed}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
