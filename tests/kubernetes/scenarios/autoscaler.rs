//! Shell. A HorizontalPodAutoscaler works on the `/scale` subresource.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::small;
use crate::harness::cluster::Cluster;
use crate::harness::namespace::{Namespace, scenario};
use crate::harness::pod::has_condition;
use crate::harness::wait;

/// An autoscaler looks every 15 s.
const LOOKED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn an_autoscaler_reads_and_scales() -> anyhow::Result<()> {
    scenario("autoscaler", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &small(1))?;
        let scale = format!(
            "/apis/ringkv.dev/v1alpha1/namespaces/{}/kvclusters/demo/scale",
            namespace.name
        );
        let scale: Value = serde_json::from_str(&namespace.kubectl.raw(&scale)?)?;
        let selector = scale["status"]["selector"].as_str().context("/scale has no selector")?;
        let selected = namespace.kubectl.list(&["pods", "--selector", selector])?.len();
        ensure!(selected == 1, "the selector {selector} selects {selected} pods, not the server");

        namespace.kubectl.apply(&autoscaler())?;
        cluster.wait_settled(2)?;
        let found = wait_looked(namespace, 2)?;
        println!("    {}", found["status"]["conditions"]);
        let invalid = found["status"]["conditions"].to_string().contains("InvalidSelector");
        ensure!(!invalid, "the autoscaler cannot use the selector: {}", found["status"]);
        // Else it would scale on while the cluster goes.
        namespace.kubectl.run(&["delete", "horizontalpodautoscaler", "demo"])?;
        Ok(())
    })
}

/// At least two servers, whatever the load, which is not measured here.
fn autoscaler() -> Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "demo" },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "ringkv.dev/v1alpha1",
                "kind": "KvCluster",
                "name": "demo",
            },
            "minReplicas": 2,
            "maxReplicas": 3,
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": { "type": "Utilization", "averageUtilization": 80 },
                },
            }],
        },
    })
}

fn wait_looked(namespace: &Namespace, replicas: u64) -> anyhow::Result<Value> {
    wait::until("the autoscaler sees the servers", LOOKED_WITHIN, || {
        let found = namespace
            .kubectl
            .get(&["horizontalpodautoscaler", "demo"])
            .map_err(|error| error.to_string())?;
        let sees = found["status"]["currentReplicas"] == replicas;
        if sees && has_condition(&found, "AbleToScale", "True") {
            Ok(found)
        } else {
            Err(found["status"].to_string())
        }
    })
}
