//! Shell. The administration API of a node: what it is asked, what it answers, and a client.

mod client;
mod types;

pub use client::{ClientError, NodeClient};
pub use types::*;
