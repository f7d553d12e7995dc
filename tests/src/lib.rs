//! Shell. The harness of the end-to-end tests: starts and kills real clusters, talks to them as
//! clients do, keeps a ledger of every operation, and judges it afterwards.
//!
//! Nothing here uses the code under test to read or to judge what it answers, with one exception:
//! the ring itself ([`ring`]), from which the expected owner of each key is computed.

pub mod append;
pub mod client_error;
pub mod cluster;
pub mod counter;
pub mod crash;
pub mod differential;
pub mod disk;
pub mod fault;
pub mod form;
pub mod history;
pub mod http;
pub mod inventory;
pub mod ledger;
pub mod load;
pub mod metrics;
pub mod network;
pub mod order;
pub mod outage;
pub mod process;
pub mod random;
pub mod register;
pub mod resp;
pub mod sequence;
pub mod server;
pub mod status;
pub mod story;
pub mod torture;
pub mod wait;
pub mod workload;

use std::future::Future;

/// Runs a scenario on one thread, on which it may also start tasks of its own.
///
/// # Errors
/// What the scenario fails with.
pub fn scenario<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, future)
}
