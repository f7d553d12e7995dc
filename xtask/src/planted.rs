//! Shell. `cargo xtask planted`: plants one known bug after the other and finds out which tier of
//! tests catches it, and how soon. Prints the table of `docs/testing.md`.

mod cell;
mod table;
mod tiers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use planted::Bug;

use crate::release;
use crate::stage::Report;
use crate::suite::{Options, cargo};
use cell::{Built, Outcome};
use table::Table;
use tiers::{Subject, TIERS, Tier};

/// The feature, as cargo is asked for it.
const FEATURE: [&str; 2] = ["--features", "planted/planted"];

/// What to try.
struct Choice {
    bugs: Vec<Bug>,
    tiers: Vec<&'static Tier>,
    /// For a machine that is busy: budgets grow by this.
    patience: u32,
}

/// Runs the chosen tiers with the chosen bugs. Fails where a tier fails without a bug, and where a
/// bug is caught by none although all tiers were asked.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    if words == ["--soonest"] {
        return stages(&mut Report::new());
    }
    let choice = parse(words)?;
    let mut report = Report::new();
    let binary = build_binary(&mut report, &choice)?;
    let tiers: Vec<Built> =
        choice.tiers.iter().map(|tier| cell::build(tier)).collect::<anyhow::Result<_>>()?;
    for built in &tiers {
        let (name, clean) = (built.tier.name, cell::run(built, None, &binary, choice.patience)?);
        if clean != Outcome::Passed {
            bail!("{name} does not pass without a bug: {clean}");
        }
        println!("without a bug, {name}: passed");
    }
    let mut table = Table::new(&choice.tiers);
    for bug in &choice.bugs {
        for built in &tiers {
            let outcome = cell::run(built, Some(*bug), &binary, choice.patience)?;
            println!("{bug}, {}: {outcome}", built.tier.name);
            table.put(*bug, outcome);
        }
    }
    println!("\n{table}");
    for tier in table.idle() {
        println!("{tier} has caught none");
    }
    let missed: Vec<&str> = table.missed().into_iter().map(Bug::name).collect();
    if choice.tiers.len() == TIERS.len() && !missed.is_empty() {
        bail!("caught by no tier: {}", missed.join(", "));
    }
    Ok(())
}

/// The stage of a test run: every bug has to be caught by the tier that is the soonest. That the
/// tiers pass without a bug is another stage's.
pub(crate) fn stages(report: &mut Report) -> anyhow::Result<()> {
    report.call("every planted bug is caught", || {
        let (mut built, mut missed) = (BTreeMap::new(), Vec::new());
        for bug in Bug::ALL {
            let name = tiers::soonest(bug);
            let tier = tiers::named(name).with_context(|| format!("no tier is called {name}"))?;
            if !built.contains_key(name) {
                built.insert(name, cell::build(tier)?);
            }
            let outcome = cell::run(&built[name], Some(bug), Path::new(""), 1)?;
            println!("{bug}, {name}: {outcome}");
            if !matches!(outcome, Outcome::Caught { .. }) {
                missed.push(format!("{bug} by {name}"));
            }
        }
        ensure!(missed.is_empty(), "not caught: {}", missed.join(", "));
        Ok(())
    })
}

fn parse(words: &[String]) -> anyhow::Result<Choice> {
    let mut choice = Choice { bugs: Vec::new(), tiers: Vec::new(), patience: 1 };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--bug" => choice.bugs.push(value()?.parse()?),
            "--tier" => {
                let name = value()?;
                let all: Vec<&str> = TIERS.iter().map(|tier| tier.name).collect();
                let tier = tiers::named(name);
                choice.tiers.push(tier.with_context(|| {
                    format!("no tier is called {name}; there are {}", all.join(", "))
                })?);
            }
            "--patience" => choice.patience = value()?.parse().context("--patience")?,
            _ => bail!(
                "unknown flag {word}; known: --bug NAME, --tier NAME, --patience FACTOR, \
                            and --soonest alone"
            ),
        }
    }
    if choice.bugs.is_empty() {
        choice.bugs = Bug::ALL.to_vec();
    }
    if choice.tiers.is_empty() {
        choice.tiers = TIERS.iter().collect();
    }
    Ok(choice)
}

/// Builds the planted binary, where a tier wants it, and takes it out of the place where a build
/// for people would be looked for.
fn build_binary(report: &mut Report, choice: &Choice) -> anyhow::Result<PathBuf> {
    let program = release::program("ringkv");
    let planted = program.with_file_name("ringkv-planted");
    if choice.tiers.iter().any(|tier| tier.subject == Subject::Program) {
        let mut build = cargo(Options::default(), "build");
        release::release(build.args(release::PACKAGES).args(["--bin", "ringkv"]).args(FEATURE));
        report.run("release build with planted bugs", &mut build)?;
        std::fs::rename(&program, &planted)
            .with_context(|| format!("cannot rename {}", program.display()))?;
        let version = Command::new(&planted).arg("--version").output();
        let version = version.context("cannot run the planted binary")?.stdout;
        println!("{}", String::from_utf8_lossy(&version).trim_end());
    }
    Ok(planted)
}

/// Fails where a program that was built for people asks for a planted bug.
pub(crate) fn require_absence() -> anyhow::Result<()> {
    let program = release::program("ringkv");
    let bytes =
        std::fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    let variable = planted::VARIABLE.as_bytes();
    if bytes.windows(variable.len()).any(|window| window == variable) {
        bail!("{} was built with planted bugs", program.display());
    }
    println!("none in {}", program.display());
    Ok(())
}
