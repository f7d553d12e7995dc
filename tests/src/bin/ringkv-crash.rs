//! Shell. The storage crash tests as a program: see [`e2e::crash`].

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use e2e::crash::Outcome;
use e2e::crash::campaign::{self, Blow, Plan};
use e2e::crash::progress::Progress;
use e2e::crash::{damage, faults};
use e2e::scenario;

/// Kills servers, takes their power, damages their files and fails their system calls; checks that
/// nothing that was acknowledged is lost. Needs the program `ringkv`: RINGKV_BIN.
#[derive(Parser)]
struct Arguments {
    /// How often a server under load is killed, half of it with each durability.
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// How often a server under load loses its power, half of it with each durability.
    #[arg(long, default_value_t = 0)]
    power_losses: u32,
    /// How many damages to files, cut short or with a bit flipped.
    #[arg(long, default_value_t = 0)]
    damages: u32,
    /// How many failing system calls of a fixed workload, chosen by chance.
    #[arg(long, default_value_t = 0)]
    faults: usize,
    /// Every failing system call of that workload.
    #[arg(long)]
    all_faults: bool,
    /// Where the choices begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Fail where something cannot run here.
    #[arg(long)]
    require_all: bool,
}

fn main() -> ExitCode {
    shell::panic::abort_on_panic();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let seed = arguments.seed;
    println!("seed {seed}");
    let blows = [(Blow::Kill, arguments.kills), (Blow::PowerLoss, arguments.power_losses)];
    for (blow, count) in blows {
        for (durability, count) in [("always", count.div_ceil(2)), ("everysec", count / 2)] {
            let plan = Plan { count, seed, durability, blow };
            let name = format!("{blow:?} {durability}, seed {seed}");
            part(arguments, &name, count > 0, async |directory, progress| {
                campaign::run(plan, directory, progress).await
            })?;
        }
    }
    let plan = damage::Plan { seed, count: arguments.damages };
    let name = format!("damaged files, seed {seed}");
    part(arguments, &name, arguments.damages > 0, async |directory, progress| {
        damage::run(plan, directory, progress).await
    })?;
    let sample = (!arguments.all_faults).then_some(arguments.faults);
    let plan = faults::Plan { seed, sample };
    let name = format!("failing calls, seed {seed}");
    part(arguments, &name, sample != Some(0), async |directory, progress| {
        faults::run(plan, directory, progress).await
    })
}

/// Runs a part in a directory of its own, and tells what came of it.
fn part<T: Display>(
    arguments: &Arguments,
    name: &str,
    is_wanted: bool,
    run: impl AsyncFnOnce(&std::path::Path, &mut Progress) -> anyhow::Result<Outcome<T>>,
) -> anyhow::Result<()> {
    if !is_wanted {
        return Ok(());
    }
    let mut directory = tempfile::Builder::new().prefix("ringkv-crash-").tempdir()?;
    let mut progress = Progress::new();
    let outcome = scenario(run(directory.path(), &mut progress));
    progress.clear();
    match outcome {
        Ok(Outcome::Done(summary)) => println!("{name}: {summary}"),
        Ok(Outcome::Skipped(why)) if arguments.require_all => {
            bail!("{name} cannot run here: {why}")
        }
        Ok(Outcome::Skipped(why)) => println!("skipped: {name}: {why}"),
        Err(error) => {
            directory.disable_cleanup(true);
            return Err(error.context(format!("{name}; see {}", directory.path().display())));
        }
    }
    Ok(())
}
