//! Shell. Runs the stages of a task one after the other, and says what each one took.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// What has run so far.
pub(crate) struct Report {
    began: Instant,
    stages: Vec<(String, Duration)>,
    test_results: Vec<String>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), stages: Vec::new(), test_results: Vec::new() }
    }

    /// Runs a command to its end; its output goes to the terminal as it comes.
    pub(crate) fn run(&mut self, stage: &str, command: &mut Command) -> anyhow::Result<()> {
        println!("\n==> {stage}: {}", command_line(command));
        let began = Instant::now();
        let mut child = command
            .current_dir(crate::root())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command_line(command)))?;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                let line = line.context("cannot read the output")?;
                println!("{line}");
                if line.starts_with("test result:") {
                    self.test_results.push(line);
                }
            }
        }
        let status = child.wait().context("cannot wait for the end of the command")?;
        self.stages.push((stage.to_owned(), began.elapsed()));
        if !status.success() {
            self.print_stages();
            bail!("stage \"{stage}\" failed ({status}): {}", command_line(command));
        }
        Ok(())
    }

    /// Runs a stage that is a function of this program.
    pub(crate) fn call(
        &mut self,
        stage: &str,
        function: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        println!("\n==> {stage}");
        let began = Instant::now();
        let result = function();
        self.stages.push((stage.to_owned(), began.elapsed()));
        if result.is_err() {
            self.print_stages();
        }
        result.with_context(|| format!("stage \"{stage}\" failed"))
    }

    /// Prints the time of each stage, and at the very end the result lines of all tests.
    pub(crate) fn finish(&self) {
        self.print_stages();
        println!();
        for line in &self.test_results {
            println!("{line}");
        }
    }

    fn print_stages(&self) {
        println!();
        for (stage, took) in &self.stages {
            println!("{:>8.1} s  {stage}", took.as_secs_f64());
        }
        println!("{:>8.1} s  in all", self.began.elapsed().as_secs_f64());
    }
}

fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
