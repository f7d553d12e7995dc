//! Pure. What a coordinator has to be told.

use std::time::Duration;

use handoff::ClusterId;
use node_api::Secret;
use ring::Placement;

/// How many handoffs run at once in the cluster, unless told otherwise. Two keep a machine busy
/// that has all servers; with more a change takes as long, and writers wait longer for each.
pub const DEFAULT_PARALLEL_HANDOFFS: usize = 2;
/// The virtual nodes of a server, unless told otherwise.
pub const DEFAULT_VIRTUAL_NODES: u16 = 100;

/// The coordinator's configuration.
#[derive(Clone, Debug)]
pub struct CoordinatorConfig {
    /// The cluster that it coordinates; nodes of another one are refused.
    pub cluster: ClusterId,
    /// The first members, where there is no ring document yet.
    pub initial_members: Vec<String>,
    /// What the name of a new server begins with: `kv` makes `kv-0`, `kv-1`, and so on.
    pub name_prefix: String,
    /// How tokens are chosen, at the first ring.
    pub placement: Placement,
    /// Tokens of each member, at the first ring.
    pub virtual_nodes: u16,
    /// How many handoffs run at once.
    pub parallel_handoffs: usize,
    /// Bound on the bytes a second that each source streams; `None` is no bound.
    pub max_bytes_per_second: Option<u64>,
    /// How long a node may take for an answer.
    pub request_timeout: Duration,
    /// Time between two looks at the nodes while something moves.
    pub poll_moving: Duration,
    /// Time between two looks at the nodes while nothing does.
    pub poll_idle: Duration,
    /// What nodes ask for on their administration API, where they do.
    pub token: Option<Secret>,
}

impl CoordinatorConfig {
    /// The usual values for a cluster of that name.
    #[must_use]
    pub fn new(cluster: ClusterId, initial_members: Vec<String>) -> Self {
        Self {
            cluster,
            initial_members,
            name_prefix: "kv".to_owned(),
            placement: Placement::default(),
            virtual_nodes: DEFAULT_VIRTUAL_NODES,
            parallel_handoffs: DEFAULT_PARALLEL_HANDOFFS,
            max_bytes_per_second: None,
            request_timeout: Duration::from_secs(2),
            poll_moving: Duration::from_millis(50),
            poll_idle: Duration::from_secs(1),
            token: None,
        }
    }
}
