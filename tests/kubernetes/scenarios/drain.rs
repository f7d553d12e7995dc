//! Shell. `kubectl drain` of a node under load: disruption budgets are respected and nothing is
//! lost. The servers are spread over the nodes to begin with.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use e2e::outage::Victim;
use serde_json::Value;

use super::small;
use crate::harness::cluster::Cluster;
use crate::harness::load::{Load, Settings, now_ms};
use crate::harness::namespace::scenario_alone;
use crate::harness::nodes::{self, Drained};
use crate::harness::watch::{Watch, most_away};

#[test]
fn a_node_is_drained_under_load() -> anyhow::Result<()> {
    scenario_alone("drain", |namespace| {
        let nodes = nodes::names(namespace.settings)?;
        let [quiet, drained, ..] = nodes.as_slice() else {
            println!("    skipped: a drain needs two nodes");
            return Ok(());
        };
        let servers = nodes.len().min(3);
        let cluster = Cluster::start(namespace, "demo", &small(servers))?;
        let places = cluster.pods("node")?;
        let spread: BTreeSet<&str> = places.values().map(node_of).collect();
        ensure!(spread.len() == servers, "the servers are not spread: {spread:?}");
        let routers = cluster.pods("router")?;
        let spread: BTreeSet<&str> = routers.values().map(node_of).collect();
        ensure!(spread.len() == routers.len(), "the routers are not spread: {spread:?}");

        let mut load = Load::start(&cluster, Settings::default(), Some(quiet))?;
        let watch = Watch::servers(&cluster)?;
        let began = now_ms();
        let node = Drained::drain(namespace.settings, drained)?;
        let left = cluster.pods("node")?.values().filter(|pod| node_of(pod) == drained).count();
        ensure!(left == 0, "{left} servers are left on the drained node");
        // A volume that cannot follow waits for its node.
        drop(node);
        cluster.wait_settled(servers)?;
        cluster.wait_routers()?;
        for (name, pod) in &places {
            if node_of(pod) == drained {
                load.note_outage(Victim::Server(name.clone()), began);
            }
        }
        load.note_outage(Victim::Router, began);
        let (most, which) = most_away(&watch.stop()?);
        ensure!(most == 1, "{most} servers were away at a time: {which:?}");
        load.finish().context("the load")?.require_explained()
    })
}

/// The node of a pod.
pub(super) fn node_of(pod: &Value) -> &str {
    pod["spec"]["nodeName"].as_str().unwrap_or_default()
}
