//! The administration API of a node: what it is asked, what it answers, and a client.

mod types;

pub use types::*;
