//! Shell. Volumes: they grow where the storage class allows it, and stay or go as the policy says.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::small;
use crate::harness::cluster::{Cluster, SETTLED_WITHIN};
use crate::harness::forward::Forward;
use crate::harness::kubectl::Kubectl;
use crate::harness::namespace::{Namespace, scenario};
use crate::harness::wait;

#[test]
fn volumes_grow_where_the_class_allows_it() -> anyhow::Result<()> {
    scenario("growth", |namespace| {
        if !can_grow(namespace)? {
            println!("    skipped: the volumes of the default storage class cannot grow");
            return Ok(());
        }
        let cluster = Cluster::start(namespace, "demo", &small(2))?;
        cluster.patch_spec(&json!({ "storage": { "size": "512Mi" } }))?;
        wait::until("the volumes have grown", SETTLED_WITHIN, || {
            let claims = namespace
                .kubectl
                .list(&["persistentvolumeclaims"])
                .map_err(|error| error.to_string())?;
            let sizes: Vec<String> = claims
                .iter()
                .map(|claim| claim["status"]["capacity"]["storage"].to_string())
                .collect();
            let grown = sizes.iter().all(|size| size == "\"512Mi\"") && sizes.len() == 2;
            if grown { Ok(()) } else { Err(format!("{sizes:?}")) }
        })?;
        cluster.wait_settled(2)?;
        // What joins later has the new size, too.
        cluster.scale(3)?;
        cluster.wait_settled(3)?;
        let claim = namespace.kubectl.get(&["persistentvolumeclaim", "data-demo-2"])?;
        let size = &claim["spec"]["resources"]["requests"]["storage"];
        ensure!(size == "512Mi", "the new volume has {size}");
        Ok(())
    })
}

#[test]
fn volumes_stay_or_go_as_the_policy_says() -> anyhow::Result<()> {
    scenario("retention", |namespace| {
        let mut spec = small(2);
        spec["pvcRetentionPolicy"] = json!({ "whenScaled": "Retain", "whenDeleted": "Retain" });
        let cluster = Cluster::start(namespace, "demo", &spec)?;
        let answers = Forward::to_router(&cluster)?.redis(&["SET a 1"])?;
        ensure!(answers == ["OK"], "{answers:?}");
        cluster.scale(1)?;
        cluster.wait_settled(1)?;
        cluster.wait_claims(&[0, 1])?;
        cluster.delete()?;
        wait_pods_gone(&cluster)?;
        cluster.wait_claims(&[0, 1])?;

        // The same cluster again has its data again; the other volume is of a server that left.
        spec["replicas"] = json!(1);
        spec["pvcRetentionPolicy"] = json!({ "whenDeleted": "Delete" });
        let cluster = Cluster::start(namespace, "demo", &spec)?;
        let answers = Forward::to_router(&cluster)?.redis(&["GET a"])?;
        ensure!(answers == ["1"], "the data of before: {answers:?}");
        cluster.scale(2)?;
        cluster.wait_settled(2)?;
        cluster.delete()?;
        cluster.wait_claims(&[])
    })
}

fn can_grow(namespace: &Namespace) -> anyhow::Result<bool> {
    let classes = Kubectl::cluster(namespace.settings).list(&["storageclasses"])?;
    let mark = "storageclass.kubernetes.io/is-default-class";
    let default = classes.iter().find(|class| class["metadata"]["annotations"][mark] == "true");
    let default: &Value = default.context("there is no default storage class")?;
    Ok(default["allowVolumeExpansion"] == true)
}

fn wait_pods_gone(cluster: &Cluster) -> anyhow::Result<()> {
    wait::until("the servers are gone", SETTLED_WITHIN, || {
        let pods = cluster.pods("node").map_err(|error| error.to_string())?;
        if pods.is_empty() { Ok(()) } else { Err(format!("{:?}", pods.keys())) }
    })
}
