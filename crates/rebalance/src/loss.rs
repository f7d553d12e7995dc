//! Pure. Which arcs are lost: owned by nobody, because the volume that owned them is gone.
//!
//! Unreachable is not gone: while a volume that may own something does not answer, nothing is
//! declared lost. Nor is what a record says to be on its way to a server that is there.

use std::collections::{BTreeMap, BTreeSet};

use handoff::{Epoch, Server};
use node_api::Phase as Step;
use ring::{Arc, ArcMap, ArcSet};

use crate::status::Lost;
use crate::view::{Presence, View};

/// What the nodes together say of losses.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Volumes that are gone and not declared so, with what only they had.
    pub(crate) lost: Vec<Lost>,
    /// What may be granted anew: its loss has been accepted.
    pub(crate) accepted: ArcSet,
    /// What nobody owns without a loss, for people.
    pub(crate) reasons: Vec<String>,
    /// Points that nobody owns.
    unowned: bool,
    /// Volumes that do not answer.
    away: bool,
}

impl Losses {
    /// Whether every volume is there and every point has an owner.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost.is_empty() && !self.unowned && !self.away
    }
}

pub(crate) fn find(view: &View<'_>, assignment: &ArcMap<String>) -> Losses {
    let (mut gone, mut away) = (BTreeSet::new(), Vec::new());
    for owner in view.possible_owners() {
        match view.presence(&owner) {
            Presence::Present => {}
            Presence::Away => away.push(owner.name),
            Presence::Gone => {
                gone.insert(owner);
            }
        }
    }
    let unowned = view.unowned();
    let mut losses =
        Losses { unowned: !unowned.is_empty(), away: !away.is_empty(), ..Losses::default() };
    if !away.is_empty() {
        if !unowned.is_empty() {
            losses.reasons.push(format!(
                "{:.1} % of the ring has no owner that answers; waiting for {}",
                unowned.share() * 100.0,
                away.join(", ")
            ));
        }
        return losses;
    }
    let mut lost: BTreeMap<Server, Vec<Arc>> =
        gone.into_iter().map(|server| (server, Vec::new())).collect();
    frozen_for_the_gone(view, &mut lost);
    losses.accepted = attribute(view, assignment, &unowned, &mut lost, &mut losses.reasons);
    losses.lost = lost
        .into_iter()
        .map(|(server, arcs)| {
            let arcs: ArcSet = arcs.into_iter().collect();
            Lost { server, share: arcs.share(), arcs }
        })
        .collect();
    losses
}

/// A source that is frozen for a target whose volume is gone: that volume may have owned the arcs.
fn frozen_for_the_gone(view: &View<'_>, lost: &mut BTreeMap<Server, Vec<Arc>>) {
    for handoff in view.open.values() {
        if handoff.at_source == Some(Step::Frozen)
            && view.presence(handoff.target) == Presence::Gone
            && !view.is_dead(handoff.target)
        {
            lost.entry(handoff.target.clone()).or_default().extend(handoff.arcs.iter());
        }
    }
}

/// Tells whose loss each unowned piece is. What is left was lost with volumes that have been
/// declared dead; that is returned.
fn attribute(
    view: &View<'_>,
    assignment: &ArcMap<String>,
    unowned: &ArcSet,
    lost: &mut BTreeMap<Server, Vec<Arc>>,
    reasons: &mut Vec<String>,
) -> ArcSet {
    let given = view.last_given(unowned);
    let mut without_record = unowned.subtract(&given.arcs());
    let mut on_its_way = 0.0;
    for (arc, (_, server)) in given.iter() {
        if let Some(arcs) = lost.get_mut(*server) {
            arcs.push(arc);
        } else if view.presence(server) == Presence::Present {
            on_its_way += arc.share();
        } else {
            without_record = without_record.union(&arc.into());
        }
    }
    if on_its_way > 0.0 {
        reasons.push(format!("{:.1} % of the ring is between two owners", on_its_way * 100.0));
    }
    if without_record.is_empty() {
        return without_record;
    }
    // Without a record it was never given away: any volume that is gone may have had it, first of
    // all the one whose name the ring has for it.
    let gone: Vec<Server> = lost.keys().cloned().collect();
    if let Some(first) = gone.first() {
        for (arc, owner) in assignment.restrict(&without_record).iter() {
            let likely = gone.iter().find(|server| server.name == *owner).unwrap_or(first);
            lost.entry(likely.clone()).or_default().push(arc);
        }
        return ArcSet::default();
    }
    if view.has_unsettled_dead() && on_its_way == 0.0 {
        return without_record;
    }
    reasons.push(format!(
        "nobody owns {:.1} % of the ring and no record says why; nothing is granted anew",
        without_record.share() * 100.0
    ));
    ArcSet::default()
}

/// The epoch of the fence over these arcs: that of one that has been begun, if nothing later is
/// known of the arcs, else a new one.
pub(crate) fn fence_epoch(view: &View<'_>, arcs: &ArcSet) -> Epoch {
    let highest =
        |map: &ArcMap<Epoch>| map.restrict(arcs).iter().map(|(_, epoch)| *epoch).max().unwrap_or(0);
    let fence = view.nodes.iter().map(|state| highest(&state.fences)).max().unwrap_or(0);
    let others = view.nodes.iter().flat_map(|state| {
        let given = state.given.restrict(arcs);
        let given = given.iter().map(|(_, given)| given.epoch).max();
        let handoffs = state.handoffs.iter();
        let handoffs = handoffs.filter(|one| !one.arcs.intersection(arcs).is_empty());
        given.into_iter().chain(handoffs.map(|one| one.epoch)).collect::<Vec<_>>()
    });
    if fence > others.max().unwrap_or(0) { fence } else { view.next_epoch() }
}
