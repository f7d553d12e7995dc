//! Shell. `cargo xtask porcupine`: a second opinion on histories, by porcupine, which is written by
//! others and in another language. Made-up histories, on which both judges have to agree, or those
//! that a failed run has kept.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::stage::Report;
use crate::suite::Options;
use crate::{release, root};

/// How many made-up histories are judged in `cargo xtask test`.
const HISTORIES: u64 = 20_000;
const SEED: u64 = 1;

/// Judges the files that are named, or made-up histories: `--seed S --count N`.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let (mut seed, mut count, mut files) = (SEED, HISTORIES, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a number"));
        match word.as_str() {
            "--seed" => seed = value()?.parse().context("--seed")?,
            "--count" => count = value()?.parse().context("--count")?,
            flag if flag.starts_with("--") => bail!("unknown flag {flag}; known: --seed, --count"),
            file => files.push(PathBuf::from(file)),
        }
    }
    if files.is_empty() {
        release::build(&mut Report::new(), Options::default())?;
        files.push(made_up(seed, count)?);
    }
    judge(&files)
}

/// The same as a stage of a larger run, on the release build that is there; says so where there is
/// no Go.
pub(crate) fn stages(report: &mut Report, options: Options) -> anyhow::Result<()> {
    let version = Command::new("go").arg("version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        ensure!(!options.ci, "there is no Go to build porcupine with");
        println!("\nskipped: porcupine's second opinion (needs Go)");
        return Ok(());
    }
    report.call("porcupine agrees with our judge", || judge(&[made_up(SEED, HISTORIES)?]))
}

fn made_up(seed: u64, count: u64) -> anyhow::Result<PathBuf> {
    let path = directory()?.join("made-up.jsonl");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut generator = Command::new(release::program("register-histories"));
    generator.args(["--seed", &seed.to_string(), "--count", &count.to_string()]);
    let status = generator.current_dir(root()).stdout(file).status();
    let status = status.context("cannot start register-histories")?;
    ensure!(status.success(), "register-histories failed ({status})");
    Ok(path)
}

fn judge(files: &[PathBuf]) -> anyhow::Result<()> {
    let files: Vec<PathBuf> = files.iter().map(fs::canonicalize).collect::<Result<_, _>>()?;
    let program = directory()?.join("porcupine");
    let module = root().join("tests/porcupine");
    let mut build = Command::new("go");
    build.args(["build", "-trimpath", "-o"]).arg(&program).arg(".").env("CGO_ENABLED", "0");
    let status = build.current_dir(module).status().context("cannot start go")?;
    ensure!(status.success(), "go build of porcupine failed ({status})");
    let mut judge = Command::new(&program);
    let status = judge.arg("-pictures").arg(directory()?).args(files).status();
    let status = status.context("cannot start porcupine")?;
    ensure!(status.success(), "porcupine does not agree");
    Ok(())
}

fn directory() -> anyhow::Result<PathBuf> {
    let path = root().join("target/porcupine");
    fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}
