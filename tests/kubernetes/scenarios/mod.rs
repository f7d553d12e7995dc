//! Shell. The scenarios, one module each, and the specification that most of them begin with.

mod autoscaler;
mod bad_specs;
mod chaos;
mod charts;
mod cut_off;
mod drain;
mod envelope;
mod examples;
mod guards;
mod image_roll;
mod isolation;
mod pod_loss;
mod revert;
mod scaling;
mod standby;
mod unschedulable;
mod volumes;
mod walkthrough;

use serde_json::{Value, json};

/// A small cluster of so many servers.
fn small(replicas: usize) -> Value {
    json!({ "replicas": replicas, "storage": { "size": "256Mi" } })
}

/// The same, whose servers stream so slowly that a change is sure to be met half-way.
fn slow(replicas: usize, bytes_per_second: u32) -> Value {
    let mut spec = small(replicas);
    spec["rebalance"] = json!({ "maxBytesPerSecond": bytes_per_second });
    spec
}
