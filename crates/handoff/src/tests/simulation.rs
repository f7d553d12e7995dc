//! Three nodes, an unreliable network, crashes, cancels: every invariant after every event.
//!
//! The streams are those of the protocol in small: a scan of durable records, captured writes,
//! cursors, resumption. Random, but a function of its seed; a failure prints the seed.

mod network;
mod sim_node;
mod world;

use proptest::prelude::*;

use world::World;

/// Runs one seed: faults first, then none, until everything is done.
fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..300 {
        world.random_event();
        world.check();
    }
    world.settle();
}

proptest! {
    #[test]
    fn invariants_hold_through_faults(seed in any::<u64>()) {
        run(seed);
    }
}

/// Replays one seed: set it to what a failure printed.
#[test]
fn one_seed() {
    run(42);
}
