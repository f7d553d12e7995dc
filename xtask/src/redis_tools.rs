//! Shell. Provides redis-cli and redis-benchmark, with which some end-to-end tests talk to ringkv.

use std::path::Path;
use std::process::Command;

const TOOLS: [&str; 2] = ["redis-cli", "redis-benchmark"];

/// Installs Debian's redis-tools where they are missing and that is possible; says so otherwise.
pub(crate) fn provide(may_install: bool) -> anyhow::Result<()> {
    if TOOLS.iter().all(|tool| on_path(tool)) {
        println!("found");
        return Ok(());
    }
    if may_install && Path::new("/etc/debian_version").exists() && is_root() {
        println!("missing; installing Debian's redis-tools (`--no-install` forbids that)");
        let installed = apt_get(&["update", "--quiet"])
            && apt_get(&["install", "--yes", "--quiet", "--no-install-recommends", "redis-tools"]);
        if installed {
            return Ok(());
        }
    }
    println!(
        "skipped: the tests with redis-cli and redis-benchmark, which are not installed; \
         on Debian: apt-get install redis-tools"
    );
    Ok(())
}

/// Whether there is such a program.
pub(crate) fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(tool).is_file())
}

/// Whether packages may be installed.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|answer| answer.stdout.trim_ascii() == b"0")
}

/// Whether apt-get did it.
pub(crate) fn apt_get(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command.status().is_ok_and(|status| status.success())
}
