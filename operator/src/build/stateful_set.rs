//! Pure. The StatefulSet of the servers. The operator decides how many pods there are and replaces
//! them one at a time; the StatefulSet makes pods and claims, and gives each server its own.

use std::collections::BTreeMap;

use crd::names::{CLUSTER_ID_LABEL, CLUSTER_LABEL, Component, DATA_VOLUME};
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::labels::{metadata, selector};
use super::{BuildFacts, node_pod};
use crate::validate::ValidCluster;

const REVISIONS_KEPT: i32 = 3;

pub(super) fn build(cluster: &ValidCluster, facts: &BuildFacts<'_>) -> StatefulSet {
    StatefulSet {
        metadata: metadata(cluster, Component::Node, cluster.names().stateful_set()),
        spec: Some(StatefulSetSpec {
            replicas: Some(facts.server_pods),
            service_name: Some(cluster.names().nodes()),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            min_ready_seconds: Some(0),
            revision_history_limit: Some(REVISIONS_KEPT),
            selector: selector(cluster, Component::Node),
            template: node_pod::template(cluster),
            persistent_volume_claim_retention_policy: Some(retention()),
            volume_claim_templates: Some(vec![claim(cluster, facts)]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// A claim never goes because there are fewer pods, or because somebody deletes the StatefulSet:
/// the operator deletes it, by its UID, once its server has handed over everything, or has it owned
/// by the cluster.
fn retention() -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    let retain = || Some("Retain".to_owned());
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_scaled: retain(),
        when_deleted: retain(),
    }
}

/// It can never change, so it carries what never does: no label besides those that claims are found
/// by, and the size that it was made with, from which claims then grow. ReadWriteOnce, as not every
/// class knows ReadWriteOncePod: that no two servers use one volume is seen to by a lock in it.
fn claim(cluster: &ValidCluster, facts: &BuildFacts<'_>) -> PersistentVolumeClaim {
    let size = facts.claim_size.unwrap_or(&cluster.storage_size);
    let requests = BTreeMap::from([("storage".to_owned(), Quantity(size.to_owned()))]);
    let labels =
        [(CLUSTER_LABEL, cluster.name.clone()), (CLUSTER_ID_LABEL, cluster.cluster_id.to_string())];
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(DATA_VOLUME.to_owned()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: cluster.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(requests),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
