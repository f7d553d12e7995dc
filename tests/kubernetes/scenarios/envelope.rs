//! Shell. What the operator takes: little memory, and nothing but watches while nothing changes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::small;
use crate::harness::cluster::Cluster;
use crate::harness::kubectl::Kubectl;
use crate::harness::namespace::scenario_alone;
use crate::harness::pod::name;
use crate::harness::settings::Settings;
use crate::harness::{operator, wait};

const MEMORY_MAX: u64 = 64 * 1024 * 1024;
/// How long the operator is watched; this is what is measured, not a wait.
const IDLE_FOR: Duration = Duration::from_secs(60);
const ALLOWANCE: Duration = Duration::from_secs(30);

#[test]
fn the_operator_is_small_and_idle_when_nothing_changes() -> anyhow::Result<()> {
    scenario_alone("envelope", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &small(3))?;
        let other = Cluster::start(namespace, "other", &small(1))?;
        let before = operator::requests(cluster.settings)?;
        let began = Instant::now();
        let version = |cluster: &Cluster| -> anyhow::Result<Value> {
            Ok(cluster.get()?["metadata"]["resourceVersion"].clone())
        };
        let versions = (version(&cluster)?, version(&other)?);
        wait::until("the time is over", IDLE_FOR + ALLOWANCE, || {
            let left = IDLE_FOR.saturating_sub(began.elapsed());
            if left.is_zero() { Ok(()) } else { Err(format!("{left:?} left")) }
        })?;
        let made = operator::requests_between(&before, &operator::requests(cluster.settings)?);
        let others: BTreeMap<_, _> =
            made.iter().filter(|(labels, _)| !labels.contains("\"watch\"")).collect();
        println!("    in {IDLE_FOR:?} without a change: {made:?}");
        ensure!(others.is_empty(), "not only watches: {others:?}");
        ensure!(versions == (version(&cluster)?, version(&other)?), "a status was written");

        let memory = memory(cluster.settings)?;
        println!("    {} KiB of memory", memory / 1024);
        ensure!(memory < MEMORY_MAX, "the operator has {memory} bytes of memory");
        Ok(())
    })
}

/// The operator's resident memory, as the kubelet measures it.
fn memory(settings: &'static Settings) -> anyhow::Result<u64> {
    let kubectl = Kubectl::cluster(settings);
    wait::until("the kubelet has measured it", ALLOWANCE, || {
        let look = || -> anyhow::Result<u64> {
            let pod = operator::wait_ready(settings)?;
            let node = pod["spec"]["nodeName"].as_str().context("it has a node")?;
            let path = format!("/api/v1/nodes/{node}/proxy/stats/summary");
            let summary: Value = serde_json::from_str(&kubectl.raw(&path)?)?;
            let pods = summary["pods"].as_array().context("no pods")?;
            let found = pods.iter().find(|found| found["podRef"]["name"] == name(&pod));
            let found = found.context("the pod is not in the summary")?;
            let memory = &found["containers"][0]["memory"];
            let bytes = memory["rssBytes"].as_u64().filter(|bytes| *bytes > 0);
            bytes.or(memory["workingSetBytes"].as_u64()).context("no figure")
        };
        look().map_err(|error| format!("{error:#}"))
    })
}
