//! Shell. The nodes of Kubernetes: cut off, drained, and given back, also when a scenario fails.

use std::env;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;

use super::kubectl::{Kubectl, run};
use super::pod::{has_condition, name};
use super::settings::{Settings, root};
use super::wait;

/// How long Kubernetes may take to notice that a node is gone, or that it is back.
pub(crate) const NOTICED_WITHIN: Duration = Duration::from_secs(90);

/// The names of the nodes on which pods may run.
pub(crate) fn names(settings: &'static Settings) -> anyhow::Result<Vec<String>> {
    let nodes = Kubectl::cluster(settings).list(&["nodes"])?;
    let usable = nodes.iter().filter(|node| {
        let taints = node["spec"]["taints"].as_array();
        taints.is_none_or(|taints| taints.iter().all(|taint| taint["effect"] != "NoSchedule"))
    });
    Ok(usable.map(|node| name(node).to_owned()).collect())
}

/// A node without a network, until it is given back or dropped.
pub(crate) struct CutOff {
    settings: &'static Settings,
    node: String,
    is_back: bool,
}

impl CutOff {
    /// Cuts it off.
    pub(crate) fn cut(settings: &'static Settings, node: &str) -> anyhow::Result<Self> {
        xtask(&["cluster", "disconnect", node])?;
        Ok(Self { settings, node: node.to_owned(), is_back: false })
    }

    /// Waits until Kubernetes has noticed.
    pub(crate) fn wait_noticed(&self) -> anyhow::Result<()> {
        wait_ready(self.settings, &self.node, false)
    }

    /// Gives it back, and waits until Kubernetes has noticed.
    pub(crate) fn give_back(mut self) -> anyhow::Result<()> {
        self.is_back = true;
        xtask(&["cluster", "connect", &self.node])?;
        wait_ready(self.settings, &self.node, true)
    }
}

impl Drop for CutOff {
    fn drop(&mut self) {
        if !self.is_back
            && let Err(error) = xtask(&["cluster", "connect", &self.node])
        {
            println!("    node {} is cut off: {error:#}", self.node);
        }
    }
}

/// A drained node, until it is given back or dropped.
pub(crate) struct Drained {
    settings: &'static Settings,
    node: String,
}

impl Drained {
    /// `kubectl drain`; respects disruption budgets.
    pub(crate) fn drain(settings: &'static Settings, node: &str) -> anyhow::Result<Self> {
        let drained = Self { settings, node: node.to_owned() };
        let flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=150s"];
        Kubectl::cluster(settings).run(&[&["drain", node], &flags[..]].concat())?;
        Ok(drained)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let kubectl = Kubectl::cluster(self.settings);
        if let Err(error) = kubectl.run(&["uncordon", &self.node]) {
            println!("    node {} stays drained: {error:#}", self.node);
        }
    }
}

fn wait_ready(settings: &'static Settings, node: &str, is_ready: bool) -> anyhow::Result<()> {
    let kubectl = Kubectl::cluster(settings);
    wait::until(&format!("node {node} ready: {is_ready}"), NOTICED_WITHIN, || {
        let found = kubectl.get(&["node", node]).map_err(|error| error.to_string())?;
        if has_condition(&found, "Ready", "True") == is_ready {
            return Ok(());
        }
        Err(found["status"]["conditions"].to_string())
    })
}

/// Runs a development task: the program that `XTASK` names, or by cargo.
fn xtask(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = match env::var_os("XTASK") {
        Some(program) => Command::new(program),
        None => {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
            cargo.args(["run", "--quiet", "--package", "xtask", "--"]);
            cargo
        }
    };
    let outcome = run(command.args(arguments).current_dir(root()), None)?;
    ensure!(outcome.succeeded, "xtask {}: {}", arguments.join(" "), outcome.stderr);
    Ok(())
}
