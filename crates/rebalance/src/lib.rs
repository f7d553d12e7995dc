//! Shell. Brings the ownership that the nodes hold to the ring document that is wished for.
//!
//! The planner is pure: from what every node says and the ring document it makes a list of
//! actions, anew in each round. The coordinator is the shell around it.

mod act;
mod ask;
mod change;
mod commit;
mod config;
mod coordinator;
mod count;
mod driver;
mod loss;
mod observe;
mod plan;
mod progress;
mod report;
mod status;
mod store;
mod view;
mod wish;
#[cfg(test)]
mod world;

pub use change::must_record;
pub use config::{CoordinatorConfig, DEFAULT_PARALLEL_HANDOFFS, DEFAULT_VIRTUAL_NODES};
pub use coordinator::{Coordinator, Directory};
pub use plan::{Action, Handoff, Plan, PlanInput, PlanState, plan};
pub use status::{
    Change, ChangeError, ClusterState, HandoffProgress, HandoffState, Lost, PairProgress, Preview,
    PreviewMove, Rebalance, ServerRole, ServerStatus, Status,
};
pub use store::{FileRingStore, RingStore, RingStoreError};
pub use view::Observation;
