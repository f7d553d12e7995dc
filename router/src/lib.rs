//! Shell. The router: what clients talk to. It speaks RESP and HTTP, sends each command to the
//! server that owns its key, and keeps no state but what it was told.

mod access;
mod app;
mod client;
mod config;
mod control;
mod coordinator;
mod data;
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod hot_paths;
mod http;
mod kubernetes;
mod lived;
mod membership;
mod merge;
mod metrics;
mod output;
mod park;
mod readiness;
mod refusal;
mod route;
mod shard;
#[cfg(feature = "simulation")]
pub mod simulated;
mod table;
mod touched;
mod upstream;
mod walk;

pub use access::Access;
pub use app::{Router, run};
pub use config::{Config, Source};
pub use membership::{MembershipError, MembershipSource};
pub use metrics::WritePause;
