//! Shell. The exhaustive search of the protocol's small worlds (`crates/model`).

use std::process::Command;

use anyhow::bail;

use crate::stage::Report;
use crate::suite::{Options, cargo};
use crate::{release, root};

/// What every program that searches is built with.
const BUILD: [&str; 4] = ["-p", "model", "--features", "model/mutants"];

/// The stages of a test run: every scenario, and every rule left out.
pub(crate) fn stages(report: &mut Report, options: Options) -> anyhow::Result<()> {
    report.run("model: build", release::release(&mut build(options)))?;
    report.run("model: every scenario", &mut Command::new(release::program("model")))?;
    let mut mutants = Command::new(release::program("model"));
    report.run("model: every rule left out", mutants.arg("--mutants"))
}

/// `cargo xtask model`: flags and names of scenarios go to the program.
pub(crate) fn run(flags: &[String]) -> anyhow::Result<()> {
    let built = release::release(&mut build(Options::default())).current_dir(root()).status()?;
    if !built.success() {
        bail!("the model does not build");
    }
    let searched = Command::new(release::program("model")).args(flags).status()?;
    if !searched.success() {
        bail!("the search has found something, or was not finished");
    }
    Ok(())
}

fn build(options: Options) -> Command {
    let mut command = cargo(options, "build");
    command.args(BUILD);
    command
}
