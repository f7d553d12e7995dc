//! Shell. A node inside a simulation: all of it on the one thread of the simulation, on a disk
//! that the simulation holds.

use std::io;
use std::sync::Arc as Shared;
use std::time::Duration;

use shell::clock::Clock;
use shell::simulation;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use crate::app::{self, Listeners, Parts, RunError};
use crate::config::Config;
use crate::control;
use crate::store::{Engine, HybridClock, OnFailure, Store, fatal};

/// Between two looks of a store at what is to be committed and synced, at most.
const STEP_US_MAX: u64 = 3_000;

/// What a node finds outside.
pub struct Outside {
    /// The records, synced or not.
    pub engine: Shared<dyn Engine>,
    /// Its wall clock.
    pub wall: Shared<dyn Clock>,
}

/// Runs a node until `stop` says so; dropped, it has crashed. Must be inside a `LocalSet`.
///
/// # Errors
/// As [`crate::run`].
pub async fn run(
    config: &Config,
    outside: Outside,
    stop: impl Future<Output = io::Result<()>>,
) -> Result<(), RunError> {
    let Outside { engine, wall } = outside;
    let listeners = Listeners::open(config)?;
    let on_failure: OnFailure = Shared::new(|error| fatal(error));
    let opened = control::open_parts(
        config,
        |_| Ok(Store::without_thread(engine, config.store, on_failure)),
        |path, store| HybridClock::without_thread(path, wall, || store.max_version()),
    )?;
    let store = opened.store.clone();
    spawn_local(async move {
        loop {
            let pause = Duration::from_micros(simulation::next_u64() % STEP_US_MAX);
            tokio::time::sleep(pause).await;
            store.step();
        }
    });
    let Parts { data, control, upkeep, drain } = app::assemble(config, listeners, &opened)?;
    let (running, data_ended) = oneshot::channel::<()>();
    let data = spawn_local(async move {
        let _running = running;
        data.serve().await
    });
    upkeep.start(&control.requests, &drain);
    let outcome = app::supervise(opened, control, drain, data_ended, stop).await;
    match data.await {
        Ok(Ok(())) => outcome,
        Ok(Err(error)) => outcome.and(Err(app::ended("data thread", &error))),
        Err(error) => outcome.and(Err(app::ended("data thread", &error))),
    }
}
