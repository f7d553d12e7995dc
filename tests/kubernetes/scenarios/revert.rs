//! Shell. Changes of mind: a scale-down taken back half-way, nine corrected to four at once, and a
//! scale to the size that there is.

use std::collections::BTreeMap;

use anyhow::ensure;
use serde_json::{Value, json};

use super::slow;
use crate::harness::cluster::Cluster;
use crate::harness::load::{Load, Settings};
use crate::harness::namespace::{scenario, scenario_alone};
use crate::harness::operator;

const BYTES_PER_SECOND: u32 = 60_000;
const LOAD: Settings = Settings { keys: 6_000, value_bytes: 400, rate: 400 };

#[test]
fn changes_are_taken_back() -> anyhow::Result<()> {
    scenario("revert", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &slow(4, BYTES_PER_SECOND))?;
        let load = Load::start(&cluster, LOAD, None)?;
        let before = uids(&cluster)?;

        cluster.scale(2)?;
        let half = cluster.wait_moving()?;
        println!("    taken back at {}", half["status"]["rebalance"]);
        cluster.scale(4)?;
        cluster.wait_settled(4)?;
        ensure!(uids(&cluster)? == before, "a pod was replaced though the change was taken back");

        cluster.scale(9)?;
        cluster.scale(4)?;
        cluster.wait_settled(4)?;
        cluster.wait_claims(&[0, 1, 2, 3])?;
        ensure!(uids(&cluster)? == before, "a pod was replaced by a change that was corrected");

        load.finish()?.require_spotless()
    })
}

#[test]
fn a_scale_to_the_present_size_writes_nothing() -> anyhow::Result<()> {
    scenario_alone("same-size", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &super::small(2))?;
        let before = versions(&cluster)?;
        let requests = operator::requests(cluster.settings)?;
        cluster.scale(2)?;
        let applied = cluster.get()?["spec"].clone();
        cluster.patch_spec(&applied)?;
        // A label makes the operator look: it has the change behind it when it has looked once
        // more.
        let looks = operator::reconciles(cluster.settings)?;
        cluster.kubectl.run(&["label", "kvcluster", "demo", "seen=yes"])?;
        operator::wait_looked(cluster.settings, looks)?;
        let made = operator::requests_between(&requests, &operator::requests(cluster.settings)?);
        let writes: BTreeMap<_, _> =
            made.iter().filter(|(labels, _)| operator::is_write(labels)).collect();
        ensure!(writes.is_empty(), "the operator wrote: {writes:?}");

        let after = versions(&cluster)?;
        let (mut before, mut after) = (before, after);
        before.remove("kvcluster/demo");
        after.remove("kvcluster/demo");
        ensure!(before == after, "something was written: {before:#?} became {after:#?}");
        let labels = &cluster.get()?["metadata"]["labels"];
        ensure!(labels == &json!({ "seen": "yes" }), "labels {labels}");
        Ok(())
    })
}

fn uids(cluster: &Cluster) -> anyhow::Result<BTreeMap<String, String>> {
    let pods = cluster.pods("node")?;
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    Ok(pods.iter().map(|(name, pod)| (name.clone(), uid(pod))).collect())
}

/// The version of everything that belongs to the cluster, or where others write a status, how
/// often it was changed apart from that.
fn versions(cluster: &Cluster) -> anyhow::Result<BTreeMap<String, String>> {
    let kinds = "kvclusters,statefulsets,deployments,services,secrets,serviceaccounts,\
        roles,rolebindings,poddisruptionbudgets,networkpolicies,persistentvolumeclaims";
    let objects = cluster.kubectl.list(&[kinds])?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = objects.iter().map(|object| {
        let kind = text(&object["kind"]).to_lowercase();
        let name = format!("{kind}/{}", text(&object["metadata"]["name"]));
        let metadata = &object["metadata"];
        let generation = metadata["generation"].as_u64().map(|count| format!("change {count}"));
        (name, generation.unwrap_or_else(|| text(&metadata["resourceVersion"])))
    });
    Ok(entries.collect())
}
