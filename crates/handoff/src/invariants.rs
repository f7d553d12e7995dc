//! Pure. What must hold at every instant, as named predicates over snapshots of several nodes.
//! Models, simulations, tests and the nodes themselves use these; documents cite the names.

use std::collections::BTreeMap;

use ring::{ArcMap, ArcSet, Point};

use crate::Version;
use crate::decisions::{Decisions, overlap};
use crate::record::{Handoff, Side};
use crate::source::SourceState;
use crate::target::TargetState;

/// A predicate that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant} is violated: {detail}")]
pub struct Violation {
    /// The name of the predicate.
    pub invariant: &'static str,
    /// What was found.
    pub detail: String,
}

type Verdict = Result<(), Violation>;

/// A record, as far as these predicates ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Its version.
    pub version: Version,
    /// Whether it is a value; else it is a tombstone.
    pub live: bool,
}

/// Records by point and key.
pub type Records = BTreeMap<(Point, Vec<u8>), Stored>;

/// One node at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// Its durable record.
    pub decisions: &'a Decisions,
    /// On what it would execute a command now. Empty while it is down or not admitted.
    pub serving: &'a ArcSet,
    /// The records that a command would see.
    pub records: &'a Records,
}

impl Snapshot<'_> {
    fn name(&self) -> &str {
        &self.decisions.server().name
    }

    fn holds(&self, name: &(Point, Vec<u8>), wanted: Stored) -> bool {
        match self.records.get(name) {
            Some(found) => found.version >= wanted.version,
            None => !wanted.live,
        }
    }
}

