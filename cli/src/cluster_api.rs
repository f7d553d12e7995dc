//! Pure. What is sent to a cluster over HTTP; what it answers is in the `rebalance` crate.

use rebalance::{ClusterState, ServerRole, Status};
use ring::{Distribution, ServerShare};
use router::WritePause;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST /add-server`; an empty body means one more server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddServers {
    /// What it is to be called; not together with a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u16>,
}

/// `POST /remove-server`; an empty body means the newest server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveServers {
    /// Which one; not together with a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// How many of the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u16>,
}

/// `POST /scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    /// How many servers the ring shall have. The newest leave.
    pub(crate) servers: u16,
}

/// What a router adds to its coordinator's status.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct RouterStatus {
    /// How long writes waited there for their range to change its server.
    pub(crate) write_pause: WritePause,
}

/// `GET /status`, of a coordinator or through a router.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WholeStatus {
    /// As it came.
    pub(crate) json: Value,
    /// What the coordinator says.
    pub(crate) status: Status,
    /// What the router adds.
    pub(crate) router: Option<RouterStatus>,
}

impl TryFrom<Value> for WholeStatus {
    type Error = serde_json::Error;

    fn try_from(json: Value) -> Result<Self, Self::Error> {
        let status = Status::deserialize(&json)?;
        let router = json.get("router").map(RouterStatus::deserialize).transpose()?;
        Ok(Self { json, status, router })
    }
}

/// Whether everything is as it was last asked to be.
pub(crate) fn is_at_rest(status: &Status) -> bool {
    status.rebalance.is_none()
        && status.state == ClusterState::Converged
        && status.servers.iter().all(|server| server.role == ServerRole::Member)
}

/// How evenly the servers share the ring and the keys now.
pub(crate) fn distribution(status: &Status) -> Distribution {
    let shares = status.servers.iter().map(|server| ServerShare {
        name: server.name.clone(),
        arc_share: server.arc_share,
        keys: server.keys,
    });
    let keys = status.servers.iter().map(|server| as_float(server.keys));
    Distribution {
        max_over_mean: max_over_mean(status.servers.iter().map(|server| server.arc_share)),
        keys_max_over_mean: max_over_mean(keys),
        servers: shares.collect(),
    }
}

fn max_over_mean(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let (count, sum) = (values.len(), values.clone().sum::<f64>());
    if sum == 0.0 { 0.0 } else { values.fold(0.0, f64::max) * as_float(count as u64) / sum }
}

#[expect(clippy::cast_precision_loss, reason = "only ratios of it are shown")]
const fn as_float(number: u64) -> f64 {
    number as f64
}

/// A document as indented JSON.
pub(crate) fn to_json(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default()
}
