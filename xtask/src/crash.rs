//! Shell. `cargo xtask crash`: the storage crash tests, on a release build. Flags go to the program
//! `ringkv-crash`; without any it does what continuous integration does.

use std::path::Path;
use std::process::Command;

use crate::redis_tools::{apt_get, is_root, on_path};
use crate::release;
use crate::stage::Report;
use crate::suite::Options;

/// What is used, and the package of Debian that brings it.
const TOOLS: [(&str, &str); 4] =
    [("strace", "strace"), ("mkfs.ext4", "e2fsprogs"), ("mount", "mount"), ("perl", "perl-base")];
/// What a run without flags does.
const SHARE: [&str; 8] =
    ["--kills", "200", "--power-losses", "50", "--damages", "240", "--faults", "240"];

/// Runs a campaign of the given size.
pub(crate) fn run(flags: &[String]) -> anyhow::Result<()> {
    let mut report = Report::new();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let flags = if flags.is_empty() { &SHARE[..] } else { &flags };
    let options = Options::default();
    release::build(&mut report, options)?;
    tests(&mut report, options, flags)?;
    report.finish();
    Ok(())
}

/// The stages of a test run, on the release build that is there.
pub(crate) fn stages(report: &mut Report, options: Options) -> anyhow::Result<()> {
    tests(report, options, &SHARE)
}

fn tests(report: &mut Report, options: Options, flags: &[&str]) -> anyhow::Result<()> {
    report.call("strace and ext4", || provide(!options.no_install))?;
    let mut tests = Command::new(release::program("ringkv-crash"));
    tests.args(flags).env("RINGKV_BIN", release::program("ringkv"));
    if options.ci {
        tests.arg("--require-all");
    }
    report.run("storage crash tests", &mut tests)
}

/// Installs what is missing where that is possible; what then cannot run says so by itself.
fn provide(may_install: bool) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        TOOLS.iter().filter(|(tool, _)| !is_there(tool)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        println!("found");
        return Ok(());
    }
    println!("missing: {}", missing.join(", "));
    if may_install && Path::new("/etc/debian_version").exists() && is_root() {
        let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
        let done = apt_get(&["update", "--quiet"]) && apt_get(&[&install[..], &missing].concat());
        println!("{}", if done { "installed" } else { "they could not be installed" });
    }
    Ok(())
}

/// Tools of the administrator are not on everybody's path.
fn is_there(tool: &str) -> bool {
    on_path(tool) || Path::new("/usr/sbin").join(tool).is_file()
}
