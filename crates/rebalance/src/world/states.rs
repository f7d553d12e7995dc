//! Pure. For tests: a node's record as the state that it tells.

use std::collections::BTreeMap;

use handoff::Decisions;
use node_api::NodeState;
use ring::RingDocument;

/// The state of a node as it tells it.
pub(super) fn state_of(
    node: &Decisions,
    committed: &RingDocument,
    peers: &BTreeMap<String, String>,
) -> NodeState {
    let admission = node.admit(committed);
    let mut state = NodeState::of(node, admission.is_ok());
    for status in &mut state.handoffs {
        (status.keys_moved, status.keys_total) = (10, 12);
        (status.bytes_moved, status.bytes_total) = (1_000, 1_200);
    }
    NodeState {
        admission_error: admission.err().map(|error| error.to_string()),
        disk_free_bytes: 1 << 40,
        peers: peers.clone(),
        ..state
    }
}
