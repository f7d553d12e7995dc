//! Shell. The Kubernetes API as nodes and routers use it: which cluster, a client that is made
//! when it is first needed, and errors that say what to do.

mod client;
mod cluster;
mod explain;

pub use client::LazyClient;
pub use cluster::{ClusterName, ClusterNameError, RingError, api_resource, committed_ring};
pub use explain::{Request, explain};
