//! Shell. A coordinator, and what an operator does around it: it is told which servers there shall
//! be, starts processes, and removes them when it may.

use std::rc::Rc;
use std::time::Duration;

use rebalance::{Coordinator, CoordinatorConfig};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::directory::DirectoryStore;
use crate::stage::{CLUSTER, Request, Stage};

/// Between two attempts to start, and two reminders of what is wanted.
const AGAIN: Duration = Duration::from_millis(200);

/// Runs until it crashes.
pub(crate) async fn run(stage: Rc<Stage>, number: usize) -> turmoil::Result {
    if stage.leader.get() != number {
        return std::future::pending().await;
    }
    let mut config = CoordinatorConfig::new(CLUSTER, stage.wish.borrow().clone());
    config.virtual_nodes = stage.plan.virtual_nodes;
    stage.say(&format!("coordinator-{number} starts"));
    let coordinator = loop {
        let directory = stage.directory.subscribe();
        match Coordinator::start(config.clone(), DirectoryStore::new(), directory).await {
            Ok(coordinator) => break coordinator,
            Err(error) => tracing::debug!(%error, "the coordinator cannot start yet"),
        }
        sleep(AGAIN).await;
    };
    stage.coordinator.replace(Some(coordinator.clone()));
    spawn_local(start_wanted(Rc::clone(&stage), number, coordinator.clone()));
    spawn_local(remove_retired(Rc::clone(&stage), number, coordinator.clone()));
    loop {
        let wanted = stage.wish.borrow().clone();
        if let Err(error) = coordinator.set_members(&wanted) {
            tracing::debug!(%error, "the servers cannot be asked for yet");
        }
        sleep(AGAIN).await;
    }
}

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
