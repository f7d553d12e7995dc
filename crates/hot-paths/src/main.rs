//! Shell. Runs one case, for whoever counts its instructions: `hot-paths CASE N`, `--list`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--list"] => {
            for case in hot_paths::cases() {
                println!("{}\t{}", case.n_operations, case.name);
            }
            ExitCode::SUCCESS
        }
        [name, n_operations] => run(name, n_operations),
        _ => usage("which case, and how many operations of it?"),
    }
}

fn run(name: &str, n_operations: &str) -> ExitCode {
    let Some(case) = hot_paths::cases().find(|case| case.name == name) else {
        return usage(&format!("no case is called {name}"));
    };
    let Ok(n_operations) = n_operations.parse::<u32>() else {
        return usage(&format!("{n_operations} is not a number of operations"));
    };
    let mut operation = (case.prepare)();
    for _ in 0..n_operations {
        operation();
    }
    ExitCode::SUCCESS
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("{problem}\nusage: hot-paths CASE N, or hot-paths --list");
    ExitCode::from(64)
}
