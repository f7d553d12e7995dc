//! Shell. What every process of ringkv needs from the outside: clock, randomness, signals, an
//! orderly end, telemetry, network types, exit codes. Only this crate reads the wall
//! clock and entropy; deadlines of tasks are tokio's, which a simulation can stop.

pub mod blocking;
pub mod clock;
pub mod drain;
pub mod exit;
pub mod net;
pub mod panic;
pub mod rng;
pub mod signal;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod telemetry;

#[cfg(test)]
mod tests;
