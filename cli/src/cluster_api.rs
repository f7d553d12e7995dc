//! Pure. What a cluster answers over HTTP, as JSON. The same types serve and ask.

use ring::{Distribution, ServerShare};
use serde::{Deserialize, Serialize};

/// `GET /status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The epoch of the committed ring document.
    pub(crate) epoch: u64,
    /// The servers of the ring, and those that are joining or leaving it.
    pub(crate) servers: Vec<ServerStatus>,
    /// The change that is under way.
    pub(crate) rebalance: Option<Rebalance>,
    /// How the latest finished change went.
    #[serde(default)]
    pub(crate) last_rebalance: Option<Rebalance>,
    /// What keeps the cluster from being as it was asked to be, and what to do about it.
    #[serde(default)]
    pub(crate) problems: Vec<String>,
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerStatus {
    pub(crate) name: String,
    /// Where it speaks RESP, `host:port`.
    pub(crate) address: String,
    /// Whether it runs and serves what it owns.
    pub(crate) ready: bool,
    /// Live keys in what it owns.
    pub(crate) keys: u64,
    /// Bytes of these keys and their values.
    pub(crate) bytes: u64,
    /// The part of the ring that it owns now, in `0.0 ..= 1.0`.
    pub(crate) arc_share: f64,
}

/// A change of the ring.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rebalance {
    /// How many servers the ring had before.
    pub(crate) from: usize,
    /// How many it will have.
    pub(crate) to: usize,
    /// Its handoffs, finished ones too.
    pub(crate) handoffs: Vec<HandoffProgress>,
}

/// One server giving a part of the ring to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HandoffProgress {
    /// Its name, 32 hexadecimal digits.
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) target: String,
    /// `receiving`, `copying`, `frozen`, `owned`, `given`, `dropped` or `refused`.
    pub(crate) state: String,
    pub(crate) keys_moved: u64,
    /// An estimate, counted when it began.
    pub(crate) keys_total: u64,
    pub(crate) bytes_moved: u64,
    /// An estimate, counted when it began.
    #[serde(default)]
    pub(crate) bytes_total: u64,
}

/// `POST /add-server`; an empty body means one more server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddServers {
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u16>,
}

/// `POST /remove-server`; an empty body means the newest server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveServers {
    /// Which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// How many of the newest; not together with a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u16>,
}

/// The answer to an accepted change (HTTP status 202).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Servers that will join.
    pub(crate) added: Vec<String>,
    /// Servers that will leave.
    pub(crate) removed: Vec<String>,
    /// How many servers the ring had when it was asked.
    pub(crate) from: usize,
    /// How many it will have.
    pub(crate) to: usize,
    /// The servers that the ring will have.
    pub(crate) servers: Vec<String>,
}

/// `GET /plan?replicas=N`: what a change would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    /// What would move, by pair of servers.
    pub(crate) moves: Vec<PlannedMove>,
    /// Why the change would be refused or would wait; empty where it can begin at once.
    pub(crate) refusals: Vec<String>,
}

/// What one server would give to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlannedMove {
    pub(crate) source: String,
    pub(crate) target: String,
    /// The part of the ring, in `0.0 ..= 1.0`.
    pub(crate) arc_share: f64,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
}

impl Status {
    /// How many servers the ring will have when it has come to rest.
    pub(crate) fn heading_for(&self) -> usize {
        self.rebalance.as_ref().map_or(self.servers.len(), |rebalance| rebalance.to)
    }

    /// How evenly the servers share the ring and the keys now.
    pub(crate) fn distribution(&self) -> Distribution {
        let shares = self.servers.iter().map(|server| ServerShare {
            name: server.name.clone(),
            arc_share: server.arc_share,
            keys: server.keys,
        });
        Distribution {
            max_over_mean: max_over_mean(self.servers.iter().map(|server| server.arc_share)),
            keys_max_over_mean: max_over_mean(
                self.servers.iter().map(|server| as_float(server.keys)),
            ),
            servers: shares.collect(),
        }
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
