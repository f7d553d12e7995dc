//! Brings the ownership that the nodes hold to the ring document that is wished for.
//!
//! The planner is pure: from what every node says and the ring document it makes a list of
//! actions, anew in each round. The coordinator is the shell around it.

mod config;
mod coordinator;
mod driver;
mod status;
mod store;
mod wish;

pub use config::{CoordinatorConfig, DEFAULT_PARALLEL_HANDOFFS, DEFAULT_VIRTUAL_NODES};
pub use coordinator::{Coordinator, Directory};
pub use status::{
    Change, ChangeError, ClusterState, HandoffProgress, HandoffState, Lost, PairProgress, Preview,
    PreviewMove, Rebalance, ServerRole, ServerStatus, Status,
};
pub use store::{FileRingStore, RingStore, RingStoreError};
