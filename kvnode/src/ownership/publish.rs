//! Pure. What follows from a node's decisions for the data thread and for the coordinator.

use std::collections::BTreeMap;
use std::sync::Arc as Shared;

use handoff::{Decisions, Handoff, HandoffId};
use node_api::{HandoffStatus, NodeState};
use ring::ArcMap;

use super::messages::Peers;
use crate::executor::{Admission, SegmentState, Segments};
use crate::handoff::Progress;

/// What commands may run on.
pub(crate) fn segments(decisions: &Decisions, admission: &Admission) -> Segments {
    let frozen = decisions.frozen();
    let mut arcs = ArcMap::default();
    for (arc, epoch) in decisions.owned().iter() {
        arcs.insert(arc, SegmentState::Serving { epoch: *epoch });
    }
    for (arc, epoch) in decisions.owned().restrict(&frozen).iter() {
        arcs.insert(arc, SegmentState::Frozen { epoch: *epoch });
    }
    Segments {
        admission: admission.clone(),
        ring_epoch: decisions.ring_epoch(),
        arcs,
        given: decisions.given().clone(),
    }
}

/// What the coordinator is told.
pub(crate) fn state(
    decisions: &Decisions,
    admission: &Admission,
    progress: &BTreeMap<HandoffId, Shared<Progress>>,
    peers: &Peers,
    disk_free_bytes: u64,
) -> NodeState {
    let mut handoffs: Vec<(u64, HandoffStatus)> = decisions
        .handoffs()
        .iter()
        .map(|(id, handoff)| (handoff.order, status(*id, handoff, progress.get(id))))
        .collect();
    handoffs.sort_by_key(|(order, _)| *order);
    NodeState {
        cluster: decisions.cluster(),
        server: decisions.server().clone(),
        term: decisions.term(),
        ring_epoch: decisions.ring_epoch(),
        admitted: *admission == Admission::Admitted,
        admission_error: match admission {
            Admission::Admitted => None,
            Admission::Waiting(why) => Some(why.clone()),
        },
        retired: decisions.retired(),
        granted: decisions.granted(),
        owned: decisions.owned().clone(),
        given: decisions.given().clone(),
        fences: decisions.fences().clone(),
        highest_epoch: decisions.highest_epoch(),
        handoffs: handoffs.into_iter().map(|(_, status)| status).collect(),
        disk_free_bytes,
        peers: peers.addresses.clone(),
        max_bytes_per_second: peers.max_bytes_per_second,
    }
}

fn status(id: HandoffId, handoff: &Handoff, progress: Option<&Shared<Progress>>) -> HandoffStatus {
    let live = progress.map(|progress| progress.moved()).unwrap_or_default();
    let moved = if handoff.moved == handoff::Moved::default() { live } else { handoff.moved };
    let total = progress.map(|progress| progress.total()).unwrap_or_default();
    HandoffStatus {
        id,
        role: handoff.side.into(),
        peer: handoff.peer.clone(),
        arcs: handoff.arcs.clone(),
        epoch: handoff.epoch,
        phase: handoff.side.into(),
        finished: handoff.side.is_finished(),
        keys_moved: moved.keys,
        keys_total: total.keys.max(moved.keys),
        bytes_moved: moved.bytes,
        bytes_total: total.bytes.max(moved.bytes),
        error: progress.and_then(|progress| progress.error()),
    }
}
