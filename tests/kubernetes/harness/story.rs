//! Shell. Runs the commands that a document shows, word for word, and compares what they print.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use e2e::story::{Step, compare};
use rustix::process::{Pid, Signal, kill_process_group};

use super::settings::{Settings, root};
use super::wait;

/// How long a whole story may take.
const TOLD_WITHIN: Duration = Duration::from_secs(420);
/// Begins and ends what a command prints.
const MARK: &str = "@@@";

/// Runs all steps in one shell in the root of the repository, in this namespace of Kubernetes, and
/// compares what each prints. The shell stops at a command that fails.
pub(crate) fn tell(settings: &Settings, steps: &[Step], namespace: &str) -> anyhow::Result<()> {
    ensure!(!steps.is_empty(), "the document shows no command");
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("log");
    let script = directory.path().join("script");
    fs::write(&script, shell_script(steps, namespace))?;
    run(settings, &script, &log)?;
    let log = fs::read_to_string(&log)?;
    for (number, step) in steps.iter().enumerate() {
        let (printed, status) = printed(&log, number)
            .with_context(|| format!("line {}: {}\n{log}", step.line, step.command))?;
        if status != "0" {
            bail!("line {}: {}\nended with {status}:\n{printed}", step.line, step.command);
        }
        if let Err(difference) = compare(&step.output, printed) {
            bail!("line {}: {}\n{difference}\nall of it:\n{printed}", step.line, step.command);
        }
    }
    Ok(())
}

/// The commands, with a mark before and after each.
fn shell_script(steps: &[Step], namespace: &str) -> String {
    let mut script = String::from("exec 2>&1\n");
    script.push_str(
        "cp \"$KUBECONFIG\" \"$STORY_KUBECONFIG\"; export KUBECONFIG=$STORY_KUBECONFIG\n",
    );
    script.push_str(&format!("kubectl config set-context --current --namespace={namespace}\n"));
    for (number, step) in steps.iter().enumerate() {
        script.push_str(&format!("printf '\\n{MARK} begin {number}\\n'\n{}\n", step.command));
        script.push_str(&format!("status=$?; printf '\\n{MARK} end {number} %d\\n' $status\n"));
        script.push_str("[ $status = 0 ] || exit\n");
    }
    script
}

/// Runs the script in a process group of its own, which ends with it, background jobs included.
fn run(settings: &Settings, script: &Path, log: &Path) -> anyhow::Result<()> {
    let output = fs::File::create(log)?;
    let programs = [&settings.kubectl, &settings.helm].map(|program| {
        program.parent().map(|parent| parent.display().to_string()).unwrap_or_default()
    });
    let path = std::env::var("PATH").unwrap_or_default();
    let path = [programs.join(":"), path].join(":");
    let mut shell = Command::new("bash")
        .arg(script)
        .current_dir(root())
        .env("PATH", path.trim_start_matches(':'))
        .env("STORY_KUBECONFIG", script.with_extension("kubeconfig"))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("cannot start bash")?;
    let ended = wait::until("the commands end", TOLD_WITHIN, || match shell.try_wait() {
        Ok(Some(status)) => Ok(status),
        Ok(None) => Err(fs::read_to_string(log).unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    });
    let group = i32::try_from(shell.id()).ok().and_then(Pid::from_raw).context("no process id")?;
    // Whatever the commands left in the background; there may be nothing.
    let _ = kill_process_group(group, Signal::KILL);
    ended.map(drop)
}

/// What a step printed, and how it ended.
fn printed(log: &str, number: usize) -> Option<(&str, &str)> {
    let begin = format!("{MARK} begin {number}\n");
    let end = format!("\n{MARK} end {number} ");
    let from = log.find(&begin)? + begin.len();
    let rest = log.get(from..)?;
    let to = rest.find(&end)?;
    let status = rest.get(to + end.len()..)?.lines().next()?;
    Some((rest.get(..to)?, status))
}
