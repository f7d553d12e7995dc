//! Shell. The replicas of the StatefulSet belong to the operator: the policy refuses everybody
//! else, and without the policy the operator undoes it, and nothing is lost.

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::outage::Victim;
use serde_json::{Value, json};

use super::small;
use crate::harness::cluster::{Cluster, condition};
use crate::harness::forward::Forward;
use crate::harness::kubectl::Kubectl;
use crate::harness::load::{Load, Settings, now_ms};
use crate::harness::namespace::{scenario, scenario_alone};
use crate::harness::{operator, wait};

const BINDING: &str = "validatingadmissionpolicybinding";
/// How long the API server may take to know a policy, or to forget it.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn nobody_but_the_operator_changes_the_statefulset() -> anyhow::Result<()> {
    scenario_alone("guards", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &small(3))?;
        let scale = ["scale", "statefulset/demo", "--replicas=1"];
        let refusal = wait::until("the policy is known", KNOWN_WITHIN, || {
            namespace.kubectl.refused(&scale, None).map_err(|error| format!("{error:#}"))
        })?;
        require_remedy(&refusal)?;
        let patch = format!("--patch={}", json!({ "spec": { "replicas": 1 } }));
        let patch = ["patch", "statefulset", "demo", "--type=merge", &patch];
        require_remedy(&namespace.kubectl.refused(&patch, None)?)?;
        cluster.wait_settled(3)?;

        let mut load = Load::start(&cluster, Settings::default(), None)?;
        let began = now_ms();
        let generation = generation(&cluster)?;
        let binding = Unbound::take(&cluster)?;
        wait::until("without the policy it is taken", KNOWN_WITHIN, || {
            namespace.kubectl.run(&scale).map_err(|error| format!("{error:#}"))
        })?;
        wait_undone(&cluster, generation + 2)?;
        cluster.wait_settled(3)?;
        load.note_outage(Victim::Server(cluster.server(1)), began);
        load.note_outage(Victim::Server(cluster.server(2)), began);
        drop(binding);
        load.finish()?.require_explained()
    })
}

#[test]
fn a_person_can_pause_the_operator_and_break_the_glass() -> anyhow::Result<()> {
    scenario("break-glass", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &small(2))?;
        let answers = Forward::to_router(&cluster)?.redis(&["SET a 1", "SET b 2"])?;
        ensure!(answers == ["OK", "OK"], "{answers:?}");
        cluster.patch_spec(&json!({ "paused": true }))?;
        cluster.scale(3)?;
        cluster.wait("it has seen that it is paused", KNOWN_WITHIN, |resource| {
            let is_seen =
                resource["status"]["observedGeneration"] == resource["metadata"]["generation"];
            let progressing = condition(resource, "Progressing")?;
            (is_seen && progressing["reason"] == "Paused").then_some(())
        })?;
        ensure!(cluster.pods("node")?.len() == 2, "it scales although it is paused");
        let annotation = json!({ "ringkv.dev/break-glass": "true" });
        let patch = json!({
            "metadata": { "annotations": annotation },
            "spec": { "replicas": 1 },
        });
        namespace.kubectl.patch(&["statefulset", "demo"], &patch)?;
        wait::until("the server is gone", KNOWN_WITHIN, || {
            let servers = cluster.pods("node").map_err(|error| error.to_string())?.len();
            if servers == 1 { Ok(()) } else { Err(format!("{servers} servers")) }
        })?;
        cluster.patch_spec(&json!({ "paused": false }))?;
        cluster.wait_settled(3)?;
        let answers = Forward::to_router(&cluster)?.redis(&["GET a", "GET b"])?;
        ensure!(answers == ["1", "2"], "{answers:?}");
        Ok(())
    })
}

fn require_remedy(refusal: &str) -> anyhow::Result<()> {
    let names = refusal.contains("scale kvcluster/demo");
    ensure!(names, "the refusal does not say what to do: {refusal}");
    Ok(())
}

/// How often the StatefulSet was changed.
fn generation(cluster: &Cluster) -> anyhow::Result<u64> {
    let set = cluster.kubectl.get(&["statefulset", "demo"])?;
    set["metadata"]["generation"].as_u64().context("a StatefulSet has a generation")
}

fn wait_undone(cluster: &Cluster, generation: u64) -> anyhow::Result<()> {
    wait::until("the operator undoes it", KNOWN_WITHIN, || {
        let set = cluster.kubectl.get(&["statefulset", "demo"]).map_err(|e| e.to_string())?;
        let is_newer = set["metadata"]["generation"].as_u64() >= Some(generation);
        let replicas = &set["spec"]["replicas"];
        if is_newer && *replicas == 3 { Ok(()) } else { Err(format!("replicas {replicas}")) }
    })
}

/// The policy without its binding, which is put back when this is dropped.
struct Unbound {
    kubectl: Kubectl,
    binding: Value,
}

impl Unbound {
    fn take(cluster: &Cluster) -> anyhow::Result<Self> {
        let kubectl = Kubectl::cluster(cluster.settings);
        let selector = format!("app.kubernetes.io/instance={}", operator::RELEASE);
        let bindings = kubectl.list(&[BINDING, "--selector", &selector])?;
        let binding = bindings.into_iter().next().context("the chart made no binding")?;
        let name = binding["metadata"]["name"].as_str().context("it has a name")?.to_owned();
        kubectl.run(&["delete", BINDING, &name])?;
        Ok(Self { kubectl, binding })
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let mut binding = self.binding.clone();
        if let Some(metadata) = binding["metadata"].as_object_mut() {
            for field in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
                metadata.remove(field);
            }
        }
        if let Err(error) = self.kubectl.apply(&binding) {
            println!("    the binding of the policy is not back: {error:#}");
        }
    }
}
