//! Shell. The ownership protocol in small: a few nodes, arcs, clients and coordinators with the
//! true rules of `handoff` and the true planner of `rebalance`, between which everything may go
//! wrong. A world is pure; the search visits every one that can be reached.

mod action;
mod clients;
mod coordinator;
mod exhaustive;
mod history;
mod judge;
mod left_out;
mod mutant;
mod network;
mod node;
mod print;
mod scenario;
mod scenarios;
mod settle;
mod source;
mod target;
mod world;

pub use action::Action;
pub use exhaustive::{Counterexample, Exploration, Findings};
pub use judge::ALWAYS;
pub use left_out::{LeftOut, TRIALS, Trial};
pub use mutant::Mutant;
pub use scenario::{Limits, Operation, Planning, Scenario, Wish, arcs, document, server};
pub use scenarios::{large, small};
pub use settle::MAX_STEPS;
pub use world::World;
