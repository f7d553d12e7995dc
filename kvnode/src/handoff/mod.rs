//! Shell. Handoffs between servers: the frames of the peer protocol, and what drives the state
//! machines of the crate `handoff` by them, against the store and the network.

pub mod wire;
