//! Shell. Clusters in two namespaces do not see each other, and the chart for one namespace needs
//! nothing of the whole cluster.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::small;
use crate::harness::cluster::{AVAILABLE_WITHIN, Cluster};
use crate::harness::forward::Forward;
use crate::harness::helm::helm;
use crate::harness::kubectl::Kubectl;
use crate::harness::namespace::{Namespace, scenario, scenario_alone};
use crate::harness::operator;
use crate::harness::settings::split_image;

#[test]
fn two_namespaces_do_not_see_each_other() -> anyhow::Result<()> {
    scenario("isolation-a", |ours| {
        let theirs = Namespace::create(ours.settings, "isolation-b")?;
        let (mine, yours) =
            (Cluster::start(ours, "demo", &small(2))?, Cluster::start(&theirs, "demo", &small(2))?);
        let ids = (id(&mine)?, id(&yours)?);
        ensure!(ids.0 != ids.1, "both clusters have the id {}", ids.0);
        let answers = Forward::to_router(&mine)?.redis(&["SET a mine", "GET a"])?;
        ensure!(answers == ["OK", "mine"], "{answers:?}");
        let answers = Forward::to_router(&yours)?.redis(&["GET a", "SET a yours"])?;
        ensure!(answers == ["(nil)", "OK"], "{answers:?}");
        mine.scale(3)?;
        mine.wait_settled(3)?;
        yours.wait_settled(2)?;
        mine.delete()?;
        let answers = Forward::to_router(&yours)?.redis(&["GET a"])?;
        ensure!(answers == ["yours"], "{answers:?}");
        theirs.delete()
    })
}

fn id(cluster: &Cluster) -> anyhow::Result<Value> {
    Ok(cluster.get()?["status"]["clusterId"].clone())
}

#[test]
fn the_chart_for_one_namespace_needs_no_cluster_role() -> anyhow::Result<()> {
    scenario_alone("one-namespace", |namespace| {
        let outside = Namespace::create(namespace.settings, "elsewhere")?;
        operator::uninstall(namespace.settings)?;
        let installed = Installed::install(namespace)?;
        let kinds = installed.kinds()?;
        ensure!(kinds.contains("Role"), "the release has {kinds:?}");
        let wide = kinds.iter().find(|kind| kind.starts_with("Cluster"));
        ensure!(wide.is_none(), "the release has {kinds:?}");

        let ignored = Cluster::apply(&outside, "demo", &small(1))?;
        let cluster = Cluster::start(namespace, "demo", &small(1))?;
        cluster.scale(2)?;
        cluster.wait_settled(2)?;
        ensure!(ignored.get()?["status"].is_null(), "it looks after another namespace");
        cluster.delete()?;
        drop(installed);
        operator::ensure(namespace.settings)?;
        ignored.wait_condition("Available", "True", AVAILABLE_WITHIN)?;
        outside.delete()
    })
}

/// A release that looks after its own namespace only, until it is dropped.
struct Installed<'a>(&'a Namespace);

impl<'a> Installed<'a> {
    fn install(namespace: &'a Namespace) -> anyhow::Result<Self> {
        let (repository, tag) = split_image(&namespace.settings.image)?;
        let values = json!({
            "watchNamespaces": [namespace.name],
            "crds": { "enabled": false },
            "admissionPolicy": { "enabled": false },
            "image": { "repository": repository, "tag": tag, "pullPolicy": "IfNotPresent" },
        });
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), values.to_string())?;
        let values = file.path().display().to_string();
        let installed = Self(namespace);
        helm(
            namespace.settings,
            &[
                "install",
                operator::RELEASE,
                "charts/ringkv",
                "--namespace",
                &namespace.name,
                "--values",
                &values,
                "--wait",
                "--timeout",
                "90s",
            ],
        )?;
        Ok(installed)
    }

    /// The kinds of what is installed.
    fn kinds(&self) -> anyhow::Result<BTreeSet<String>> {
        let arguments = ["get", "manifest", operator::RELEASE, "--namespace", &self.0.name];
        let manifest = helm(self.0.settings, &arguments)?;
        let kinds = manifest.lines().filter_map(|line| line.strip_prefix("kind: "));
        let kinds: BTreeSet<String> = kinds.map(ToOwned::to_owned).collect();
        ensure!(!kinds.is_empty(), "nothing is installed: {manifest}");
        Ok(kinds)
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        let arguments = ["uninstall", operator::RELEASE, "--namespace", &self.0.name, "--wait"];
        if let Err(error) = helm(self.0.settings, &arguments) {
            println!("    the release is not gone: {error:#}");
        }
    }
}

/// Requires that the definition is there, which outlives every release.
pub(super) fn require_definition(namespace: &Namespace) -> anyhow::Result<()> {
    let kubectl = Kubectl::cluster(namespace.settings);
    let definition = kubectl.find(&["customresourcedefinition", "kvclusters.ringkv.dev"])?;
    definition.map(drop).context("the definition is gone")
}
