//! Shell. What the scenarios share: kubectl and helm as a user runs them, and a KvCluster under
//! test.

pub(crate) mod cluster;
mod diagnosis;
pub(crate) mod forward;
pub(crate) mod helm;
pub(crate) mod kubectl;
pub(crate) mod load;
pub(crate) mod namespace;
pub(crate) mod nodes;
pub(crate) mod operator;
pub(crate) mod pod;
pub(crate) mod settings;
pub(crate) mod story;
pub(crate) mod wait;
pub(crate) mod watch;
