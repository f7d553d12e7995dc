//! Shell. The load of the end-to-end tests, as a program for a pod: see [`e2e::load`].

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use e2e::load::{self, Options};
use e2e::scenario;
use e2e::workload::Plan;
use rustix::process::{Pid, Signal, kill_process};

/// Writes unique values through a router and reads them back; prints a verdict at the end.
#[derive(Parser)]
struct Arguments {
    /// Where the router is, `host:port`.
    #[arg(long, required_unless_present = "stop")]
    target: Option<String>,
    /// The password of the cluster.
    #[arg(long, env = "RINGKV_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// How long to work.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Operations in a second, of all clients together.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// How many clients.
    #[arg(long, default_value_t = 4)]
    clients: u16,
    /// How many keys.
    #[arg(long, default_value_t = 10_000)]
    keys: u32,
    /// Bytes of a value.
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Where the choices begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ask the load that runs as process 1, in the same container, to end.
    #[arg(long)]
    stop: bool,
}

fn main() -> ExitCode {
    shell::panic::abort_on_panic();
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was lost and nothing was stale.
fn run(arguments: Arguments) -> anyhow::Result<bool> {
    if arguments.stop {
        kill_process(Pid::INIT, Signal::TERM).context("cannot signal process 1")?;
        return Ok(true);
    }
    let options = Options {
        target: arguments.target.context("--target is missing")?,
        password: arguments.password,
        seconds: arguments.seconds,
        rate: arguments.rate,
        plan: Plan {
            keys: arguments.keys,
            clients: arguments.clients,
            value_bytes: arguments.value_bytes,
            seed: arguments.seed,
        },
    };
    scenario(async {
        let report = load::run(&options).await?;
        println!("{}", serde_json::to_string(&report)?);
        Ok(report.is_sound())
    })
}
