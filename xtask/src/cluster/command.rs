//! Shell. Runs commands to their end.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Runs a command; gives what it printed. The error holds what it printed as errors.
pub(crate) fn run<A: AsRef<str>>(program: &str, arguments: &[A]) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(arguments.iter().map(AsRef::as_ref));
    run_command(&mut command)
}

/// The same, with the words in one text.
pub(crate) fn run_words(words: &str) -> anyhow::Result<String> {
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    let (program, arguments) = words.split_first().context("an empty command")?;
    run(program, arguments)
}

/// The same, of a command that has been put together.
pub(crate) fn run_command(command: &mut Command) -> anyhow::Result<String> {
    let line = format!("{command:?}").replace('"', "");
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {line}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{line} failed ({}): {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
