//! Shell. `cargo xtask peers`: ringkv beside programs that do the like, in one run, with what it
//! misses of its goals.

mod benchmark;
mod cell;
pub(crate) mod connection;
mod coordinator;
mod goals;
mod membership;
mod moves;
mod moving;
mod options;
mod path;
pub(crate) mod protocol;
mod rounds;
mod router;
mod rows;
mod sides;
pub(crate) mod statistics;
mod table;
mod traffic;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::processes::output_of;
use crate::redis_tools::{apt_get, is_root, on_path};
use crate::release;
use cell::Durability;
use moves::Case;
use options::{HELP, Options, Pin, What};
use rows::Row;

/// Programs, and the packages of Debian that have them.
const PROGRAMS: [(&str, &str); 6] = [
    ("nutcracker", "nutcracker"),
    ("redis-server", "redis-server"),
    ("redis-benchmark", "redis-tools"),
    ("redis-cli", "redis-tools"),
    ("setpriv", "util-linux"),
    ("taskset", "util-linux"),
];
/// How the directories of data begin; the process follows.
const PREFIX: &str = "peers-";
const VERSION_WITHIN: Duration = Duration::from_secs(10);

/// What has been found so far.
#[derive(Default)]
struct Findings {
    rows: Vec<Row>,
    failures: Vec<String>,
}

impl Findings {
    /// A cell is measured.
    fn put(&mut self, row: Row) {
        let ratios: Vec<String> =
            (1..).map_while(|side| row.ratio(side)).map(table::ratio).collect();
        println!("{} {}: {}", row.durability.name(), row.cell, ratios.join("; "));
        self.rows.push(row);
    }

    /// A cell could not be measured.
    fn fail(&mut self, why: String) {
        println!("{why}");
        self.failures.push(why);
    }
}

/// Compares, prints tables, and fails where something could not be measured.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let Some(options) = Options::parse(words)? else {
        println!("{HELP}");
        return Ok(());
    };
    provide(!options.no_install)?;
    let program = release::given_or_built(options.program.as_deref())?;
    let parent = release::target_directory();
    fs::create_dir_all(&parent).with_context(|| parent.display().to_string())?;
    remove_leftovers(&parent);
    let prefix = format!("{PREFIX}{}-", std::process::id());
    let directory = tempfile::Builder::new().prefix(&prefix).tempdir_in(&parent);
    let directory = directory.with_context(|| format!("no directory in {}", parent.display()))?;
    let conditions = conditions(&program, &options)?;
    conditions.iter().for_each(|line| println!("{line}"));
    let mut findings = Findings::default();
    match options.what {
        What::Path => {
            let result = path::run(&program, directory.path(), &options, &mut findings);
            cells(&path::NAMES, &findings, &conditions, &options)?;
            result?;
        }
        What::Router => {
            let result = router::run(&program, directory.path(), &options, &mut findings);
            cells(&router::NAMES, &findings, &conditions, &options)?;
            result?;
        }
        What::Moving => {
            let mut cases = Vec::new();
            let result = moving::run(&program, directory.path(), &options, &mut cases);
            moves_of(&cases, &conditions, &options)?;
            result?;
        }
    }
    let failures = &findings.failures;
    ensure!(failures.is_empty(), "could not be measured:\n{}", failures.join("\n"));
    Ok(())
}

/// Shows cells, and what they miss.
fn cells(
    names: &[&str],
    findings: &Findings,
    conditions: &[String],
    options: &Options,
) -> anyhow::Result<()> {
    let rows = &findings.rows;
    if rows.is_empty() {
        return Ok(());
    }
    let missed = goals::missed(options.what, names, rows);
    println!("\n{}", table::text(names, rows));
    if let Some(idle) = rows::idle(rows) {
        let (median, max) = (idle.median * 100.0, idle.max * 100.0);
        println!("sides without load used {median:.1} % of a processor, {max:.1} % at the most");
    }
    let bound = rows::bound_by_client(names, rows, options.client_threads);
    if !bound.is_empty() {
        println!("the client had no time left, so that it may be what was measured:");
        bound.iter().for_each(|line| println!("  {line}"));
    }
    show_missed(&missed);
    if let Some(path) = &options.csv {
        write(path, &table::csv(names, rows))?;
    }
    if let Some(path) = &options.json {
        write(path, &format!("{:#}\n", table::json(names, rows, conditions, &missed)))?;
    }
    Ok(())
}

