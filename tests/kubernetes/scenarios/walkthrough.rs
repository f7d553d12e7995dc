//! Shell. The README's section on Kubernetes, word for word, on a cluster without an operator; and
//! what stays when the operator is uninstalled.

use std::fs;

use anyhow::{Context, ensure};
use e2e::story::steps;

use super::isolation::require_definition;
use super::small;
use crate::harness::cluster::Cluster;
use crate::harness::forward::Forward;
use crate::harness::kubectl::Kubectl;
use crate::harness::namespace::{Namespace, scenario};
use crate::harness::settings::root;
use crate::harness::{operator, story};

const HEADING: &str = "## On Kubernetes";
const DEFINITION: &str = "customresourcedefinition/kvclusters.ringkv.dev";

#[test]
fn the_readme_is_true_word_for_word() -> anyhow::Result<()> {
    scenario("walkthrough", |namespace| {
        let readme = fs::read_to_string(root().join("README.md"))?;
        let steps = steps(&readme, HEADING);
        ensure!(!steps.is_empty(), "the README shows no command under {HEADING:?}");
        operator::uninstall(namespace.settings)?;
        remove_definition(namespace)?;
        let told = story::tell(namespace.settings, &steps, &namespace.name);
        if told.is_ok() {
            require_definition(namespace).context("after the story")?;
            let claims = namespace.kubectl.list(&["persistentvolumeclaims"])?;
            println!("    {} commands; {} volumes are left", steps.len(), claims.len());
        }
        // The definition is marked as another release's.
        let ended = remove_definition(namespace).and(operator::ensure(namespace.settings));
        told.and(ended)
    })
}

#[test]
fn uninstalling_the_operator_leaves_clusters_and_data() -> anyhow::Result<()> {
    scenario("uninstall", |namespace| {
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

fn remove_definition(namespace: &Namespace) -> anyhow::Result<()> {
    let kubectl = Kubectl::cluster(namespace.settings);
    kubectl.run(&["delete", DEFINITION, "--ignore-not-found", "--timeout=60s"]).map(drop)
}
