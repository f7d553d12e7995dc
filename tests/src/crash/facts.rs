//! Pure. What two servers say of their decisions, before and after a crash.

use node_api::{NodeState, Phase};
use ring::ArcSet;

/// What a server must not have forgotten.
///
/// # Errors
/// What it said before it crashed and does not know any more.
pub fn require_remembered(before: &NodeState, after: &NodeState) -> Result<(), String> {
    let name = &before.server.name;
    let forgot = |what: &str, before: &dyn std::fmt::Debug, after: &dyn std::fmt::Debug| {
        Err(format!("{name} forgot its {what}: {before:?} before the crash, {after:?} after it"))
    };
    if before.server != after.server || before.cluster != after.cluster {
        return forgot("identity", &before.server, &after.server);
    }
    if after.term < before.term {
        return forgot("term", &before.term, &after.term);
    }
    if after.ring_epoch < before.ring_epoch {
        return forgot("ring", &before.ring_epoch, &after.ring_epoch);
    }
    if before.granted && !after.granted {
        return forgot("grant", &before.granted, &after.granted);
    }
    if after.highest_epoch < before.highest_epoch {
        return forgot("highest epoch", &before.highest_epoch, &after.highest_epoch);
    }
    if before.retired > after.retired {
        return forgot("retirement", &before.retired, &after.retired);
    }
    for handoff in &before.handoffs {
        let Some(known) = after.handoffs.iter().find(|known| known.id == handoff.id) else {
            // Finished ones may be forgotten, the oldest first.
            if handoff.finished {
                continue;
            }
            return forgot("handoff", handoff, &"nothing");
        };
        if rank(known.phase) < rank(handoff.phase)
            || rank(known.phase) == DECIDED
                && rank(handoff.phase) == DECIDED
                && known.phase != handoff.phase
        {
            return forgot("outcome of a handoff", &handoff.phase, &known.phase);
        }
    }
    for (arc, epoch) in before.owned.iter() {
        let arcs = ArcSet::from(arc);
        let still = after.owned.restrict(&arcs);
        let given = after.given.restrict(&arcs);
        let fell = still.iter().map(|(_, now)| *now).chain(given.iter().map(|(_, g)| g.epoch));
        if fell.min().is_some_and(|now| now < *epoch) {
            return forgot("epoch of an arc", epoch, &(still, given));
        }
        if !still.arcs().union(&given.arcs()).covers(&arcs) {
            return forgot("arcs", &arcs, &(still, given));
        }
    }
    for (arc, given) in before.given.iter() {
        let arcs = ArcSet::from(arc);
        let owned = after.owned.restrict(&arcs);
        if owned.iter().any(|(_, epoch)| *epoch <= given.epoch) {
            return forgot("gift", given, &owned);
        }
    }
    Ok(())
}

const DECIDED: u8 = 2;

/// How late a phase comes in the life of a handoff.
const fn rank(phase: Phase) -> u8 {
    match phase {
        Phase::Copying | Phase::Receiving => 0,
        Phase::Frozen => 1,
        Phase::Owned | Phase::Given | Phase::Dropped | Phase::Refused => DECIDED,
    }
}

/// At no point of the ring do both serve: where both own, the one with the lower epoch is a source
/// that holds commands until it hears of the decision.
///
/// # Errors
/// Where both serve.
pub fn require_one_owner(one: &NodeState, two: &NodeState) -> Result<(), String> {
    for (arc, epoch) in one.owned.iter() {
        for (common, other) in two.owned.restrict(&ArcSet::from(arc)).iter() {
            let (lower, higher) = if epoch < other { (one, two) } else { (two, one) };
            if epoch == other || !frozen(lower).covers(&ArcSet::from(common)) {
                return Err(format!(
                    "{} and {} both serve {common:?}: {lower:?} {higher:?}",
                    lower.server.name, higher.server.name
                ));
            }
        }
    }
    Ok(())
}

fn frozen(state: &NodeState) -> ArcSet {
    let frozen = state.handoffs.iter().filter(|handoff| handoff.phase == Phase::Frozen);
    frozen.flat_map(|handoff| handoff.arcs.iter()).collect()
}

/// Whether nothing moves: every point has exactly one owner, and no handoff is open.
///
/// # Errors
/// What is still to come.
pub fn require_settled(one: &NodeState, two: &NodeState) -> Result<(), String> {
    for state in [one, two] {
        if let Some(open) = state.handoffs.iter().find(|handoff| !handoff.finished) {
            return Err(format!("{} is at {open:?}", state.server.name));
        }
    }
    let (a, b) = (one.owned.arcs(), two.owned.arcs());
    if !a.intersection(&b).is_empty() || a.union(&b) != ArcSet::full() {
        return Err(format!("{} owns {a:?}, {} owns {b:?}", one.server.name, two.server.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
