//! Shell. The README's section on Kubernetes, word for word, on a cluster without an operator; and
//! what stays when the operator is uninstalled.

use std::fs;

use anyhow::ensure;
use e2e::story::steps;

use super::isolation::require_definition;
use super::small;
use crate::harness::cluster::Cluster;
use crate::harness::forward::Forward;
use crate::harness::namespace::scenario_alone;
use crate::harness::settings::root;
use crate::harness::{operator, story};

const HEADING: &str = "## On Kubernetes";

#[test]
fn the_readme_is_true_word_for_word() -> anyhow::Result<()> {
    scenario_alone("walkthrough", |namespace| {
        let readme = fs::read_to_string(root().join("README.md"))?;
        let steps = steps(&readme, HEADING);
        ensure!(!steps.is_empty(), "the README shows no command under {HEADING:?}");
        // The README installs it under the same name, and so takes over the definition.
        operator::uninstall(namespace.settings)?;
        story::tell(namespace.settings, &steps, &namespace.name)?;
        require_definition(namespace)?;
        let status = operator::is_installed(namespace.settings)?;
        ensure!(!status, "the README does not uninstall the operator");
        println!("    {} commands", steps.len());
        operator::ensure(namespace.settings)
    })
}

#[test]
fn uninstalling_the_operator_leaves_clusters_and_data() -> anyhow::Result<()> {
    scenario_alone("uninstall", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &small(2))?;
        let answers = Forward::to_router(&cluster)?.redis(&["SET a 1"])?;
        ensure!(answers == ["OK"], "{answers:?}");
        let pods = cluster.pods("node")?.len();
        operator::uninstall(namespace.settings)?;
        require_definition(namespace)?;
        cluster.scale(3)?;
        let answers = Forward::to_router(&cluster)?.redis(&["GET a", "SET b 2"])?;
        ensure!(answers == ["1", "OK"], "without an operator: {answers:?}");
        ensure!(cluster.pods("node")?.len() == pods, "pods changed without an operator");
        operator::ensure(namespace.settings)?;
        cluster.wait_settled(3)?;
        let answers = Forward::to_router(&cluster)?.redis(&["GET a", "GET b"])?;
        ensure!(answers == ["1", "2"], "with the operator again: {answers:?}");
        Ok(())
    })
}
