//! Tests of the rules, the tables and the protocol as a whole.

mod cursor;
mod head;
mod requests;
mod simulation;
mod tables;

use ring::{Arc, ArcSet, DOCUMENT_FORMAT, Member, Phase, Placement, Point, RingDocument};

use crate::{ClusterId, Decisions, HandoffId, Head, Incarnation, Server, Terms};

pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);

pub(crate) fn server(number: u128) -> Server {
    Server { name: format!("kv-{number}"), incarnation: Incarnation(0x100 + number) }
}

/// The head of a request of this term for the first volume of that server.
pub(crate) fn head(number: u128, term: u64) -> Head {
    Head { term, incarnation: server(number).incarnation }
}

pub(crate) fn node(number: u128) -> Decisions {
    Decisions::new(CLUSTER, server(number))
}

pub(crate) fn arcs(start: u128, last: u128) -> ArcSet {
    Arc::new(Point(start), Point(last)).into_iter().collect()
}

pub(crate) fn terms(peer: u128, arcs: &ArcSet, epoch: u64) -> Terms {
    Terms { peer: server(peer), arcs: arcs.clone(), epoch }
}

pub(crate) fn id(number: u128) -> HandoffId {
    HandoffId(number)
}

pub(crate) fn document(epoch: u64, members: &[u128]) -> RingDocument {
    let member = |number: &u128| Member {
        name: server(*number).name,
        incarnation: server(*number).incarnation.to_string(),
        salts: Vec::new(),
    };
    RingDocument {
        format: DOCUMENT_FORMAT,
        cluster: CLUSTER.to_string(),
        epoch,
        term: 1,
        phase: Phase::Bootstrapping,
        placement: Placement::Classic,
        virtual_nodes: 1,
        members: members.iter().map(member).collect(),
        leaving: Vec::new(),
        dead: Vec::new(),
    }
}

/// A node that owns `arcs` by the bootstrap grant.
pub(crate) fn owner(number: u128, arcs: &ArcSet) -> Decisions {
    let mut decisions = node(number);
    decisions.record_ring(document(1, &[0, 1, 2])).unwrap();
    decisions.accept_grant(arcs, 1, 1).unwrap();
    decisions
}
