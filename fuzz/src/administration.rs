//! Pure. Requests of a coordinator to a node, one a line, as JSON. Whatever they say, the node's
//! decisions keep the invariants and are written so that they are read alike.

use handoff::invariants::{epoch_monotone, one_handoff};
use handoff::{
    ClusterId, Decisions, Incarnation, MAX_TERM, Refusal, Server, SourceEvent, SourceFacts,
    TargetEvent, TargetFacts, Terms,
};
use node_api::{Change, Request};
use ring::MAX_EPOCH;
use serde::de::DeserializeOwned;

const CLUSTER: ClusterId = ClusterId(0xc1);
/// Each request costs a copy of all decisions.
const REQUESTS_MAX: usize = 64;

pub(crate) fn requests(input: &[u8]) {
    let server = Server { name: "kv-0".to_owned(), incarnation: Incarnation(0x100) };
    let mut node = Decisions::new(CLUSTER, server);
    for asked in input.split(|byte| *byte == b'\n').take(REQUESTS_MAX) {
        let before = node.clone();
        let result = line(&mut node, asked);
        if let Err(refusal) = result.unwrap_or(Ok(())) {
            assert!(!refusal.to_string().is_empty());
            assert_eq!(node.owned(), before.owned(), "a refused request changes nothing");
        }
        assert!(node.term() <= MAX_TERM && node.highest_epoch() <= MAX_EPOCH);
        assert_eq!(epoch_monotone(&before, &node), Ok(()));
        assert_eq!(one_handoff(&node), Ok(()));
    }
    node.take_changed();
    let json = serde_json::to_vec(&node).expect("decisions are JSON");
    let mut again: Decisions = serde_json::from_slice(&json).expect("what was written is read");
    again.take_changed();
    assert_eq!(again, node);
}

/// `None` where it is no request.
fn line(node: &mut Decisions, line: &[u8]) -> Option<Result<(), Refusal>> {
    // What happens to the handoffs that are open, by the numbers of an event.
    if let Some(number) = line.strip_prefix(b"event ") {
        return read(number).map(|number| event(node, number));
    }
    read(line).map(|asked| request(node, asked))
}

fn request(node: &mut Decisions, request: Request) -> Result<(), Refusal> {
    node.take_head(request.head())?;
    match request.change {
        Change::Term | Change::Peers(_) => Ok(()),
        Change::Ring(document) => node.record_ring(document).map(drop),
        Change::Grant { arcs, epoch, ring_epoch } => {
            node.accept_grant(&arcs, epoch, ring_epoch).map(drop)
        }
        Change::Fence { arcs, epoch } => node.fence(&arcs, epoch).map(drop),
        Change::Receive { id, terms } => node.accept_receive(id, &terms).map(drop),
        Change::Give { id, terms } => node.accept_give(id, &terms).map(drop),
        Change::Cancel { id } => node.check_cancel(id),
        Change::Retire { ring_epoch } => node.retire(ring_epoch).map(drop),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

fn event(node: &mut Decisions, number: usize) -> Result<(), Refusal> {
    let Some((id, handoff)) = node.handoffs().iter().next_back() else { return Ok(()) };
    let (id, handoff) = (*id, handoff.clone());
    if handoff.source().is_some() {
        let event = SourceEvent::ALL[number % SourceEvent::ALL.len()];
        return node.source_event(id, event, &SourceFacts::default()).map(drop);
    }
    let event = TargetEvent::ALL[number % TargetEvent::ALL.len()];
    let terms = Terms { peer: handoff.peer, arcs: handoff.arcs, epoch: handoff.epoch };
    node.target_event(id, &terms, event, &TargetFacts::default()).map(drop)
}
