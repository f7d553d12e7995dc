//! Shell. The release build that the end-to-end tests run: static where it can be, so that one
//! build serves the tests on this machine and the images for Kubernetes.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::root;
use crate::stage::Report;
use crate::suite::{Options, cargo};

/// The product, and the programs that test it. Always named together: from another selection of
/// packages other features of their dependencies follow, and cargo would build those once more.
pub(crate) const PACKAGES: [&str; 4] = ["-p", "ringkv", "-p", "e2e"];

/// What is built statically besides what is asked for.
const FLAGS: &str = "-C target-feature=+crt-static";

/// Builds [`PACKAGES`].
pub(crate) fn build(report: &mut Report, options: Options) -> anyhow::Result<()> {
    let mut build = cargo(options, "build");
    report.run("release build", release(build.args(PACKAGES).arg("--bins")))
}

/// The ringkv to measure: that which is given, or else the release build, which is made first.
pub(crate) fn given_or_built(program: Option<&Path>) -> anyhow::Result<PathBuf> {
    match program {
        Some(program) => {
            program.canonicalize().with_context(|| format!("--program {}", program.display()))
        }
        None => {
            build(&mut Report::new(), Options::default())?;
            Ok(self::program("ringkv"))
        }
    }
}

/// A run of tests of [`PACKAGES`] on the release build; what they are told follows.
pub(crate) fn tests(options: Options, which: &[&str]) -> Command {
    let mut command = cargo(options, "test");
    release(command.args(PACKAGES).args(which));
    command.env("RINGKV_BIN", program("ringkv"));
    command
}

/// Adds the flags of a release build to a command of cargo.
pub(crate) fn release(command: &mut Command) -> &mut Command {
    command.arg("--release");
    if let Some(target) = target() {
        let flags = env::var("RUSTFLAGS").unwrap_or_default();
        // With a target named, the flags are not those of build scripts and macros.
        command.args(["--target", &target]);
        command.env("RUSTFLAGS", format!("{flags} {FLAGS}"));
    }
    // Symbols for whoever reads a panic; the rest would only make images large.
    command.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo")
}

/// Where such a build puts a program.
pub(crate) fn program(name: &str) -> PathBuf {
    let mut path = target_directory();
    path.extend(target());
    path.join("release").join(name)
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The target by name, where programs are linked statically.
fn target() -> Option<String> {
    cfg!(all(target_os = "linux", target_env = "gnu"))
        .then(|| format!("{}-unknown-linux-gnu", env::consts::ARCH))
}
