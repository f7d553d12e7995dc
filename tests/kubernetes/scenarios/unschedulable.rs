//! Shell. A server whose pod finds no node: it is named, blocks nobody, and a scale-down takes it
//! out again.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use super::small;
use crate::harness::cluster::Cluster;
use crate::harness::forward::Forward;
use crate::harness::namespace::scenario;
use crate::harness::nodes;
use crate::harness::pod::has_condition;
use crate::harness::wait;

const NOTICED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn a_pod_that_finds_no_node_leaves_without_blocking() -> anyhow::Result<()> {
    scenario("unschedulable", |namespace| {
        let nodes = nodes::names(namespace.settings)?.len();
        let mut spec = small(nodes);
        // One server a node, so that the next one finds none.
        spec["node"] = json!({ "affinity": { "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [{
                "topologyKey": "kubernetes.io/hostname",
                "labelSelector": { "matchLabels": {
                    "ringkv.dev/cluster": "demo",
                    "app.kubernetes.io/component": "node",
                } },
            }],
        } } });
        let cluster = Cluster::start(namespace, "demo", &spec)?;
        cluster.scale(nodes + 1)?;
        let homeless = cluster.server(nodes);
        wait_unschedulable(&cluster, &homeless)?;
        cluster.wait("the condition names the pod", NOTICED_WITHIN, |resource| {
            let conditions = resource["status"]["conditions"].to_string();
            conditions.contains(&homeless).then_some(())
        })?;
        ensure!(has_condition(&cluster.get()?, "Available", "True"), "it blocks those that serve");
        let answers = Forward::to_router(&cluster)?.redis(&["SET a 1", "GET a"])?;
        ensure!(answers == ["OK", "1"], "{answers:?}");

        cluster.scale(nodes)?;
        cluster.wait_settled(nodes)?;
        cluster.wait_claims(&(0..nodes).collect::<Vec<_>>())
    })
}

fn wait_unschedulable(cluster: &Cluster, name: &str) -> anyhow::Result<()> {
    wait::until("the pod finds no node", NOTICED_WITHIN, || {
        let found = cluster.kubectl.find(&["pod", name]).map_err(|error| error.to_string())?;
        match found {
            Some(pod) if has_condition(&pod, "PodScheduled", "False") => Ok(()),
            found => Err(found.map_or("absent".to_owned(), |pod| pod["status"].to_string())),
        }
    })
}
