//! Pure. What every object of a cluster carries: labels, and who owns it.

use std::collections::BTreeMap;

use crd::KvCluster;
use crd::names::{CLUSTER_LABEL, COMPONENT_LABEL, Component};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::Resource;

use crate::validate::ValidCluster;

pub(super) type Labels = BTreeMap<String, String>;

/// Labels of an object, and of a pod, of that kind.
pub(super) fn labels(cluster: &ValidCluster, component: Component) -> Labels {
    let pairs = [
        ("app.kubernetes.io/name", "ringkv"),
        ("app.kubernetes.io/instance", &cluster.name),
        ("app.kubernetes.io/managed-by", "ringkv-operator"),
        (COMPONENT_LABEL, component.as_str()),
        (CLUSTER_LABEL, &cluster.name),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// A user's own, where they do not say otherwise than ours.
pub(super) fn merged(users: &Labels, ours: Labels) -> Labels {
    let mut merged = users.clone();
    merged.extend(ours);
    merged
}

/// Selects the pods of that kind.
pub(super) fn selector(cluster: &ValidCluster, component: Component) -> LabelSelector {
    let labels = cluster.names().selector(component);
    LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }
}

/// Name, labels and owner of an object.
pub(super) fn metadata(cluster: &ValidCluster, component: Component, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.namespace.clone()),
        labels: Some(labels(cluster, component)),
        owner_references: Some(vec![owner(cluster)]),
        ..ObjectMeta::default()
    }
}

/// With the resource goes all that it owns.
fn owner(cluster: &ValidCluster) -> OwnerReference {
    OwnerReference {
        api_version: KvCluster::api_version(&()).into_owned(),
        kind: KvCluster::kind(&()).into_owned(),
        name: cluster.name.clone(),
        uid: cluster.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
