//! Pure. For tests: a node's record as the state that it tells.

use std::collections::BTreeMap;

use handoff::{Decisions, Handoff, HandoffId};
use node_api::{HandoffStatus, NodeState};
use ring::RingDocument;

/// The state of a node as it tells it.
pub(super) fn state_of(
    node: &Decisions,
    committed: &RingDocument,
    peers: &BTreeMap<String, String>,
) -> NodeState {
    let admission = node.admit(committed);
    NodeState {
        cluster: node.cluster(),
        server: node.server().clone(),
        term: node.term(),
        ring_epoch: node.ring_epoch(),
        admitted: admission.is_ok(),
        admission_error: admission.err().map(|error| error.to_string()),
        retired: node.retired(),
        granted: node.granted(),
        owned: node.owned().clone(),
        given: node.given().clone(),
        fences: node.fences().clone(),
        highest_epoch: node.highest_epoch(),
        handoffs: node.handoffs().iter().map(|(id, one)| status_of(*id, one)).collect(),
        disk_free_bytes: 1 << 40,
        peers: peers.clone(),
        max_bytes_per_second: None,
    }
}

fn status_of(id: HandoffId, handoff: &Handoff) -> HandoffStatus {
    HandoffStatus {
        id,
        role: handoff.side.into(),
        peer: handoff.peer.clone(),
        arcs: handoff.arcs.clone(),
        epoch: handoff.epoch,
        phase: handoff.side.into(),
        finished: handoff.side.is_finished(),
        keys_moved: 10,
        keys_total: 12,
        bytes_moved: 1_000,
        bytes_total: 1_200,
        error: None,
    }
}
