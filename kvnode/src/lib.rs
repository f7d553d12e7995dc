//! Shell. One server of the ring: the storage of its records, the commands on them, the ownership
//! of its arcs, and the handoffs that move them.

mod access;
pub mod admin;
mod app;
mod command;
mod config;
mod control;
pub mod executor;
#[doc(hidden)]
pub mod fuzzing;
pub mod handoff;
#[doc(hidden)]
pub mod hot_paths;
pub mod metrics;
pub mod ownership;
mod server;
#[cfg(feature = "simulation")]
pub mod simulated;
pub mod store;
mod upkeep;

pub use access::Access;
pub use app::{Listeners, RunError, run, run_until};
pub use config::{Addresses, Config, RingSource};
