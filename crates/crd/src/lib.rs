//! Pure. The custom resource `KvCluster`, group `ringkv.dev`: what a user asks for, what the
//! operator tells, and the rules that the API server checks.

mod accessors;
mod cluster;
pub mod names;
mod pods;
mod rules;
mod schemas;
mod status;
#[cfg(test)]
mod tests;

pub use accessors::{AcceptedLoss, InvalidAcceptance, definition};
pub use cluster::{
    Auth, Durability, ImagePullPolicy, KvCluster, KvClusterSpec, Placement, PvcRetention,
    PvcRetentionPolicy, Rebalance, Storage,
};
pub use pods::{NodeSettings, PodSettings, RouterSettings, ServiceSettings, ServiceType};
pub use status::{ConditionType, KvClusterStatus, RebalanceStatus, ServerState, condition_reasons};

/// The API group, which also begins the names of our labels and annotations.
pub const GROUP: &str = "ringkv.dev";
/// Accepts the loss of a volume: `<pod>/<incarnation>`, several separated by commas.
pub const ACCEPT_DATA_LOSS: &str = "ringkv.dev/accept-data-loss";
