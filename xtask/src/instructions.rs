//! Shell. `cargo xtask instructions`: counts the instructions of each hot path with callgrind, and
//! holds them against the stored budgets. Times are noisy on a machine that others use; of
//! instructions there are as many each time.

mod budget;
#[cfg(test)]
mod tests;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, anyhow, bail, ensure};

use crate::redis_tools::{apt_get, is_root, on_path};
use crate::stage::Report;
use crate::suite::{Options, cargo};
use crate::{release, root};
use budget::{Budgets, judge, per_operation, total};

const PROGRAM: &str = "hot-paths";
/// From the root of the repository.
const BUDGETS: &str = "crates/hot-paths/budgets.json";
/// Which memcpy and the like the C library takes depends on the processor; these are those that
/// every processor has.
const PLAIN_PROCESSOR: (&str, &str) =
    ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX_Fast_Unaligned_Load,-ERMS");
const REMEDY: &str = "make it as fast as before, or, where the cost is worth it, store the new \
                      numbers with `cargo xtask instructions --update` and say why in the commit";

/// What to count.
#[derive(Debug, Default)]
struct Choice {
    /// Store what is counted.
    update: bool,
    no_install: bool,
    /// Only cases whose names contain one of these; all of them where there is none.
    words: Vec<String>,
}

/// `--update`, `--no-install`, and parts of names.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let mut choice = Choice::default();
    for word in words {
        match word.as_str() {
            "--update" => choice.update = true,
            "--no-install" => choice.no_install = true,
            flag if flag.starts_with("--") => {
                bail!("unknown flag {flag}; known: --update, --no-install");
            }
            part => choice.words.push(part.to_owned()),
        }
    }
    if let Some(why) = obstacle(!choice.no_install) {
        bail!(why);
    }
    build(&mut Report::new(), Options::default())?;
    count(&choice)
}

/// The stages of a test run: all cases against their budgets. Skipped, and said so, where nothing
/// can be counted, or a failure where nothing may be skipped.
pub(crate) fn stages(report: &mut Report, options: Options) -> anyhow::Result<()> {
    if let Some(why) = obstacle(!options.no_install) {
        ensure!(!options.ci, "the hot paths: {why}");
        println!("skipped: instructions of the hot paths: {why}");
        return Ok(());
    }
    build(report, options)?;
    report.call("instructions of the hot paths", || count(&Choice::default()))
}

/// Why nothing can be counted here. Installs Debian's valgrind where that is what is missing.
fn obstacle(may_install: bool) -> Option<&'static str> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("the budgets are of x86-64 Linux");
    }
    let is_possible = may_install && on_path("apt-get") && is_root();
    let provided = on_path("valgrind")
        || is_possible
            && apt_get(&["update", "--quiet"])
            && apt_get(&["install", "--yes", "--quiet", "--no-install-recommends", "valgrind"]);
    (!provided).then_some("valgrind is missing; on Debian: apt-get install valgrind")
}

/// With the flags and the packages of the release build, so that nothing is built twice.
fn build(report: &mut Report, options: Options) -> anyhow::Result<()> {
    let mut build = cargo(options, "build");
    build.args(release::PACKAGES).args(["-p", PROGRAM, "--bin", PROGRAM]);
    report.run("build of the hot paths", release::release(&mut build))
}

/// A case as the program lists it.
struct Case {
    name: String,
    n_operations: u64,
}

fn count(choice: &Choice) -> anyhow::Result<()> {
    let cases = cases()?;
    let path = root().join(BUDGETS);
    let mut budgets = match fs::read_to_string(&path) {
        Ok(json) => Budgets::from_json(&json).with_context(|| path.display().to_string())?,
        Err(_) if choice.update => Budgets::default(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {BUDGETS}")),
    };
    let is_chosen =
        |name: &str| choice.words.is_empty() || choice.words.iter().any(|word| name.contains(word));
    let chosen: Vec<&Case> = cases.iter().filter(|case| is_chosen(&case.name)).collect();
    ensure!(!chosen.is_empty(), "no case has a name with {:?}", choice.words);
    let (mut counts, mut failed) = (Vec::new(), Vec::new());
    for case in chosen {
        let counted = instructions(case)?;
        let judgement = judge(counted, budgets.of(&case.name));
        println!("{counted:>9}  {:<48} {judgement}", case.name);
        if judgement.is_failure() {
            failed.push(format!("{}: {counted} instructions, {judgement}", case.name));
        }
        counts.push((case.name.clone(), counted));
    }
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let gone = budgets.retire(&names);
    if choice.update {
        budgets.update(counts);
        fs::write(&path, budgets.to_json()?).with_context(|| format!("cannot write {BUDGETS}"))?;
        println!("stored in {BUDGETS}");
        return Ok(());
    }
    failed.extend(gone.into_iter().map(|name| format!("{name}: has a budget, but is no case")));
    ensure!(failed.is_empty(), "{}\n{REMEDY}", failed.join("\n"));
    Ok(())
}

fn cases() -> anyhow::Result<Vec<Case>> {
    let listed = Command::new(release::program(PROGRAM)).arg("--list").output();
    let listed = String::from_utf8(listed.context("cannot start hot-paths")?.stdout)?;
    let parse = |line: &str| {
        let (n_operations, name) = line.split_once('\t').context("a case without a number")?;
        Ok(Case { name: name.to_owned(), n_operations: n_operations.parse()? })
    };
    listed.lines().map(parse).collect()
}

fn instructions(case: &Case) -> anyhow::Result<u64> {
    let n_operations = case.n_operations;
    let (once, twice) = thread::scope(|scope| {
        let once = scope.spawn(|| run_under_callgrind(case, n_operations));
        let twice = run_under_callgrind(case, 2 * n_operations);
        (once.join(), twice)
    });
    let once = once.map_err(|_| anyhow!("a run of {} panicked", case.name))??;
    per_operation(once, twice?, n_operations).with_context(|| case.name.clone())
}

fn run_under_callgrind(case: &Case, n_operations: u64) -> anyhow::Result<u64> {
    let profile = release::target_directory().join(format!("callgrind.{n_operations}"));
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]);
    command.arg(format!("--callgrind-out-file={}", profile.display()));
    command.arg(release::program(PROGRAM)).args([&case.name, &n_operations.to_string()]);
    command.stdin(Stdio::null()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env(PLAIN_PROCESSOR.0, PLAIN_PROCESSOR.1);
    let status = command.status().context("cannot start valgrind")?;
    ensure!(status.success(), "{} failed under valgrind ({status})", case.name);
    total(&fs::read_to_string(&profile).with_context(|| profile.display().to_string())?)
}
