//! Pure. Requests of a coordinator to a node, one a line: its name, and its body as JSON. Whatever
//! they say, the node's decisions keep the invariants and are written so that they are read alike.

use handoff::invariants::{epoch_monotone, one_handoff};
use handoff::{
    ClusterId, Decisions, Incarnation, Refusal, Server, SourceEvent, SourceFacts, TargetEvent,
    TargetFacts, Terms,
};
use node_api::{
    CancelRequest, FenceRequest, GiveRequest, GrantRequest, PeersRequest, ReceiveRequest,
    RetireRequest, RingRequest, TermRequest,
};
use serde::de::DeserializeOwned;

const CLUSTER: ClusterId = ClusterId(0xc1);
/// Each request costs a copy of all decisions.
const REQUESTS_MAX: usize = 64;

pub(crate) fn requests(input: &[u8]) {
    let server = Server { name: "kv-0".to_owned(), incarnation: Incarnation(0x100) };
    let mut node = Decisions::new(CLUSTER, server);
    for line in input.split(|byte| *byte == b'\n').take(REQUESTS_MAX) {
        let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let (name, body) = line.split_at(at);
        let before = node.clone();
        let result = request(&mut node, name, body);
        if let Err(refusal) = result.unwrap_or(Ok(())) {
            assert!(!refusal.to_string().is_empty());
            assert_eq!(node.owned(), before.owned(), "a refused request changes nothing");
        }
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
fn request(node: &mut Decisions, name: &[u8], body: &[u8]) -> Option<Result<(), Refusal>> {
    match name {
        b"term" => read(body).map(|TermRequest { term }| node.take_term(term)),
        b"ring" => read(body).map(|RingRequest { term, document }| {
            node.take_term(term)?;
            node.record_ring(document).map(drop)
        }),
        b"grant" => read(body).map(|GrantRequest { term, ring_epoch, arcs, epoch }| {
            node.take_term(term)?;
            node.accept_grant(&arcs, epoch, ring_epoch).map(drop)
        }),
        b"fence" => read(body).map(|FenceRequest { term, arcs, epoch }| {
            node.take_term(term)?;
            node.fence(&arcs, epoch).map(drop)
        }),
        b"receive" => read(body).map(|ReceiveRequest { term, id, source, arcs, epoch }| {
            node.take_term(term)?;
            node.accept_receive(id, &Terms { peer: source, arcs, epoch }).map(drop)
        }),
        b"give" => read(body).map(|GiveRequest { term, id, target, arcs, epoch }| {
            node.take_term(term)?;
            node.accept_give(id, &Terms { peer: target, arcs, epoch }).map(drop)
        }),
        b"cancel" => read(body).map(|CancelRequest { term, id }| {
            node.take_term(term)?;
            node.check_cancel(id)
        }),
        b"retire" => read(body).map(|RetireRequest { term, ring_epoch }| {
            node.take_term(term)?;
            node.retire(ring_epoch).map(drop)
        }),
        b"peers" => read(body).map(|PeersRequest { term, .. }| node.take_term(term)),
        // What happens to the handoffs that are open, by the numbers of an event.
        b"event" => read(body).map(|number: usize| event(node, number)),
        _ => None,
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
