//! Pure. What a user may say about pods and services.
#![allow(unreachable_pub, reason = "KubeSchema copies each type into a function")]

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, ResourceRequirements, Toleration, TopologySpreadConstraint,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{rules, schemas};

/// Settings of the server pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeSettings {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub pod: PodSettings,
}

/// Settings of the routers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouterSettings {
    /// How many routers run.
    #[serde(default = "default_router_replicas")]
    #[schemars(range(min = 1, max = 100))]
    pub replicas: i32,
    /// The Service that clients connect to.
    #[serde(default)]
    pub service: ServiceSettings,
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub pod: PodSettings,
}

impl Default for RouterSettings {
    fn default() -> Self {
        Self {
            replicas: default_router_replicas(),
            service: ServiceSettings::default(),
            pod: PodSettings::default(),
        }
    }
}

const fn default_router_replicas() -> i32 {
    2
}

/// What servers and routers have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// Requests and limits of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::resources")]
    #[x_kube(validation = rules::REQUESTS_WITHIN_LIMITS)]
    pub resources: Option<ResourceRequirements>,
    /// Where pods may run, as in a Pod (`kubectl explain pod.spec.affinity`). If absent, pods of
    /// one kind rather run on different machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::affinity")]
    pub affinity: Option<Affinity>,
    /// How pods are spread, as in a Pod (`kubectl explain pod.spec.topologySpreadConstraints`);
    /// over machines and zones where possible if absent. A constraint without a label selector
    /// gets that of its pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::topology_spread")]
    #[x_kube(validation = rules::SPREAD)]
    #[x_kube(validation = rules::SPREAD_MIN_DOMAINS)]
    #[x_kube(validation = rules::SPREAD_POLICIES)]
    #[x_kube(validation = rules::SPREAD_ONCE)]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
    /// Taints that the pods tolerate, as in a Pod (`kubectl explain pod.spec.tolerations`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::tolerations")]
    #[x_kube(validation = rules::TOLERATIONS)]
    pub tolerations: Vec<Toleration>,
    /// Labels that a machine must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schemas::labels")]
    #[x_kube(validation = rules::KEYS)]
    #[x_kube(validation = rules::LABEL_VALUES)]
    pub node_selector: BTreeMap<String, String>,
    /// The priority class of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::PRIORITY_CLASS)]
    pub priority_class_name: Option<String>,
    /// More labels for the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schemas::labels")]
    #[x_kube(validation = rules::KEYS)]
    #[x_kube(validation = rules::KEYS_OF_OURS)]
    #[x_kube(validation = rules::LABEL_VALUES)]
    pub labels: BTreeMap<String, String>,
    /// More annotations for the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schemas::annotations")]
    #[x_kube(validation = rules::KEYS)]
    #[x_kube(validation = rules::KEYS_OF_OURS)]
    pub annotations: BTreeMap<String, String>,
}

/// The Service that clients connect to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSettings {
    /// How it is reached.
    #[serde(rename = "type", default)]
    pub type_: ServiceType,
    /// More annotations, as cloud load balancers want them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schemas::annotations")]
    #[x_kube(validation = rules::KEYS)]
    #[x_kube(validation = rules::KEYS_OF_OURS)]
    pub annotations: BTreeMap<String, String>,
}

/// How a Service is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum ServiceType {
    #[default]
    ClusterIP,
    NodePort,
    LoadBalancer,
}
