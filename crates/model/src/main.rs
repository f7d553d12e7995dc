//! Shell. Searches the scenarios, or shows that each rule is needed, and says what was found.

use std::process::ExitCode;
use std::time::Duration;

use model::{
    Counterexample, Exploration, Findings, LeftOut, Mutant, Scenario, TRIALS, large, small,
};

/// How long a search that must find something may look for it.
const TRIAL_LIMIT: Duration = Duration::from_secs(120);
/// Steps of a counterexample that are printed at most.
const MAX_PRINTED: usize = 200;

const USAGE: &str = "usage: model [--large | --mutants] [--threads N] [--seconds N] [NAME ...]";

/// What to do.
struct Task {
    large: bool,
    mutants: bool,
    n_threads: usize,
    limit: Option<Duration>,
    names: Vec<String>,
}

fn main() -> ExitCode {
    shell::panic::abort_on_panic();
    let Some(task) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(64);
    };
    let well = if task.mutants { try_mutants(&task) } else { search_all(&task) };
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Task> {
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut task = Task { large: false, mutants: false, n_threads, limit: None, names: Vec::new() };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--large" => task.large = true,
            "--mutants" => task.mutants = true,
            "--threads" => task.n_threads = words.next()?.parse().ok()?,
            "--seconds" => task.limit = Some(Duration::from_secs(words.next()?.parse().ok()?)),
            name if name.starts_with('-') => return None,
            name => task.names.push(name.to_owned()),
        }
    }
    Some(task)
}

fn scenarios(task: &Task) -> Vec<Scenario> {
    let mut all = small();
    let named = |one: &Scenario| task.names.iter().any(|name| name == one.name);
    if task.large || large().iter().any(named) {
        all.extend(large());
    }
    all.retain(|one| task.names.is_empty() || named(one));
    all
}

/// Whether every scenario is exhausted, and everything holds.
fn search_all(task: &Task) -> bool {
    let (mut well, mut n_states, mut n_unique) = (true, 0, 0);
    for scenario in scenarios(task) {
        println!("{}: {}\n  {}", scenario.name, scenario.about, parameters(&scenario));
        let found = Exploration::new(scenario, None).search(task.n_threads, task.limit);
        println!("  {}", figures(&found));
        n_states += found.n_states;
        n_unique += found.n_unique;
        if let Some(counterexample) = &found.counterexample {
            print(counterexample);
        }
        well &= found.is_exhausted;
    }
    println!("in all: {n_states} states, {n_unique} unique");
    well
}

fn parameters(scenario: &Scenario) -> String {
    format!(
        "{} nodes, {} keys, chunk {}, {:?}",
        scenario.n_nodes,
        scenario.keys.len(),
        if scenario.chunk == usize::MAX { "all".to_owned() } else { scenario.chunk.to_string() },
        scenario.limits
    )
}

fn figures(found: &Findings) -> String {
    let state = match (&found.counterexample, found.is_exhausted) {
        (Some(_), _) => "something does not hold",
        (None, true) => "exhausted",
        (None, false) => "NOT exhausted",
    };
    format!(
        "{} states, {} unique, depth {}, {:.1} s: {state}",
        found.n_states,
        found.n_unique,
        found.depth,
        found.took.as_secs_f64()
    )
}

fn print(counterexample: &Counterexample) {
    println!("  {}", counterexample.violation);
    println!("  after {} steps:", counterexample.actions.len());
    for (number, action) in (1..=MAX_PRINTED).zip(&counterexample.actions) {
        println!("  {number:>4} {action:?}");
    }
}

/// Whether the search finds what follows from each rule that is left out.
fn try_mutants(task: &Task) -> bool {
    let mut well = true;
    for trial in TRIALS {
        let name = format!("{:?}", trial.left_out);
        if !task.names.is_empty() && !task.names.iter().any(|one| name.contains(one.as_str())) {
            continue;
        }
        let all = small().into_iter().chain(large());
        let Some(scenario) = all.into_iter().find(|one| one.name == trial.scenario) else {
            println!("{name}: there is no scenario {}", trial.scenario);
            well = false;
            continue;
        };
        let limit = Some(task.limit.unwrap_or(TRIAL_LIMIT));
        let found = search_without(scenario, trial.left_out, task.n_threads, limit);
        match &found.counterexample {
            Some(one) => println!(
                "{name}: {} in {}, {} steps, {} unique states, {:.1} s",
                one.violation.invariant,
                trial.scenario,
                one.actions.len(),
                found.n_unique,
                found.took.as_secs_f64()
            ),
            None => println!("{name}: NOTHING FOUND in {} ({})", trial.scenario, figures(&found)),
        }
        well &= found.counterexample.is_some();
    }
    well
}

fn search_without(
    scenario: Scenario,
    left_out: LeftOut,
    n_threads: usize,
    limit: Option<Duration>,
) -> Findings {
    let planted: Option<Mutant> = left_out.of_shell();
    left_out.take_effect();
    let found = Exploration::new(scenario, planted).search(n_threads, limit);
    LeftOut::end();
    found
}
