//! Shell. Runs helm, as a user does.

use std::process::Command;

use anyhow::ensure;

use super::kubectl::{Outcome, run};
use super::settings::{Settings, root};

/// Runs helm in the root of the repository to its end.
pub(crate) fn output(settings: &Settings, arguments: &[&str]) -> anyhow::Result<Outcome> {
    run(Command::new(&settings.helm).args(arguments).current_dir(root()), None)
}

/// Runs it, and requires that it succeeds; what it printed.
pub(crate) fn helm(settings: &Settings, arguments: &[&str]) -> anyhow::Result<String> {
    let outcome = output(settings, arguments)?;
    let line = arguments.join(" ");
    ensure!(outcome.succeeded, "helm {line}: {}{}", outcome.stdout, outcome.stderr);
    Ok(outcome.stdout)
}
