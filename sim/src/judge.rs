//! Shell. Looks at disks and running servers, and asks the named predicates.

use std::sync::Arc;

use anyhow::{anyhow, bail, ensure};
use handoff::Decisions;
use handoff::invariants::{self, Records, Snapshot};
use kvnode::simulated::{decisions, records};
use rebalance::ClusterState;
use ring::{ArcSet, Ring};

use crate::stage::Stage;

/// OneOwner, of what the running servers serve at this instant.
pub(crate) fn one_owner(stage: &Stage) -> anyhow::Result<()> {
    let mut is_changed = false;
    for (name, probe) in stage.probes.borrow_mut().iter_mut() {
        if let Some(serving) = probe.serving() {
            stage.serving.borrow_mut().insert(name.clone(), serving);
            is_changed = true;
        }
    }
    if !is_changed {
        return Ok(());
    }
    let serving = stage.serving.borrow();
    let mut seen: Vec<(&String, &ArcSet)> = Vec::new();
    for (name, arcs) in serving.iter() {
        for (other, others) in &seen {
            let both = arcs.intersection(others);
            ensure!(both.is_empty(), "OneOwner: {name} and {other} serve {both:?}");
        }
        seen.push((name, arcs));
    }
    Ok(())
}

/// LastOut, of a server that is about to be removed.
pub(crate) fn last_out(stage: &Stage, name: &str) -> anyhow::Result<()> {
    let disk = stage.disks.borrow().get(name).cloned();
    let disk = disk.ok_or_else(|| anyhow!("{name} is removed and has no volume"))?;
    let Some(decisions) = decisions(&disk.dir) else {
        bail!("LastOut: {name} has decided nothing, and is removed")
    };
    Ok(invariants::last_out(&decisions)?)
}

/// Whether everything is as wished for and nothing is left to do.
pub(crate) fn at_rest(stage: &Stage) -> anyhow::Result<()> {
    let wished = stage.wish.borrow().clone();
    let Some(document) = stage.document.borrow().1.clone() else { bail!("there is no ring") };
    let members: Vec<String> = document.members.iter().map(|one| one.name.clone()).collect();
    let mut sorted = members.clone();
    sorted.sort();
    ensure!(sorted == wished, "the ring has {members:?}, not {wished:?}");
    let coordinator = stage.coordinator.borrow().clone();
    let coordinator = coordinator.ok_or_else(|| anyhow!("no coordinator works"))?;
    let status = coordinator.status();
    ensure!(
        status.state == ClusterState::Converged,
        "the coordinator is {:?}: {:?}",
        status.state,
        status.reasons
    );
    let disks = stage.disks.borrow().clone();
    let left: Vec<&String> = disks.keys().filter(|name| !wished.contains(name)).collect();
    ensure!(left.is_empty(), "{left:?} are still there");

    let mut nodes: Vec<(Decisions, ArcSet, Records)> = Vec::new();
    for (name, disk) in &disks {
        let decisions = decisions(&disk.dir).ok_or_else(|| anyhow!("{name} decided nothing"))?;
        let serving = stage.serving.borrow().get(name).cloned().unwrap_or_default();
        ensure!(serving == decisions.owned().arcs(), "{name} does not serve what it owns");
        nodes.push((decisions, serving, records(Arc::clone(&disk.engine) as _)?));
    }
    let snapshots: Vec<Snapshot<'_>> = nodes
        .iter()
        .map(|(decisions, serving, records)| Snapshot { decisions, serving, records })
        .collect();
    let ring = Ring::from_document(&document)?;
    invariants::no_orphan(&snapshots, &ArcSet::full())?;
    invariants::eventually_done(&snapshots, &ring.assignment())?;
    for snapshot in &snapshots {
        invariants::one_handoff(snapshot.decisions)?;
    }
    Ok(())
}
