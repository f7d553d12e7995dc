//! Shell. Runs kubectl, as a user does.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::settings::Settings;

/// How long one request may take.
const REQUEST_TIMEOUT: &str = "--request-timeout=30s";

/// How many characters of a command line an error shows.
const ARGUMENTS_SHOWN: usize = 200;

/// What a program printed, and whether it succeeded.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// kubectl in one namespace, or in none.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl {
    settings: &'static Settings,
    namespace: Option<String>,
}

impl Kubectl {
    /// For what belongs to no namespace.
    pub(crate) const fn cluster(settings: &'static Settings) -> Self {
        Self { settings, namespace: None }
    }

    pub(crate) fn of(settings: &'static Settings, namespace: &str) -> Self {
        Self { settings, namespace: Some(namespace.to_owned()) }
    }

    /// The command, to be started by somebody else.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.settings.kubectl);
        if let Some(namespace) = &self.namespace {
            command.arg("--namespace").arg(namespace);
        }
        command.args(arguments);
        command
    }

    /// Runs it to its end.
    pub(crate) fn output(
        &self,
        arguments: &[&str],
        input: Option<&str>,
    ) -> anyhow::Result<Outcome> {
        run(&mut self.command(arguments), input)
    }

    /// Runs it, and requires that it succeeds; what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let outcome = self.output(arguments, None)?;
        ensure!(outcome.succeeded, "kubectl {}: {}", shown(arguments), outcome.stderr);
        Ok(outcome.stdout)
    }

    /// Runs it, and requires that it is refused; what it said.
    pub(crate) fn refused(
        &self,
        arguments: &[&str],
        input: Option<&str>,
    ) -> anyhow::Result<String> {
        let outcome = self.output(arguments, input)?;
        let line = shown(arguments);
        ensure!(!outcome.succeeded, "kubectl {line} was not refused: {}", outcome.stdout);
        Ok(outcome.stderr)
    }

    /// What is there, as JSON: `get(&["pods"])` or `get(&["pod", "demo-0"])`.
    pub(crate) fn get(&self, what: &[&str]) -> anyhow::Result<Value> {
        let arguments = [&["get", "--output=json", REQUEST_TIMEOUT], what].concat();
        let text = self.run(&arguments)?;
        serde_json::from_str(&text).with_context(|| format!("kubectl get {what:?}: {text}"))
    }

    /// The items of a list.
    pub(crate) fn list(&self, what: &[&str]) -> anyhow::Result<Vec<Value>> {
        let list = self.get(what)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// An object if it is there.
    pub(crate) fn find(&self, what: &[&str]) -> anyhow::Result<Option<Value>> {
        let flags = ["get", "--output=json", "--ignore-not-found", REQUEST_TIMEOUT];
        let text = self.run(&[&flags[..], what].concat())?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&text)?))
    }

    /// Applies a manifest, and requires that it is taken.
    pub(crate) fn apply(&self, manifest: &Value) -> anyhow::Result<()> {
        let outcome = self.output(&["apply", "--filename=-"], Some(&manifest.to_string()))?;
        ensure!(outcome.succeeded, "kubectl apply: {}\n{manifest:#}", outcome.stderr);
        Ok(())
    }

    /// Patches an object by a JSON merge patch.
    pub(crate) fn patch(&self, what: &[&str], patch: &Value) -> anyhow::Result<()> {
        let patch = format!("--patch={patch}");
        self.run(&[&["patch"], what, &["--type=merge", &patch]].concat()).map(drop)
    }

    /// Reads a path of the API server, such as the proxy to a pod.
    pub(crate) fn raw(&self, path: &str) -> anyhow::Result<String> {
        self.run(&["get", "--raw", path, REQUEST_TIMEOUT])
    }
}

/// The arguments for a message, not longer than somebody reads.
fn shown(arguments: &[&str]) -> String {
    arguments.join(" ").chars().take(ARGUMENTS_SHOWN).collect()
}

/// Runs a program to its end, with some input.
pub(crate) fn run(command: &mut Command, input: Option<&str>) -> anyhow::Result<Outcome> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        stdin.write_all(input.as_bytes()).with_context(|| format!("{name} takes no input"))?;
    }
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {name}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Outcome {
        succeeded: output.status.success(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    })
}
