//! Shell. `cargo xtask fuzz`: the targets of `fuzz/` with libFuzzer, which is built with them.
//! Needs a C++ compiler, and no other Rust than the tests do.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, anyhow, bail, ensure};

use crate::redis_tools::{apt_get, is_root, on_path};
use crate::stage::Report;
use crate::suite::{Options, cargo};
use crate::{release, root};

/// How long each target runs in continuous integration.
const SECONDS: u32 = 15;
/// How many targets run at a time.
const JOBS: usize = 2;
/// What a target may take in all, and at once.
const RSS_LIMIT_MB: u32 = 1_024;
const MALLOC_LIMIT_MB: u32 = 256;
/// How long one input may take: a hang is a failure.
const INPUT_SECONDS_MAX: u32 = 20;
/// The longest input: enough for a few documents, and short enough to be many.
const INPUT_BYTES_MAX: u32 = 8_192;
const PROGRAM: &str = "fuzz";

/// `--seconds N` and names of targets; all of them where none is named.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let (mut seconds, mut names) = (60, BTreeSet::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                let value = words.next().context("--seconds needs a number")?;
                seconds = value.parse().context("--seconds")?;
            }
            flag if flag.starts_with("--") => bail!("unknown flag {flag}; known: --seconds N"),
            name => {
                names.insert(name.to_owned());
            }
        }
    }
    let known = targets()?;
    let unknown: Vec<&String> = names.difference(&known).collect();
    ensure!(unknown.is_empty(), "no target is called {unknown:?}; there are {known:?}");
    let names = if names.is_empty() { known } else { names };
    let mut report = Report::new();
    fuzz(&mut report, Options::default(), &names, seconds)?;
    report.finish();
    Ok(())
}

/// A short run of every target, as stages of a larger run.
pub(crate) fn stages(report: &mut Report, options: Options) -> anyhow::Result<()> {
    if !provide_compiler(!options.no_install) {
        ensure!(!options.ci, "there is no C++ compiler to build libFuzzer with");
        println!("\nskipped: fuzzing (needs a C++ compiler)");
        return Ok(());
    }
    fuzz(report, options, &targets()?, SECONDS)
}

/// Whether there is a C++ compiler; installs Debian's where that is possible.
fn provide_compiler(may_install: bool) -> bool {
    let is_possible = may_install && on_path("apt-get") && is_root();
    on_path("c++")
        || is_possible
            && apt_get(&["update", "--quiet"])
            && apt_get(&["install", "--yes", "--quiet", "--no-install-recommends", "g++"])
}

fn fuzz(
    report: &mut Report,
    options: Options,
    names: &BTreeSet<String>,
    seconds: u32,
) -> anyhow::Result<()> {
    let mut build = cargo(options, "build");
    build.args(["--package", "fuzz", "--bin", PROGRAM, "--features", "engine"]);
    build.env("RUSTC_WORKSPACE_WRAPPER", root().join("fuzz/instrument.sh"));
    report.run("build of the fuzz targets", &mut build)?;
    let names: Vec<&String> = names.iter().collect();
    for some in names.chunks(JOBS) {
        let words: Vec<&str> = some.iter().map(|name| name.as_str()).collect();
        report.call(&format!("fuzz {}", words.join(", ")), || side_by_side(&words, seconds))?;
    }
    Ok(())
}

/// Runs these targets at the same time; prints what each has said when it has ended.
fn side_by_side(names: &[&str], seconds: u32) -> anyhow::Result<()> {
    let run = |name| target(name, seconds)?.output().context("cannot start a fuzz target");
    let outputs: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = names.iter().map(|name| scope.spawn(move || run(name))).collect();
        running.into_iter().map(ScopedJoinHandle::join).collect()
    });
    let mut failed = Vec::new();
    for (name, output) in names.iter().zip(outputs) {
        let output = output.map_err(|_| anyhow!("a panic at {name}"))??;
        io::stdout().write_all(&[output.stdout, output.stderr].concat())?;
        if !output.status.success() {
            failed.push(format!("{name}: {}", output.status));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// One target, from what is kept of it and what earlier runs on this machine have found.
fn target(name: &str, seconds: u32) -> anyhow::Result<Command> {
    let directory = release::target_directory().join("fuzz");
    let (found, failed) = (directory.join("found").join(name), directory.join("failed"));
    for directory in [&found, &failed] {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let mut command = Command::new(release::target_directory().join("debug").join(PROGRAM));
    command
        .current_dir(root())
        .env("RINGKV_FUZZ_TARGET", name)
        .args([&found, &corpora().join(name)])
        .args([
            format!("-max_total_time={seconds}"),
            format!("-rss_limit_mb={RSS_LIMIT_MB}"),
            format!("-malloc_limit_mb={MALLOC_LIMIT_MB}"),
            format!("-timeout={INPUT_SECONDS_MAX}"),
            format!("-max_len={INPUT_BYTES_MAX}"),
            format!("-artifact_prefix={}/{name}-", failed.display()),
            "-print_final_stats=1".to_owned(),
            "-print_funcs=0".to_owned(),
            "-verbosity=0".to_owned(),
        ]);
    Ok(command)
}

/// Every target has a corpus; a test of `fuzz/` sees to that.
fn targets() -> anyhow::Result<BTreeSet<String>> {
    let corpora = corpora();
    let entries =
        fs::read_dir(&corpora).with_context(|| format!("cannot list {}", corpora.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

fn corpora() -> PathBuf {
    root().join("fuzz/corpus")
}