/// Shows moves, and what they miss.
fn moves_of(cases: &[Case], conditions: &[String], options: &Options) -> anyhow::Result<()> {
    if cases.is_empty() {
        return Ok(());
    }
    let missed = moves::missed(cases);
    println!("\n{}", moves::text(cases));
    show_missed(&missed);
    if let Some(path) = &options.csv {
        write(path, &moves::csv(cases))?;
    }
    if let Some(path) = &options.json {
        write(path, &format!("{:#}\n", moves::json(cases, conditions, &missed)))?;
    }
    Ok(())
}

fn show_missed(missed: &[String]) {
    if missed.is_empty() {
        println!("no goal is missed");
        return;
    }
    println!("goals that are missed:");
    missed.iter().for_each(|line| println!("  {line}"));
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes what earlier runs have left behind that were ended by a signal.
fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let pid = rest.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // What cannot be removed is no harm to this run.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Installs what is missing, where that is possible.
fn provide(may_install: bool) -> anyhow::Result<()> {
    let missing = PROGRAMS.iter().filter(|(program, _)| !on_path(program));
    let mut packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let advice = format!("not installed; on Debian: apt-get install {}", packages.join(" "));
    ensure!(may_install && Path::new("/etc/debian_version").exists() && is_root(), "{advice}");
    println!("installing {} (`--no-install` forbids that)", packages.join(" "));
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    let install: Vec<&str> = install.into_iter().chain(packages).collect();
    ensure!(apt_get(&["update", "--quiet"]) && apt_get(&install), "{advice}");
    Ok(())
}

/// Under what conditions the figures come about.
fn conditions(program: &Path, options: &Options) -> anyhow::Result<Vec<String>> {
    let first_line = |program: &Path| -> anyhow::Result<String> {
        let text = output_of(Command::new(program).arg("--version"), VERSION_WITHIN)?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    let nutcracker = Command::new("nutcracker").arg("--version").output();
    let nutcracker = nutcracker.context("cannot run nutcracker")?;
    let nutcracker = [nutcracker.stdout, nutcracker.stderr].concat();
    let nutcracker = String::from_utf8_lossy(&nutcracker);
    let nutcracker = nutcracker.lines().find(|line| line.contains("nutcracker-"));
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, model)| model);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let Options { rounds, seconds, keys, servers, .. } = options;
    let mut lines = vec![
        format!("{processors} processors, {model}, load {load} before"),
        first_line(program)?,
        first_line(Path::new("redis-server"))?,
        nutcracker.unwrap_or("nutcracker").to_owned(),
    ];
    if options.what != What::Moving {
        lines.push(format!(
            "{rounds} rounds of about {seconds} s, {keys} keys, threads of the client: {}",
            options.client_threads
        ));
        lines.push(match &options.pin {
            None => "nothing is pinned".to_owned(),
            Some(Pin { client, proxy, servers }) => {
                format!("pinned: client to {client}, front to {proxy}, servers to {servers}")
            }
        });
    }
    if options.what == What::Moving {
        let durability = options.durability.unwrap_or(Durability::Everysec).name();
        lines.push(format!("{rounds} rounds, {keys} keys, {durability}, from 3 servers to 4"));
    }
    if options.what == What::Router {
        let threads = options.router_threads.map_or(processors, usize::from);
        lines.push(format!("{servers} servers; threads: ringkv {threads}, nutcracker 1"));
    }
    Ok(lines)
}
