//! Shell. One tier with one bug: runs it, within its budget, and says what came of it.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use planted::{Bug, VARIABLE};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::FEATURE;
use super::tiers::{Subject, Tier};
use crate::root;
use crate::suite::{Options, cargo};

/// How often a tier is asked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a tier may go on after its first failure, to say more of it.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

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

/// A tier's tests, built.
pub(crate) struct Built {
    pub(crate) tier: &'static Tier,
    programs: Vec<PathBuf>,
}

/// Builds a tier's tests; with the bugs to choose from, where they are in the tests' own code.
pub(crate) fn build(tier: &'static Tier) -> anyhow::Result<Built> {
    println!("\n==> build of {}", tier.name);
    let mut command = cargo(Options::default(), "test");
    command.current_dir(root()).args(["--no-run", "--message-format", "json"]);
    match tier.subject {
        // All crates together, as the unit tests: of one alone the dependencies would be built
        // with other features, so once more.
        Subject::Code => command.args(["--workspace", "--exclude", "e2e"]).args(FEATURE),
        Subject::Program => command.args(["--package", "e2e", "--test", "main"]),
    };
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the build of {} failed", tier.name);
    let text = String::from_utf8_lossy(&output.stdout);
    let tests = text.lines().filter_map(|line| test_program(line, tier.directory));
    let programs: Vec<PathBuf> = tests.collect();
    ensure!(!programs.is_empty(), "cargo names no tests of {}", tier.name);
    Ok(Built { tier, programs })
}

/// The program in one of cargo's messages, if it holds tests of the crate in that directory.
fn test_program(message: &str, directory: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let is_of_tier = manifest.parent()?.file_name()? == directory;
    let is_test = message["profile"]["test"] == true;
    let program = message["executable"].as_str()?;
    (is_of_tier && is_test).then(|| program.into())
}

/// Runs a tier; with a bug, if there is one.
pub(crate) fn run(
    built: &Built,
    bug: Option<Bug>,
    binary: &Path,
    patience: u32,
) -> anyhow::Result<Outcome> {
    let Built { tier, programs } = built;
    let began = Instant::now();
    for program in programs {
        let output = tempfile::tempfile().context("cannot make a file")?;
        let into = || output.try_clone().map(Stdio::from);
        let mut command = Command::new(program);
        command.current_dir(root()).args(tier.tests.split_whitespace());
        if tier.subject == Subject::Program {
            command.env("RINGKV_BIN", binary).args(["--nocapture", "--test-threads=1"]);
        }
        // What a planted bug fails with is not to be remembered among the sources.
        command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true").env("INSTA_UPDATE", "no");
        command.env(VARIABLE, bug.map_or("", Bug::name)).env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(into()?).stderr(into()?).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", tier.name))?;
        let watched = watch(&mut child, &output, began + tier.budget * patience)?;
        let text = read(&output)?;
        if watched.status.is_some_and(|status| status.success()) {
            continue;
        }
        let test = failed_test(&text).unwrap_or("?").to_owned();
        return Ok(match (watched.failed_at, watched.status) {
            (None, None) => Outcome::TimedOut,
            (Some(at), _) => Outcome::Caught { after: at - began, cases: cases(&text), test },
            (None, Some(_)) => Outcome::Caught { after: began.elapsed(), cases: None, test },
        });
    }
    Ok(Outcome::Passed)
}

/// What was seen of a program.
struct Watched {
    /// When it said that a test had failed.
    failed_at: Option<Instant>,
    /// `None` where it had to be ended.
    status: Option<ExitStatus>,
}

/// Until it ends, or until a while after its first failure: what else fails is not asked.
fn watch(child: &mut Child, output: &File, mut until: Instant) -> anyhow::Result<Watched> {
    let mut failed_at = None;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            if failed_at.is_none() && failure(&read(output)?).is_some() {
                failed_at = Some(Instant::now());
            }
            return Ok(Watched { failed_at, status: Some(status) });
        }
        if failed_at.is_none() && failure(&read(output)?).is_some() {
            let now = Instant::now();
            failed_at = Some(now);
            until = until.min(now + AFTER_FAILURE);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait()?;
    Ok(Watched { failed_at, status: None })
}

/// What was written so far; the position is that of who writes, and stays.
fn read(output: &File) -> anyhow::Result<String> {
    let mut text = vec![0; usize::try_from(output.metadata()?.len())?];
    output.read_exact_at(&mut text, 0)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Where the first failure is told: `test x ... FAILED`, with whatever the test wrote in between.
fn failure(output: &str) -> Option<usize> {
    output.match_indices("FAILED").map(|(at, _)| at).find(|at| {
        let before = output.get(..*at).unwrap_or_default();
        before.ends_with("... ") || before.ends_with('\n')
    })
}

/// The test that failed first.
fn failed_test(output: &str) -> Option<&str> {
    let before = output.get(..failure(output)?)?;
    let line = before.lines().rev().find(|line| line.starts_with("test "))?;
    line.split_whitespace().nth(1)
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
        let output = "running 2 tests\ntest a::fine ... ok\ntest a::bad ... FAILED\n\nfailures:\n\n\
            minimal failing input: seed = 0\n\tsuccesses: 7\n\tlocal rejects: 0\n";
        assert_eq!(failed_test(output), Some("a::bad"));
        assert_eq!(cases(output), Some(7));
        let with_words = "test a::loud ... what it says\nFAILED\ntest b ... ok\n";
        assert_eq!(failed_test(with_words), Some("a::loud"));
        assert_eq!(failed_test("test a::fine ... it says FAILED\nok\n"), None);
        let message = r#"{"reason":"compiler-artifact","manifest_path":"/a/x/Cargo.toml",
            "profile":{"test":true},"executable":"/a/target/debug/deps/x-1"}"#;
        let program = Some(PathBuf::from("/a/target/debug/deps/x-1"));
        assert_eq!(test_program(message, "x"), program);
        assert_eq!(test_program(message, "y"), None);
        assert_eq!(test_program(&message.replace("true", "false"), "x"), None);
        assert_eq!(test_program("   Compiling x v0.1.0 (/a/x)", "x"), None);
    }
}
