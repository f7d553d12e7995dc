//! Pure. The objects of a cluster, as they shall be. Each is applied whole: what is not said here
//! is left to the API server's defaults and to other field managers.

mod access;
mod disruption;
mod labels;
mod network_policy;
mod node_pod;
mod pod;
mod router;
mod secrets;
mod services;
mod stateful_set;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

pub(crate) use self::access::Access;
pub(crate) use self::secrets::{auth_secret, internal_secret};
use crate::validate::ValidCluster;

/// What the objects depend on besides the specification.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BuildFacts<'a> {
    /// How many server pods there shall be: the plan decides, not the specification.
    pub(crate) server_pods: i32,
    /// What the claim template of the StatefulSet that is there asks for.
    pub(crate) claim_size: Option<&'a str>,
    /// Where the operator runs.
    pub(crate) operator_namespace: &'a str,
}

/// All objects of a cluster but its secrets, which are made once, and its volume claims, which the
/// StatefulSet makes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Objects {
    pub(crate) node_access: Access,
    pub(crate) router_access: Access,
    pub(crate) node_service: Service,
    pub(crate) router_service: Service,
    pub(crate) node_budget: PodDisruptionBudget,
    /// None where it would only keep a machine from being drained.
    pub(crate) router_budget: Option<PodDisruptionBudget>,
    pub(crate) node_policy: NetworkPolicy,
    pub(crate) router_policy: NetworkPolicy,
    pub(crate) stateful_set: StatefulSet,
    pub(crate) router: Deployment,
}

/// The objects of a cluster. What pods need comes before the pods.
pub(crate) fn objects(cluster: &ValidCluster, facts: &BuildFacts<'_>) -> Objects {
    Objects {
        node_access: access::of_nodes(cluster),
        router_access: access::of_routers(cluster),
        node_service: services::of_nodes(cluster),
        router_service: services::of_routers(cluster),
        node_budget: disruption::of_nodes(cluster),
        router_budget: disruption::of_routers(cluster),
        node_policy: network_policy::of_nodes(cluster, facts.operator_namespace),
        router_policy: network_policy::of_routers(cluster),
        stateful_set: stateful_set::build(cluster, facts),
        router: router::build(cluster),
    }
}

#[cfg(test)]
mod tests;
