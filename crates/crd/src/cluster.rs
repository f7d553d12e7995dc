//! Pure. The resource itself and its specification.
#![allow(unreachable_pub, reason = "KubeSchema copies each type into a function")]

use k8s_openapi::api::core::v1::LocalObjectReference;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pods::{NodeSettings, RouterSettings};
use crate::status::KvClusterStatus;
use crate::{rules, schemas};

/// What the cluster should be.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ringkv.dev",
    version = "v1alpha1",
    kind = "KvCluster",
    plural = "kvclusters",
    shortname = "kvc",
    doc = "A durable key-value store, sharded by a consistent-hash ring.",
    namespaced,
    derive = "PartialEq",
    status = "KvClusterStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    validation = rules::NAME,
    validation = rules::NAME_OF_A_PART,
    validation = rules::SECRET_OF_OURS,
    printcolumn(name = "Servers", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.ready"),
    printcolumn(
        name = "Available",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Available")].status"#
    ),
    printcolumn(
        name = "Degraded",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Degraded")].status"#
    ),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Progress", type_ = "string", json_path = ".status.rebalance.progress"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Epoch", type_ = "integer", json_path = ".status.ring.epoch", priority = 1),
    printcolumn(
        name = "Routers",
        type_ = "integer",
        json_path = ".spec.router.replicas",
        priority = 1
    ),
    printcolumn(name = "Storage", type_ = "string", json_path = ".spec.storage.size", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Degraded")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct KvClusterSpec {
    /// How many servers share the ring. `kubectl scale` and an autoscaler change it at any time.
    #[serde(default = "defaults::replicas")]
    #[schemars(range(min = 1, max = 256))]
    pub replicas: i32,
    /// Tokens of each server on the ring. Cannot change once the cluster exists.
    #[serde(default = "defaults::virtual_nodes")]
    #[schemars(range(min = 1, max = 1000))]
    #[x_kube(validation = rules::VIRTUAL_NODES_STAY)]
    pub virtual_nodes: i32,
    /// How tokens are chosen. Cannot change once the cluster exists.
    #[serde(default)]
    #[x_kube(validation = rules::PLACEMENT_STAYS)]
    pub placement: Placement,
    /// When a write is answered.
    #[serde(default)]
    pub durability: Durability,
    /// The volume of each server.
    #[serde(default)]
    pub storage: Storage,
    /// What becomes of volumes that are not needed any more.
    #[serde(default)]
    pub pvc_retention_policy: PvcRetentionPolicy,
    /// The image of servers and routers; the operator's own image if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::IMAGE)]
    pub image: Option<String>,
    /// When the image is pulled; as Kubernetes chooses if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::pull_policy")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets with which the image is pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::pull_secrets")]
    #[x_kube(validation = rules::PULL_SECRETS)]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Settings of the server pods.
    #[serde(default)]
    pub node: NodeSettings,
    /// Settings of the routers, which clients connect to.
    #[serde(default)]
    pub router: RouterSettings,
    /// Clients must give a password (`AUTH`, or HTTP bearer); none is asked for if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Bounds on the moving of data.
    #[serde(default)]
    pub rebalance: Rebalance,
    /// While true the operator changes nothing; servers and routers go on as they are.
    #[serde(default)]
    pub paused: bool,
}

/// How the tokens of a server are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Placement {
    /// Token i is MD5("{name}-{i}").
    Classic,
    /// Token i is the best of 8 salted candidates, so that shares are nearly even.
    #[default]
    Balanced,
}

/// When the image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum ImagePullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// When a write is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Durability {
    /// After its fsync: an answered write survives a power cut.
    #[default]
    Always,
    /// After it is handed to the operating system, with an fsync each second.
    EverySec,
}

/// The volume of each server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::CLASS_STAYS)]
pub struct Storage {
    /// Its size, such as `10Gi`. It can grow, where the storage class allows it, and not shrink.
    #[serde(default = "defaults::storage_size")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::SIZE_IS_A_QUANTITY)]
    #[x_kube(validation = rules::SIZE_AT_LEAST)]
    #[x_kube(validation = rules::SIZE_GROWS)]
    pub size: String,
    /// Its storage class; the default class if absent. Cannot change once the cluster exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::CLASS_IS_A_NAME)]
    pub class: Option<String>,
}

impl Default for Storage {
    fn default() -> Self {
        Self { size: defaults::storage_size(), class: None }
    }
}

/// What becomes of volumes that are not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PvcRetentionPolicy {
    /// The volume of a server that left the ring; all its data has moved to the other servers.
    #[serde(default = "defaults::when_scaled")]
    pub when_scaled: PvcRetention,
    /// All volumes, when the cluster is deleted.
    #[serde(default = "defaults::when_deleted")]
    pub when_deleted: PvcRetention,
}

impl Default for PvcRetentionPolicy {
    fn default() -> Self {
        Self { when_scaled: defaults::when_scaled(), when_deleted: defaults::when_deleted() }
    }
}

/// Whether a volume is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PvcRetention {
    /// It stays until somebody deletes it.
    Retain,
    /// It is deleted.
    Delete,
}

/// Where the password of clients comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// A Secret of yours in the same namespace, with the key `password`. If absent, a password is
    /// generated into the Secret `<cluster>-auth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::EXISTING_SECRET)]
    pub existing_secret: Option<String>,
}

/// Bounds on the moving of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rebalance {
    /// The most bytes that one server streams to others in a second. If absent, all that it can,
    /// but with rests while it serves clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024))]
    pub max_bytes_per_second: Option<i64>,
    /// How many handoffs run at a time in the cluster.
    #[serde(default = "defaults::parallel_handoffs")]
    #[schemars(range(min = 1, max = 64))]
    pub parallel_handoffs: i32,
}

impl Default for Rebalance {
    fn default() -> Self {
        Self { max_bytes_per_second: None, parallel_handoffs: defaults::parallel_handoffs() }
    }
}

mod defaults {
    use super::PvcRetention;

    pub(super) const fn replicas() -> i32 {
        3
    }

    pub(super) const fn virtual_nodes() -> i32 {
        100
    }

    pub(super) fn storage_size() -> String {
        "10Gi".to_owned()
    }

    pub(super) const fn when_scaled() -> PvcRetention {
        PvcRetention::Delete
    }

    pub(super) const fn when_deleted() -> PvcRetention {
        PvcRetention::Retain
    }

    pub(super) const fn parallel_handoffs() -> i32 {
        8
    }
}