fn verdict(holds: bool, invariant: &'static str, detail: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}

/// OneOwner: at no instant do two nodes serve the same point.
///
/// # Errors
/// Two do.
pub fn one_owner(nodes: &[Snapshot<'_>]) -> Verdict {
    let mut seen = ArcSet::default();
    for node in nodes {
        let twice = seen.intersection(node.serving);
        verdict(twice.is_empty(), "OneOwner", || {
            format!("{} serves {twice:?}, and so does another", node.name())
        })?;
        seen = seen.union(node.serving);
    }
    Ok(())
}

/// NoOrphan: after bootstrap, every point is on record as owned by some node (it may be frozen).
///
/// # Errors
/// A point is owned by none.
pub fn no_orphan(nodes: &[Snapshot<'_>], all: &ArcSet) -> Verdict {
    let owned = nodes
        .iter()
        .fold(ArcSet::default(), |owned, node| owned.union(&node.decisions.owned().arcs()));
    let orphans = all.subtract(&owned);
    verdict(orphans.is_empty(), "NoOrphan", || format!("nobody owns {orphans:?}"))
}

/// NoLostAck: who serves a point has every acknowledged write to it, or a later one.
/// Expired keys are to be left out by the caller.
///
/// # Errors
/// An acknowledged value is not there.
pub fn no_lost_ack(nodes: &[Snapshot<'_>], acknowledged: &Records) -> Verdict {
    let live = acknowledged.iter().filter(|(_, stored)| stored.live);
    acknowledged_are_served(nodes, live, "NoLostAck")
}

/// NoResurrection: who serves a point shows no value older than an acknowledged removal.
///
/// # Errors
/// A removed value is back.
pub fn no_resurrection(nodes: &[Snapshot<'_>], acknowledged: &Records) -> Verdict {
    let removed = acknowledged.iter().filter(|(_, stored)| !stored.live);
    acknowledged_are_served(nodes, removed, "NoResurrection")
}

fn acknowledged_are_served<'a>(
    nodes: &[Snapshot<'_>],
    acknowledged: impl Iterator<Item = (&'a (Point, Vec<u8>), &'a Stored)>,
    invariant: &'static str,
) -> Verdict {
    for (name, wanted) in acknowledged {
        for node in nodes.iter().filter(|node| node.serving.contains(name.0)) {
            verdict(node.holds(name, *wanted), invariant, || {
                let found = node.records.get(name);
                format!("{} serves {name:?} as {found:?}, not {wanted:?}", node.name())
            })?;
        }
    }
    Ok(())
}

/// NoServeBeforeData: at the instant at which a target comes to own arcs, it has all that the
/// frozen source has on disk.
///
/// # Errors
/// The handoff was decided by this event, and the target lacks a record of its source.
pub fn no_serve_before_data(
    source: &Snapshot<'_>,
    target_before: &Decisions,
    target: &Snapshot<'_>,
) -> Verdict {
    for (id, handoff) in target.decisions.handoffs() {
        let was = target_before.handoffs().get(id).and_then(Handoff::target);
        let decided = handoff.target() == Some(TargetState::Owned) && was != handoff.target();
        if !decided || handoff.peer != *source.decisions.server() {
            continue;
        }
        let given = source.decisions.handoffs().get(id).and_then(Handoff::source);
        verdict(given == Some(SourceState::Frozen), "NoServeBeforeData", || {
            format!("{} owns by {id} and its source is {given:?}", target.name())
        })?;
        for (name, wanted) in
            source.records.iter().filter(|(name, _)| handoff.arcs.contains(name.0))
        {
            verdict(target.holds(name, *wanted), "NoServeBeforeData", || {
                format!("{} owns by {id} and lacks {name:?} {wanted:?}", target.name())
            })?;
        }
    }
    Ok(())
}

/// NoDeleteBeforeOwned: a source deletes no record while its handoff is undecided; what a command
/// removes leaves a tombstone. `before` holds what was durable and not overwritten since.
///
/// # Errors
/// A record under an open handoff is gone, or went back to an older version.
pub fn no_delete_before_owned(before: &Snapshot<'_>, after: &Snapshot<'_>) -> Verdict {
    let open = before.decisions.captured().intersection(&after.decisions.captured());
    for (name, stored) in before.records.iter().filter(|((point, _), _)| open.contains(*point)) {
        let kept = after.records.get(name).is_some_and(|found| found.version >= stored.version);
        verdict(kept, "NoDeleteBeforeOwned", || {
            format!("{} has no {name:?} {stored:?} any more", after.name())
        })?;
    }
    Ok(())
}

/// NoDeniedWrite: while a handoff is undecided its target holds no write that its source could
/// still lose. `source` holds what is on its disk, `target` whatever the target has.
///
/// # Errors
/// The target has a record that the source has not, nor a newer one.
pub fn no_denied_write(source: &Snapshot<'_>, target: &Snapshot<'_>) -> Verdict {
    for (id, handoff) in target.decisions.handoffs() {
        let given = source.decisions.handoffs().get(id).and_then(Handoff::source);
        let is_undecided = handoff.target() == Some(TargetState::Receiving)
            && handoff.peer == *source.decisions.server()
            && given.is_some_and(SourceState::is_open);
        if !is_undecided {
            continue;
        }
        let received = target.records.iter().filter(|(name, _)| handoff.arcs.contains(name.0));
        for (name, stored) in received {
            let known = source.records.get(name).is_some_and(|own| own.version >= stored.version);
            verdict(known, "NoDeniedWrite", || {
                format!("{} got {name:?} {stored:?} by {id}, not durable there", target.name())
            })?;
        }
    }
    Ok(())
}

/// EpochMonotone: the epoch of an arc never falls, on any disk.
///
/// # Errors
/// An owned epoch, a fence or a floor fell.
pub fn epoch_monotone(before: &Decisions, after: &Decisions) -> Verdict {
    let pairs = [(&before.floors, &after.floors), (&before.fences, &after.fences)];
    for (old, new) in pairs {
        for (arc, epoch) in old.iter() {
            let kept = new.arcs_where(|at| at >= epoch).covers(&arc.into());
            verdict(kept, "EpochMonotone", || format!("{arc:?} fell below {epoch}"))?;
        }
    }
    for (arc, epoch) in before.owned.iter() {
        let still = after.owned.restrict(&arc.into());
        let fell = still.arcs_where(|at| at < epoch);
        verdict(fell.is_empty(), "EpochMonotone", || format!("{fell:?} fell below {epoch}"))?;
    }
    Ok(())
}

/// TermMonotone: a node never goes back behind a coordinator's term.
///
/// # Errors
/// It fell.
pub fn term_monotone(before: &Decisions, after: &Decisions) -> Verdict {
    verdict(after.term() >= before.term(), "TermMonotone", || {
        format!("{} went back to term {}", after.server().name, after.term())
    })
}

/// OneHandoff: a node has at most one open handoff over any point, as a source only of what it
/// owns, and as an undecided target of nothing that it owns.
///
/// # Errors
/// Two overlap, or the record contradicts ownership.
pub fn one_handoff(decisions: &Decisions) -> Verdict {
    let owned = decisions.owned().arcs();
    let mut open = ArcSet::default();
    for (id, handoff) in decisions.handoffs().iter().filter(|(_, h)| h.side.is_open()) {
        verdict(!overlap(&open, &handoff.arcs), "OneHandoff", || format!("{id} overlaps"))?;
        let consistent = match handoff.side {
            Side::Source(_) | Side::Target(TargetState::Owned) => owned.covers(&handoff.arcs),
            Side::Target(_) => !overlap(&owned, &handoff.arcs),
        };
        verdict(consistent, "OneHandoff", || format!("{id} contradicts what is owned"))?;
        open = open.union(&handoff.arcs);
    }
    Ok(())
}

/// ExactMove: what moved is what lay on the arcs that changed owner; nothing else.
///
/// # Errors
/// The numbers differ.
pub fn exact_move(expected_keys: u64, moved_keys: u64) -> Verdict {
    verdict(expected_keys == moved_keys, "ExactMove", || {
        format!("{moved_keys} keys moved, {expected_keys} lay on the arcs")
    })
}

/// EventuallyDone: ownership equals the ring, and nothing is left to tell or to delete. To be
/// asked once faults have stopped for long enough.
///
/// # Errors
/// Something is still open.
pub fn eventually_done(nodes: &[Snapshot<'_>], ring: &ArcMap<String>) -> Verdict {
    for node in nodes {
        let wanted = ring.arcs_where(|owner| owner == node.name());
        let owned = node.decisions.owned().arcs();
        verdict(owned == wanted, "EventuallyDone", || {
            format!("{} owns {owned:?}, not {wanted:?}", node.name())
        })?;
        let mut handoffs = node.decisions.handoffs().iter();
        let open = handoffs.find(|(_, handoff)| !handoff.side.is_finished());
        verdict(open.is_none(), "EventuallyDone", || format!("{open:?} is not finished"))?;
        verdict(node.decisions.trims().is_empty(), "EventuallyDone", || {
            format!("{} still has records to delete", node.name())
        })?;
        let stray = node
            .records
            .iter()
            .find(|((point, _), stored)| !owned.contains(*point) || !stored.live);
        verdict(stray.is_none(), "EventuallyDone", || {
            format!("{} holds {stray:?} for nobody", node.name())
        })?;
    }
    Ok(())
}

/// EventuallyDone, what clients see of it: every point is served by somebody.
///
/// # Errors
/// A point is served by nobody.
pub fn all_served(nodes: &[Snapshot<'_>], all: &ArcSet) -> Verdict {
    let served = nodes.iter().fold(ArcSet::default(), |served, node| served.union(node.serving));
    let rest = all.subtract(&served);
    verdict(rest.is_empty(), "EventuallyDone", || format!("nobody serves {rest:?}"))
}

/// LastOut: a server may be removed only when it is retired.
///
/// # Errors
/// It is not.
pub fn last_out(removed: &Decisions) -> Verdict {
    let out = removed.retired().is_some() && removed.owned().is_empty();
    verdict(out, "LastOut", || format!("{} is not retired", removed.server().name))
}
