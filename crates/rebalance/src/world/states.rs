//! Pure. For tests: a node's record as the state that it tells.

use std::collections::BTreeMap;

use handoff::{Decisions, Handoff, HandoffId, Side, SourceState, TargetState};
use node_api::{HandoffStatus, NodeState, Phase, Role};
use ring::RingDocument;

/// The state of a node as it tells it.
pub(super) fn state_of(
    node: &Decisions,
    committed: &RingDocument,
    peers: &BTreeMap<String, String>,
) -> NodeState {
    let admission = node.admit(committed);
    let given = node.given().iter().map(|(arc, given)| {
        let (epoch, target) = (given.epoch, given.target.clone());
        (arc, node_api::Given { epoch, target })
    });
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
        given: given.collect(),
        fences: node.fences().clone(),
        highest_epoch: node.highest_epoch(),
        handoffs: node.handoffs().iter().map(|(id, one)| status_of(*id, one)).collect(),
        disk_free_bytes: 1 << 40,
        peers: peers.clone(),
        max_bytes_per_second: None,
    }
}

fn status_of(id: HandoffId, handoff: &Handoff) -> HandoffStatus {
    let (role, phase) = match handoff.side {
        Side::Source(state) => (
            Role::Source,
            match state {
                SourceState::Copying => Phase::Copying,
                SourceState::Frozen => Phase::Frozen,
                SourceState::Given | SourceState::GivenSettled => Phase::Given,
                SourceState::Dropped | SourceState::DroppedSettled => Phase::Dropped,
            },
        ),
        Side::Target(state) => (
            Role::Target,
            match state {
                TargetState::Receiving => Phase::Receiving,
                TargetState::Owned | TargetState::OwnedSettled => Phase::Owned,
                TargetState::Refused | TargetState::Unknown => Phase::Refused,
            },
        ),
    };
    HandoffStatus {
        id,
        role,
        peer: handoff.peer.clone(),
        arcs: handoff.arcs.clone(),
        epoch: handoff.epoch,
        phase,
        finished: handoff.side.is_finished(),
        keys_moved: 10,
        keys_total: 12,
        bytes_moved: 1_000,
        bytes_total: 1_200,
        error: None,
    }
}
