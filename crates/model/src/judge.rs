//! Pure. Every predicate, over one step of the world.

use std::borrow::Cow;

use handoff::invariants::{self, Records, Snapshot, Violation};
use ring::ArcSet;

use crate::node::{Node, name};
use crate::scenario::Scenario;
use crate::world::World;

/// What is asked after every step.
pub const ALWAYS: [&str; 13] = [
    "OneOwner",
    "NoOrphan",
    "OneHandoff",
    "NoLostAck",
    "NoServeBeforeData",
    "NoDeleteBeforeOwned",
    "EpochMonotone",
    "NoResurrection",
    "NoDeniedWrite",
    "TermMonotone",
    "LastOut",
    "NoContradiction",
    "Linearizable",
];

/// The first predicate that a step breaks.
pub(crate) fn first_violation(
    scenario: &Scenario,
    before: &World,
    after: &World,
) -> Result<(), Violation> {
    let serving: Vec<ArcSet> = after.nodes.iter().map(|node| node.serving()).collect();
    let visible: Vec<Cow<'_, Records>> =
        after.nodes.iter().map(|node| visible(after, node)).collect();
    let snapshots: Vec<Snapshot<'_>> = after
        .nodes
        .iter()
        .zip(serving.iter().zip(&visible))
        .map(|(node, (serving, records))| Snapshot { decisions: &node.decisions, serving, records })
        .collect();
    invariants::one_owner(&snapshots)?;
    invariants::no_lost_ack(&snapshots, &after.ledger)?;
    invariants::no_resurrection(&snapshots, &after.ledger)?;
    if !scenario.all().is_empty() {
        invariants::no_orphan(&snapshots, &after.owed(scenario))?;
    }
    for (old, new) in before.nodes.iter().zip(&after.nodes) {
        if !old.is(new) && old.decisions.server() == new.decisions.server() {
            changed(old, new)?;
            decided(after, old, new)?;
        }
    }
    undecided(after)?;
    after.histories.as_ref().map_or(Ok(()), |histories| histories.check())
}

/// What a command would find; a removal that nobody was told of yet counts as a tombstone.
fn visible<'a>(world: &World, node: &'a Node) -> Cow<'a, Records> {
    let mut visible = Cow::Borrowed(&node.store.records);
    for doing in world.clients.iter().filter_map(|client| client.doing.as_ref()) {
        let Some(found) = doing.found.filter(|found| doing.node == node.index && !found.live)
        else {
            continue;
        };
        if !visible.contains_key(&name(doing.point)) {
            visible.to_mut().insert(name(doing.point), found);
        }
    }
    visible
}

/// What one step of one node must not do.
fn changed(old: &Node, new: &Node) -> Result<(), Violation> {
    let none = ArcSet::default();
    invariants::one_handoff(&new.decisions)?;
    invariants::epoch_monotone(&old.decisions, &new.decisions)?;
    invariants::term_monotone(&old.decisions, &new.decisions)?;
    let mut durable = old.disk.records.clone();
    durable.retain(|name, stored| old.store.records.get(name) == Some(stored));
    let before = Snapshot { decisions: &old.decisions, serving: &none, records: &durable };
    let after = Snapshot { decisions: &new.decisions, serving: &none, records: &new.disk.records };
    invariants::no_delete_before_owned(&before, &after)
}

fn decided(world: &World, old: &Node, new: &Node) -> Result<(), Violation> {
    let none = ArcSet::default();
    let target = Snapshot { decisions: &new.decisions, serving: &none, records: &new.disk.records };
    for source in &world.nodes {
        let (decisions, records) = (&source.decisions, &source.disk.records);
        let source = Snapshot { decisions, serving: &none, records };
        invariants::no_serve_before_data(&source, &old.decisions, &target)?;
    }
    Ok(())
}

fn undecided(world: &World) -> Result<(), Violation> {
    let none = ArcSet::default();
    for target in &world.nodes {
        let records = &target.store.records;
        let target = Snapshot { decisions: &target.decisions, serving: &none, records };
        for source in &world.nodes {
            let (decisions, records) = (&source.decisions, &source.disk.records);
            let source = Snapshot { decisions, serving: &none, records };
            invariants::no_denied_write(&source, &target)?;
        }
    }
    Ok(())
}
