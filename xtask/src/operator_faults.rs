//! Shell. `cargo xtask operator-faults`: the operator against everything that can go wrong between
//! it and the API server, on a control plane that it starts and ends.

use std::process::Command;

use anyhow::bail;

use crate::cluster::{self, ControlPlane};
use crate::stage::Report;
use crate::suite::Options;
use crate::{release, root};

const FAULTS: &str = "operator under faults";

/// Runs the cases, workflows or the sweep that the words name; the words are those of the test.
/// Without any, the short run and the sweep.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    cluster::can_run_without_nodes().map_err(|reason| anyhow::anyhow!("{reason}"))?;
    let mut report = Report::new();
    let options = Options::default();
    release::build(&mut report, options)?;
    if words.is_empty() {
        on_control_plane(&mut report, options, &share())?;
    } else {
        on_control_plane(&mut report, options, &[(FAULTS, words.to_vec())])?;
    }
    report.finish();
    Ok(())
}

/// The stages of a test run, on the release build that is there; says so where they cannot run.
pub(crate) fn stages(report: &mut Report, options: Options) -> anyhow::Result<()> {
    match cluster::can_run_without_nodes() {
        Ok(()) => on_control_plane(report, options, &share()),
        Err(reason) if options.ci => bail!("the operator cannot be tested under faults: {reason}"),
        Err(reason) => {
            println!("\nskipped: the operator under faults: {reason}");
            Ok(())
        }
    }
}

/// The short run, and the sweep.
fn share() -> [(&'static str, Vec<String>); 2] {
    [(FAULTS, Vec::new()), ("every field out and back", vec!["--sweep".to_owned()])]
}

fn on_control_plane(
    report: &mut Report,
    options: Options,
    parts: &[(&str, Vec<String>)],
) -> anyhow::Result<()> {
    let mut plane = None;
    report.call("control plane", || {
        let started = ControlPlane::start(&root().join("target/control-plane"))?;
        started.apply(&root().join("crds/kvclusters.ringkv.dev.yaml"))?;
        plane = Some(started);
        Ok(())
    })?;
    let Some(plane) = plane else { return Ok(()) };
    for (name, words) in parts {
        report.run(name, test(options, &plane).args(words))?;
    }
    Ok(())
}

fn test(options: Options, plane: &ControlPlane) -> Command {
    let mut command = release::tests(options, &["--test", "operator"]);
    command.arg("--").env("KUBECONFIG", plane.kubeconfig());
    command
}
