//! Shell. A coordinator, and what an operator does around it: it is told which servers there shall
//! be, starts processes, and removes them when it may.

use std::rc::Rc;
use std::time::Duration;

use rebalance::{ClusterState, Coordinator, CoordinatorConfig};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use super::directory::DirectoryStore;
use crate::stage::{CLUSTER, Request, Stage};

/// Between two attempts to start, and two reminders of what is wanted.
const AGAIN: Duration = Duration::from_millis(200);

/// Work that ends with its coordinator.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs until it crashes.
pub(crate) async fn run(stage: Rc<Stage>, number: usize) -> turmoil::Result {
    if stage.leader.get() != number {
        return std::future::pending().await;
    }
    let mut config = CoordinatorConfig::new(CLUSTER, stage.wish.borrow().clone());
    config.virtual_nodes = stage.plan.virtual_nodes;
    // One that has lost the lead ends as soon as it finds that out.
    while stage.leader.get() == number {
        lead(&stage, number, &config).await;
    }
    std::future::pending().await
}

/// Works until another coordinator has taken over, or has replaced the ring document.
async fn lead(stage: &Rc<Stage>, number: usize, config: &CoordinatorConfig) {
    stage.say(&format!("coordinator-{number} starts"));
    let coordinator = loop {
        let directory = stage.directory.subscribe();
        match Coordinator::start(config.clone(), DirectoryStore::new(), directory).await {
            Ok(coordinator) => break coordinator,
            Err(error) => tracing::debug!(%error, "the coordinator cannot start yet"),
        }
        sleep(AGAIN).await;
    };
    if stage.leader.get() == number {
        stage.coordinator.replace(Some(coordinator.clone()));
    }
    let _tasks = [
        Task(spawn_local(start_wanted(Rc::clone(stage), number, coordinator.clone()))),
        Task(spawn_local(remove_retired(Rc::clone(stage), number, coordinator.clone()))),
    ];
    while coordinator.status().state != ClusterState::Superseded {
        let wanted = stage.wish.borrow().clone();
        if let Err(error) = coordinator.set_members(&wanted) {
            tracing::debug!(%error, "the servers cannot be asked for yet");
        }
        sleep(AGAIN).await;
    }
}

/// Has processes started.
async fn start_wanted(stage: Rc<Stage>, number: usize, coordinator: Coordinator) {
    let mut wanted = coordinator.watch_wanted();
    loop {
        let names = wanted.borrow_and_update().clone();
        ask(&stage, number, Request::Start(names));
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// Has processes and volumes removed.
async fn remove_retired(stage: Rc<Stage>, number: usize, coordinator: Coordinator) {
    let mut removable = coordinator.watch_removable();
    loop {
        let names = removable.borrow_and_update().clone();
        for name in names {
            if coordinator.claim_removal(&name) {
                ask(&stage, number, Request::Remove(name));
            }
        }
        if removable.changed().await.is_err() {
            return;
        }
    }
}

/// Only the one that leads has processes started and removed, as by a lease.
fn ask(stage: &Stage, number: usize, request: Request) {
    if stage.leader.get() == number {
        stage.requests.borrow_mut().push(request);
    }
}
