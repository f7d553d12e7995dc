//! Shell. Reconciles `KvCluster` resources and drives every change of their rings.
//!
//! One look at a cluster goes in steps: what is there is observed, the specification is validated,
//! the ring's coordinator is told where the servers are, a plan is made of all that, objects are
//! built and applied, the plan's steps are taken, and the status is told. What decides is pure;
//! what acts is a thin shell.

mod access;
mod act;
mod app;
mod apply;
mod build;
mod config;
mod controller;
mod coordinators;
mod election;
mod facts;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod identity;
mod metrics;
mod news;
mod objects;
mod plan;
mod reconcile;
mod refusal;
mod request;
mod ring_store;
mod status;
mod tell;
mod validate;
mod watches;

pub use app::run;
pub use config::Config;
