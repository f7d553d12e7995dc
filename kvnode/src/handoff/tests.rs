//! Whole nodes in this process, on loopback, that hand arcs to each other.

mod chaos;
mod client;
mod cluster;
mod durable_answers;
mod heads;
mod moving;
mod peers;
