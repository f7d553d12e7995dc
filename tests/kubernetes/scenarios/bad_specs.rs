//! Shell. What cannot be is refused when it is applied, with a message that says what to change;
//! and a resource that nobody can read does not stop the others.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::small;
use crate::harness::cluster::Cluster;
use crate::harness::kubectl::Kubectl;
use crate::harness::namespace::{Namespace, scenario, scenario_alone};
use crate::harness::settings::root;

const DEFINITION: &str = "kvclusters.ringkv.dev";

#[test]
fn every_bad_manifest_is_refused_with_a_remedy() -> anyhow::Result<()> {
    scenario("bad-specs", |namespace| {
        // What is refused at its second version exists for a while; it shall not start anything.
        namespace.kubectl.run(&["create", "quota", "nothing", "--hard=pods=0"])?;
        let files = manifests("bad")?;
        let mut wrong = Vec::new();
        for file in &files {
            if let Err(error) = require_refused(namespace, file) {
                wrong.push(format!("{}: {error:#}", file.display()));
            }
        }
        println!("    {} bad manifests were refused", files.len() - wrong.len());
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        for file in manifests("good")? {
            for document in documents(&file)?.1 {
                let outcome = namespace.kubectl.output(
                    &["apply", "--dry-run=server", "--validate=strict", "--filename=-"],
                    Some(&document),
                )?;
                ensure!(outcome.succeeded, "{}: {}", file.display(), outcome.stderr);
            }
        }
        Ok(())
    })
}

#[test]
fn a_resource_that_cannot_be_read_does_not_stop_the_others() -> anyhow::Result<()> {
    scenario_alone("unreadable", |namespace| {
        let loosened = Loosened::take(namespace)?;
        let applied = Cluster::apply(namespace, "broken", &json!({ "storage": "much" }));
        drop(loosened);
        let broken = applied?;
        let cluster = Cluster::start(namespace, "demo", &small(1))?;
        cluster.scale(2)?;
        cluster.wait_settled(2)?;
        ensure!(broken.get()?["spec"]["storage"] == "much", "the broken one has been mended");
        namespace.kubectl.run(&["delete", "kvcluster", "broken", "--timeout=60s"])?;
        Ok(())
    })
}

fn manifests(folder: &str) -> anyhow::Result<Vec<PathBuf>> {
    let folder = root().join("crates/crd/tests").join(folder);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    ensure!(!paths.is_empty(), "{} is empty", folder.display());
    Ok(paths)
}

/// The comment in the first line, and the documents.
fn documents(file: &PathBuf) -> anyhow::Result<(String, Vec<String>)> {
    let text = fs::read_to_string(file)?;
    let says = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let says = says.context("the first line is no comment")?.to_owned();
    Ok((says, text.split("\n---\n").map(ToOwned::to_owned).collect()))
}

/// All documents but the last are taken, the last is refused.
fn require_refused(namespace: &Namespace, file: &PathBuf) -> anyhow::Result<()> {
    let (says, documents) = documents(file)?;
    let (bad, earlier) = documents.split_last().context("no document")?;
    for document in earlier {
        let outcome = namespace.kubectl.output(&["apply", "--filename=-"], Some(document))?;
        ensure!(outcome.succeeded, "what it begins with is refused: {}", outcome.stderr);
    }
    let refusal = namespace.kubectl.refused(&["apply", "--filename=-"], Some(bad));
    if !earlier.is_empty() || refusal.is_err() {
        let flags = ["--all", "--timeout=60s"];
        namespace.kubectl.run(&[&["delete", "kvclusters"], &flags[..]].concat())?;
    }
    let refusal = refusal?;
    ensure!(refusal.contains(&says), "expected {says:?}, was told: {refusal}");
    Ok(())
}

/// The definition without its schema, until this is dropped.
struct Loosened {
    kubectl: Kubectl,
    versions: Value,
}

impl Loosened {
    fn take(namespace: &Namespace) -> anyhow::Result<Self> {
        let kubectl = Kubectl::cluster(namespace.settings);
        let definition = kubectl.get(&["customresourcedefinition", DEFINITION])?;
        let versions = definition["spec"]["versions"].clone();
        let mut loose = versions.clone();
        let schema = &mut loose[0]["schema"]["openAPIV3Schema"];
        // Rules over the whole name fields that are not known then.
        schema["x-kubernetes-validations"] = json!([]);
        schema["properties"]["spec"] =
            json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let loosened = Self { kubectl, versions };
        loosened.set(&loose)?;
        // It takes effect a little later.
        crate::harness::wait::until(
            "anything is taken",
            std::time::Duration::from_secs(30),
            || {
                let manifest = json!({
                    "apiVersion": "ringkv.dev/v1alpha1",
                    "kind": "KvCluster",
                    "metadata": { "name": "broken" },
                    "spec": { "storage": "much" },
                });
                let outcome = namespace
                    .kubectl
                    .output(
                        &["create", "--dry-run=server", "--filename=-"],
                        Some(&manifest.to_string()),
                    )
                    .map_err(|error| error.to_string())?;
                if outcome.succeeded { Ok(()) } else { Err(outcome.stderr) }
            },
        )?;
        Ok(loosened)
    }

    fn set(&self, versions: &Value) -> anyhow::Result<()> {
        let patch = json!({ "spec": { "versions": versions } });
        self.kubectl.patch(&["customresourcedefinition", DEFINITION], &patch)
    }
}

impl Drop for Loosened {
    fn drop(&mut self) {
        if let Err(error) = self.set(&self.versions) {
            println!("    the schema is not back: {error:#}");
        }
    }
}
