//! Pure. What the operator tells about a cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use ring::{DocumentError, RingDocument};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schemas;

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KvClusterStatus {
    /// The generation of the specification that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The cluster's name for its volumes, 32 hexadecimal digits. Never changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// How many server pods there are, those that join or leave included.
    #[serde(default)]
    pub replicas: i32,
    /// How many servers serve what they own.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Serving servers of those that are asked for, such as `2/3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// What the cluster is doing, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Selects the server pods, for an autoscaler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The committed ring document. Written by the operator alone, and by compare-and-swap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::ring")]
    pub ring: Option<serde_json::Value>,
    /// The change of the ring that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<RebalanceStatus>,
    /// Each server, as last seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerState>,
    /// Available, Progressing, Degraded, Rebalancing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl KvClusterStatus {
    /// The committed ring document, if there is one.
    ///
    /// # Errors
    /// What is there is no ring document that this release reads.
    pub fn ring_document(&self) -> Result<Option<RingDocument>, DocumentError> {
        let Some(ring) = &self.ring else { return Ok(None) };
        RingDocument::from_json(ring.to_string().as_bytes()).map(Some)
    }
}

/// A change of the ring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceStatus {
    /// How many servers there were.
    pub from: i32,
    /// How many there will be.
    pub to: i32,
    /// How far it is, such as `42 %`.
    pub progress: String,
    /// Keys moved so far.
    pub keys_moved: i64,
    /// Keys to move; an estimate.
    pub keys_total: i64,
    /// Bytes moved so far.
    pub bytes_moved: i64,
    /// Bytes to move; an estimate.
    pub bytes_total: i64,
    /// Handoffs that are not finished.
    pub handoffs_open: i32,
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerState {
    /// Its name, which is its pod's.
    pub name: String,
    /// Its volume's incarnation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<String>,
    /// `Member`, `Joining`, `Leaving` or `Retired`.
    pub role: String,
    /// Whether it serves what it owns.
    pub ready: bool,
    /// The share of the ring that it owns, such as `33.3 %`.
    pub share: String,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The types of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// Every point of the ring has a server that answers for it.
    Available,
    /// The operator is bringing the cluster to its specification.
    Progressing,
    /// Something is wrong that does not go away by itself, or has not yet.
    Degraded,
    /// Data moves between servers.
    Rebalancing,
}

impl ConditionType {
    /// As in `status.conditions[].type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::Rebalancing => "Rebalancing",
        }
    }
}

/// The reasons of conditions; docs/kubernetes.md says what each one means.
pub mod condition_reasons {
    /// Available: every server serves what it owns.
    pub const ALL_ARCS_SERVED: &str = "AllArcsServed";
    /// Available is false: some servers do not answer.
    pub const SERVERS_UNAVAILABLE: &str = "ServersUnavailable";
    /// Available is false: no router answers clients.
    pub const ROUTERS_UNAVAILABLE: &str = "RoutersUnavailable";
    /// Available is false, Progressing: the first ring is being made.
    pub const BOOTSTRAPPING: &str = "Bootstrapping";
    /// Nothing is left to do.
    pub const AS_SPECIFIED: &str = "AsSpecified";
    /// Progressing: servers join or leave.
    pub const SCALING: &str = "Scaling";
    /// Progressing: pods are replaced, one at a time, by those of the current specification.
    pub const ROLLING: &str = "Rolling";
    /// Progressing: a server pod is on its way back.
    pub const RESTARTING: &str = "Restarting";
    /// Progressing: volumes are growing.
    pub const GROWING_VOLUMES: &str = "GrowingVolumes";
    /// Progressing is false, Degraded: something has to happen first; the message says what.
    pub const BLOCKED: &str = "Blocked";
    /// Progressing is false: `spec.paused`.
    pub const PAUSED: &str = "Paused";
    /// Degraded: a volume is gone with data that only it had.
    pub const DATA_LOST: &str = "DataLost";
    /// Degraded: the specification cannot be carried out; the message says why.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Degraded: the API server refused something; the message says what.
    pub const RECONCILE_FAILED: &str = "ReconcileFailed";
    /// Rebalancing: data moves.
    pub const MOVING: &str = "Moving";
    /// Rebalancing is false.
    pub const AT_REST: &str = "AtRest";
}
