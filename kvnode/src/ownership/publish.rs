//! Pure. What follows from a node's decisions for the data thread and for the coordinator.

use std::collections::BTreeMap;
use std::sync::Arc as Shared;

use handoff::{Decisions, HandoffId};
use node_api::{HandoffStatus, NodeState, Peers};
use ring::ArcMap;

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
    let mut state = NodeState::of(decisions, *admission == Admission::Admitted);
    if let Admission::Waiting(why) = admission {
        state.admission_error = Some(why.clone());
    }
    for status in &mut state.handoffs {
        if let Some(progress) = progress.get(&status.id) {
            add_progress(status, progress);
        }
    }
    NodeState {
        disk_free_bytes,
        peers: peers.addresses.clone(),
        max_bytes_per_second: peers.max_bytes_per_second,
        ..state
    }
}

/// What is moved is final once it is on record.
fn add_progress(status: &mut HandoffStatus, progress: &Progress) {
    let (moved, total) = (progress.moved(), progress.total());
    if status.keys_moved == 0 && status.bytes_moved == 0 {
        (status.keys_moved, status.bytes_moved) = (moved.keys, moved.bytes);
    }
    status.keys_total = total.keys.max(status.keys_moved);
    status.bytes_total = total.bytes.max(status.bytes_moved);
    status.error = progress.error();
}
