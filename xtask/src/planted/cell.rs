//! Shell. One tier with one bug: runs it, within its budget, and says what came of it.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use planted::{Bug, VARIABLE};
use rustix::process::{Pid, Signal, kill_process_group};

use super::FEATURE;
use super::tiers::{Subject, Tier};
use crate::root;
use crate::suite::{Options, cargo};

/// How often a tier is asked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What came of a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No test noticed anything.
    Passed,
    /// A test failed.
    Caught {
        after: Duration,
        /// How many cases of a random test passed before, where it says so.
        cases: Option<u64>,
        test: String,
    },
    /// The budget is used up.
    TimedOut,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("-"),
            Self::TimedOut => f.write_str("out of time"),
            Self::Caught { after, cases, test } => {
                write!(f, "{:.1} s", after.as_secs_f64())?;
                if let Some(cases) = cases {
                    write!(f, ", {} seeds", cases + 1)?;
                }
                write!(f, " (`{test}`)")
            }
        }
    }
}

/// The command of a tier, complete but for the bug.
pub(crate) fn command(tier: &Tier, program: &Path, runs: bool) -> Command {
    let mut command = cargo(Options::default(), "test");
    command.arg("--manifest-path").arg(root().join(tier.workspace).join("Cargo.toml"));
    command.args(tier.arguments.split_whitespace());
    match tier.subject {
        Subject::Code => command.args(FEATURE),
        Subject::Program => command.env("RINGKV_BIN", program),
    };
    if runs {
        command.arg("--quiet").arg("--").args(tier.tests.split_whitespace());
        if tier.subject == Subject::Program {
            command.args(["--nocapture", "--test-threads=1"]);
        }
    } else {
        command.arg("--no-run");
    }
    // What a planted bug fails with is not to be remembered among the sources.
    command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true").env("INSTA_UPDATE", "no");
    command
}

/// Runs a tier; with a bug, if there is one.
pub(crate) fn run(
    tier: &Tier,
    bug: Option<Bug>,
    program: &Path,
    patience: u32,
) -> anyhow::Result<Outcome> {
    let mut output = tempfile::tempfile().context("cannot make a file")?;
    let mut command = command(tier, program, true);
    command.env(VARIABLE, bug.map_or("", Bug::name));
    let into = || output.try_clone().map(Stdio::from);
    command.stdin(Stdio::null()).stdout(into()?).stderr(into()?).process_group(0);
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {}", tier.name))?;
    let ended = wait(&mut child, began + tier.budget * patience)?;
    let after = began.elapsed();
    let mut text = Vec::new();
    output.seek(SeekFrom::Start(0)).and_then(|_| output.read_to_end(&mut text))?;
    let text = String::from_utf8_lossy(&text);
    Ok(match ended {
        None => Outcome::TimedOut,
        Some(status) if status.success() => Outcome::Passed,
        Some(_) => {
            let test = failed_test(&text).unwrap_or("?").to_owned();
            Outcome::Caught { after, cases: cases(&text), test }
        }
    })
}

/// `None` where it had to be ended, with everything that it had started.
fn wait(child: &mut Child, until: Instant) -> anyhow::Result<Option<ExitStatus>> {
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait()?;
    Ok(None)
}

/// The first test in the list of failures at the end.
fn failed_test(output: &str) -> Option<&str> {
    let (_, after) = output.rsplit_once("\nfailures:\n")?;
    after.lines().map(str::trim).find(|line| !line.is_empty())
}

/// Of a random test: how many cases had passed when one failed.
fn cases(output: &str) -> Option<u64> {
    output.lines().find_map(|line| line.trim().strip_prefix("successes: ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_read_from_the_output() {
        let output = "\nfailures:\n\n---- a::b stdout ----\nminimal failing input: seed = 0\n\
            \tsuccesses: 7\n\tlocal rejects: 0\n\n\
            \nfailures:\n    a::b\n    a::c\n\ntest result: FAILED\n";
        assert_eq!(failed_test(output), Some("a::b"));
        assert_eq!(cases(output), Some(7));
        assert_eq!(failed_test("test result: ok"), None);
    }
}
