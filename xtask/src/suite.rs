//! Shell. The stages of `cargo xtask test` and `cargo xtask ci`, in order.

use std::process::Command;

use crate::stage::Report;
use crate::{
    crash, e2e, foreign, fuzz, instructions, model, operator_faults, planted, porcupine,
    redis_tools, release, simulation, tidy, torture,
};

/// What to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Leave the end-to-end tests out.
    pub(crate) quick: bool,
    /// Install no system package.
    pub(crate) no_install: bool,
    /// As in continuous integration: a locked lockfile, no skipped test, a short fuzz run.
    pub(crate) ci: bool,
}

impl Options {
    /// Reads the flags after the task's name.
    pub(crate) fn parse(flags: &[String]) -> anyhow::Result<Self> {
        let mut options = Self::default();
        for flag in flags {
            match flag.as_str() {
                "--quick" => options.quick = true,
                "--no-install" => options.no_install = true,
                "--ci" => options.ci = true,
                _ => anyhow::bail!("unknown flag {flag}; known: --quick, --no-install"),
            }
        }
        Ok(options)
    }
}

/// Runs everything; stops at the first failure.
pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let mut report = Report::new();
    report.run("formatting", cargo(options, "fmt").args(["--all", "--check"]))?;
    report.call("tidy", tidy::run)?;
    report.run(
        "lints",
        cargo(options, "clippy").args(["--workspace", "--all-targets", "--", "-D", "warnings"]),
    )?;
    report.run(
        "unit and property tests",
        cargo(options, "test").args(["--workspace", "--exclude", "e2e", "--no-fail-fast"]),
    )?;
    simulation::stages(&mut report, options)?;
    if options.ci {
        fuzz::stages(&mut report, options)?;
    }
    if !options.quick {
        model::stages(&mut report, options)?;
        planted::stages(&mut report)?;
    }
    if options.quick {
        println!(
            "\nskipped: the model, planted bugs, porcupine and the end-to-end tests (--quick)"
        );
    } else {
        end_to_end(&mut report, options)?;
    }
    report.finish();
    Ok(())
}

/// The tests against real processes of the release binary.
fn end_to_end(report: &mut Report, options: Options) -> anyhow::Result<()> {
    report.call("redis-cli and redis-benchmark", || redis_tools::provide(!options.no_install))?;
    release::build(report, options)?;
    report.call("no planted bug in it", planted::require_absence)?;
    instructions::stages(report, options)?;
    porcupine::stages(report, options)?;
    let mut tests = release::tests(options, &["--lib", "--test", "main"]);
    tests.args(["--", "--nocapture", "--test-threads=1"]);
    if options.ci {
        tests.env("RINGKV_REQUIRE_REDIS_TOOLS", "1");
    }
    report.run("end-to-end tests", &mut tests)?;
    crash::stages(report, options)?;
    torture::stages(report)?;
    foreign::stages(report, options)?;
    operator_faults::stages(report, options)?;
    e2e::stages(report, options)
}

pub(crate) fn cargo(options: Options, subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.arg(subcommand);
    if options.ci && subcommand != "fmt" {
        command.arg("--locked");
    }
    command
}
