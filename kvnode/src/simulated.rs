//! Shell. A node inside a simulation: all of it on the one thread of the simulation, on a disk
//! that the simulation holds.

use std::io;
use std::path::Path;
use std::sync::Arc as Shared;
use std::time::Duration;

use handoff::Decisions;
use handoff::invariants::{Records, Stored};
use node_api::{Claim, NodeView};
use ring::ArcSet;
use shell::clock::Clock;
use shell::simulation;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_local;

use crate::app::{self, Listeners, Parts, RunError};
use crate::config::Config;
use crate::control;
use crate::executor::PublishedView;
use crate::ownership::DecisionsFile;
use crate::store::{
    Durability, Engine, HybridClock, OnFailure, Record, RecordHead, Store, StoreConfig, StoreError,
    fatal,
};

/// Between two looks of a store at what is to be committed and synced, at most.
const STEP_US_MAX: u64 = 3_000;

/// What a node finds outside.
pub struct Outside {
    /// The records, synced or not.
    pub engine: Shared<dyn Engine>,
    /// Its wall clock.
    pub wall: Shared<dyn Clock>,
    /// Given, at the start, the way to look at what the node serves.
    pub on_start: Box<dyn FnOnce(Probe)>,
}

/// Looks at a running node from outside.
#[derive(Debug)]
pub struct Probe(watch::Receiver<PublishedView>);

impl Probe {
    /// On what the node executes commands at this instant; `None` where that has not changed since
    /// the last look.
    pub fn serving(&mut self) -> Option<ArcSet> {
        if !self.0.has_changed().unwrap_or(false) {
            return None;
        }
        let view: NodeView = serde_json::from_slice(&self.0.borrow_and_update().json).ok()?;
        let serves = |claim: &Claim| view.admitted && !claim.frozen;
        Some(view.arcs.arcs_where(serves))
    }
}

/// The decisions on the disk of a node, running or not; `None` before the first.
#[must_use]
pub fn decisions(dir: &Path) -> Option<Decisions> {
    DecisionsFile::peek(dir)
}

/// The records that a command would see in this engine.
///
/// # Errors
/// A record is damaged.
pub fn records(engine: Shared<dyn Engine>) -> Result<Records, StoreError> {
    let on_failure: OnFailure = Shared::new(|error| fatal(error));
    let store = Store::without_thread(engine, StoreConfig::small(Durability::Always), on_failure);
    let mut records = Records::new();
    for arc in ArcSet::full().iter() {
        for entry in store.scan(arc, None) {
            let (key, record) = entry?;
            let head = RecordHead::decode(&record)?;
            let live = Record::decode(record)?.value.is_some();
            let name = (key.point(), key.key().to_vec());
            records.insert(name, Stored { version: head.version, live });
        }
    }
    Ok(records)
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
    let Outside { engine, wall, on_start } = outside;
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
    let mut view = data.executor.watch_view();
    view.mark_changed();
    on_start(Probe(view));
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
