//! Pure. How many pods a drain may take at a time.

use crd::names::Component;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{metadata, selector};
use crate::validate::ValidCluster;

/// One server at a time: its part of the ring is not answered for until it is back. A server that
/// is not ready counts as taken and is not evicted meanwhile (`IfHealthyBudget`, the default): it
/// may be recovering, which an eviction would start anew.
pub(super) fn of_nodes(cluster: &ValidCluster) -> PodDisruptionBudget {
    budget(cluster, Component::Node, cluster.names().nodes(), None)
}

/// One router at a time; one that is not ready serves nobody and may always go. A single router has
/// no budget: an operator's wish to drain its machine comes first.
pub(super) fn of_routers(cluster: &ValidCluster) -> Option<PodDisruptionBudget> {
    let several = cluster.router.replicas > 1;
    let eviction = Some("AlwaysAllow".to_owned());
    several.then(|| budget(cluster, Component::Router, cluster.names().router(), eviction))
}

fn budget(
    cluster: &ValidCluster,
    component: Component,
    name: String,
    unhealthy_pod_eviction_policy: Option<String>,
) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(cluster, component, name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(cluster, component)),
            unhealthy_pod_eviction_policy,
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
