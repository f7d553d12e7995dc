//! Shell. `cargo xtask torture`: real clusters under faults and changes of size, for as long as one
//! likes; without arguments each kind of fault for a moment.

use std::process::Command;

use crate::release;
use crate::stage::Report;
use crate::suite::Options;

/// Each cell: what goes wrong, and whether the size changes.
const CELLS: [(&str, bool); 8] = [
    ("none", false),
    ("kill", false),
    ("pause", false),
    ("partition,half-open", false),
    ("none", true),
    ("kill", true),
    ("pause,slow", true),
    ("partition,half-open", true),
];
/// How long a round of such a cell goes on at the least.
const CELL_SECONDS: &str = "8";

/// A campaign with these arguments of `ringkv-torture`.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let mut report = Report::new();
    release::build(&mut report, Options::default())?;
    if arguments.is_empty() {
        stages(&mut report)?;
    } else {
        report.run("torture", torture().args(arguments))?;
    }
    report.finish();
    Ok(())
}

/// The stages of a test run, on the release build that is there: each cell.
pub(crate) fn stages(report: &mut Report) -> anyhow::Result<()> {
    for (index, (nemesis, scale)) in CELLS.iter().enumerate() {
        let mut command = torture();
        let seed = (index + 1).to_string();
        command.args(["--rounds", "1", "--no-calm", "--round-seconds", CELL_SECONDS]);
        command.args(["--seed", &seed, "--nemesis", nemesis]);
        if !scale {
            command.arg("--no-scale");
        }
        let size = if *scale { " and changes of size" } else { "" };
        report.run(&format!("torture: {nemesis}{size}"), &mut command)?;
    }
    Ok(())
}

fn torture() -> Command {
    let mut command = Command::new(release::program("ringkv-torture"));
    command.env("RINGKV_BIN", release::program("ringkv"));
    command
}
