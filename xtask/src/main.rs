//! Shell. Development tasks: `cargo xtask test`, `cargo xtask ci`, and the others of [`TASKS`].

mod cluster;
mod cost;
mod crash;
mod e2e;
mod figures;
mod foreign;
mod fuzz;
mod instructions;
mod local_cluster;
mod model;
mod operator_faults;
mod peers;
mod planted;
mod porcupine;
mod processes;
mod redis_tools;
mod release;
mod simulation;
mod stage;
mod suite;
mod tidy;
mod torture;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use suite::Options;

/// The tasks by name. Documentation that names another one is untidy.
const TASKS: &[(&str, &str)] = &[
    ("test", "formatting, lints, tidiness, unit and property tests, end-to-end tests"),
    ("ci", "the same with a locked lockfile, nothing skipped, and a short fuzz run"),
    ("tidy", "rules of this repository that no compiler checks"),
    ("simulate", "the real programs in a simulated world, for many seeds"),
    ("model", "the exhaustive search of the protocol; --large for a campaign, --mutants, names"),
    ("e2e", "the end-to-end tests on Kubernetes, those whose names contain the given words"),
    (
        "foreign",
        "what others wrote for Redis, against ringkv: --commands N, --seed S, words of names",
    ),
    ("fuzz", "the targets of fuzz/, those that are named or all, for `--seconds N` each"),
    ("peers", "ringkv beside programs that do the like: path, router or moving; see --help of it"),
    ("figures", "the report's figures, from a fresh run; --only N, --out DIR"),
    ("cost", "memory of servers, routers and connections, and how long a start takes; --help"),
    ("instructions", "of each hot path, against its budget; --update stores them; words of names"),
    ("planted", "which tier of tests catches which known bug, and how soon"),
    ("porcupine", "a second opinion on made-up histories, or on those that a failed run has kept"),
    ("crash", "the storage crash tests; flags such as --kills 1000 --power-losses 100 --seed 7"),
    ("operator-faults", "the operator while requests and watches fail; see --help of it"),
    ("cluster", "a real Kubernetes of several nodes on this machine: up, down and more"),
    ("torture", "real clusters under faults and changes of size: --minutes N --seed S, --help"),
];

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> anyhow::Result<()> {
    let mut arguments = arguments.into_iter();
    let Some(task) = arguments.next() else { return usage() };
    let flags: Vec<String> = arguments.collect();
    match task.as_str() {
        "test" => suite::run(Options::parse(&flags)?),
        "ci" => suite::run(Options { ci: true, ..Options::parse(&flags)? }),
        "tidy" => tidy::run(),
        "simulate" => simulation::run(&flags),
        "model" => model::run(&flags),
        "e2e" => e2e::run(&flags),
        "foreign" => foreign::run(&flags),
        "figures" => figures::run(&flags),
        "fuzz" => fuzz::run(&flags),
        "peers" => peers::run(&flags),
        "cost" => cost::run(&flags),
        "instructions" => instructions::run(&flags),
        "planted" => planted::run(&flags),
        "porcupine" => porcupine::run(&flags),
        "crash" => crash::run(&flags),
        "operator-faults" => operator_faults::run(&flags),
        "cluster" => cluster::run(&flags),
        "torture" => torture::run(&flags),
        _ => usage(),
    }
}

fn usage() -> anyhow::Result<()> {
    let tasks: String =
        TASKS.iter().map(|(name, what)| format!("\n  cargo xtask {name:<15} {what}")).collect();
    anyhow::bail!(
        "which task?{tasks}\n\nflags of `test`: --quick leaves the end-to-end tests out, \
         --no-install installs no system package"
    )
}

/// The root of the repository.
fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}
