//! Pure. One handoff moves the ownership and the records of some arcs from a source to a target.
//! This crate decides; it knows no socket, file, clock or randomness.

mod identity;

pub use identity::{ClusterId, Epoch, HandoffId, Incarnation, InvalidId, Server, Version};
