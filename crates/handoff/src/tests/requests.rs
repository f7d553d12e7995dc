//! The rules for requests, one test each.

use ring::{DeadServer, Phase};

use super::{arcs, document, id, node, owner, server, terms};
use crate::{
    Acceptance, Decisions, NotAdmitted, Refusal, SourceEvent, SourceFacts, TargetEvent, TargetFacts,
};

fn target(decisions: &mut Decisions, number: u128, event: TargetEvent) {
    let handoff = decisions.handoffs()[&id(number)].clone();
    let terms = crate::Terms { peer: handoff.peer, arcs: handoff.arcs, epoch: handoff.epoch };
    decisions.target_event(id(number), &terms, event, &TargetFacts::default()).unwrap();
}

fn source(decisions: &mut Decisions, number: u128, event: SourceEvent) {
    decisions.source_event(id(number), event, &SourceFacts::default()).unwrap();
}

#[test]
fn receive_needs_free_arcs_and_a_new_epoch() {
    let a = arcs(0, 9);
    let mut owner = owner(0, &a);
    let overlapping = terms(1, &arcs(9, 20), 2);
    assert!(matches!(owner.accept_receive(id(1), &overlapping), Err(Refusal::Owns { .. })));

    let mut free = node(1);
    assert_eq!(free.accept_receive(id(1), &terms(0, &a, 2)), Ok(Acceptance::New));
    assert_eq!(free.accept_receive(id(1), &terms(0, &a, 2)), Ok(Acceptance::Repeat));
    let other = Refusal::OtherHandoff { id: id(1) };
    assert_eq!(free.accept_receive(id(1), &terms(0, &a, 3)), Err(other.clone()));
    assert_eq!(free.accept_give(id(1), &terms(0, &a, 2)), Err(other));
    let open = Err(Refusal::OpenHandoff { id: id(1) });
    assert_eq!(free.accept_receive(id(2), &terms(0, &arcs(5, 5), 3)), open);
    target(&mut free, 1, TargetEvent::Cancel);
    let low = Err(Refusal::EpochTooLow { asked: 2, highest: 2 });
    assert_eq!(free.accept_receive(id(2), &terms(0, &arcs(5, 5), 2)), low);
    assert_eq!(free.accept_receive(id(2), &terms(0, &arcs(5, 5), 3)), Ok(Acceptance::New));
    assert_eq!(owner.accept_receive(id(3), &terms(0, &arcs(50, 60), 3)), Err(Refusal::OwnPeer));
}

#[test]
fn a_refused_id_stays_refused_after_it_is_forgotten() {
    let a = arcs(0, 9);
    let mut decisions = node(1);
    let asked = terms(0, &a, 2);
    let facts = TargetFacts::default();
    decisions.target_event(id(1), &asked, TargetEvent::Decide, &facts).unwrap();
    for number in 2..=u128::from(crate::MAX_FINISHED_HANDOFFS as u64) + 2 {
        let other = terms(0, &arcs(100, 100), 2);
        decisions.target_event(id(number), &other, TargetEvent::Decide, &facts).unwrap();
    }
    assert!(!decisions.handoffs().contains_key(&id(1)));
    assert_eq!(decisions.handoffs().len(), crate::MAX_FINISHED_HANDOFFS);
    let low = Err(Refusal::EpochTooLow { asked: 2, highest: 2 });
    assert_eq!(decisions.accept_receive(id(1), &asked), low);
}

#[test]
fn give_needs_all_of_the_arcs() {
    let a = arcs(0, 9);
    let mut decisions = owner(0, &a);
    assert!(matches!(
        decisions.accept_give(id(1), &terms(1, &arcs(5, 10), 2)),
        Err(Refusal::OwnsNot { .. })
    ));
    let low = Err(Refusal::EpochTooLow { asked: 1, highest: 1 });
    assert_eq!(decisions.accept_give(id(1), &terms(1, &a, 1)), low);
    assert_eq!(decisions.accept_give(id(1), &terms(1, &arcs(0, 4), 2)), Ok(Acceptance::New));
    assert_eq!(decisions.accept_give(id(1), &terms(1, &arcs(0, 4), 2)), Ok(Acceptance::Repeat));
    let open = Err(Refusal::OpenHandoff { id: id(1) });
    assert_eq!(decisions.accept_give(id(2), &terms(2, &a, 3)), open);
    assert_eq!(decisions.accept_give(id(2), &terms(2, &arcs(5, 9), 3)), Ok(Acceptance::New));

    source(&mut decisions, 1, SourceEvent::Cancel);
    assert_eq!(decisions.accept_give(id(1), &terms(1, &arcs(0, 4), 2)), Ok(Acceptance::Repeat));
    let low = Err(Refusal::EpochTooLow { asked: 2, highest: 2 });
    assert_eq!(decisions.accept_give(id(3), &terms(2, &arcs(0, 4), 2)), low);
    assert_eq!(decisions.accept_give(id(3), &terms(2, &arcs(0, 4), 3)), Ok(Acceptance::New));
}

#[test]
fn a_target_gives_nothing_on_and_does_not_retire_before_its_source_confirmed() {
    let a = arcs(0, 9);
    let mut decisions = node(1);
    decisions.accept_receive(id(1), &terms(0, &a, 2)).unwrap();
    target(&mut decisions, 1, TargetEvent::Reached);
    let open = Err(Refusal::OpenHandoff { id: id(1) });
    assert_eq!(decisions.accept_give(id(2), &terms(2, &a, 3)), open);
    assert_eq!(decisions.check_cancel(id(1)), Err(Refusal::Decided { id: id(1) }));
    target(&mut decisions, 1, TargetEvent::Given);
    assert_eq!(decisions.accept_give(id(2), &terms(2, &a, 3)), Ok(Acceptance::New));
}

#[test]
fn a_repeat_after_the_end_is_answered_from_the_record() {
    let a = arcs(0, 9);
    let mut decisions = owner(0, &a);
    decisions.accept_give(id(1), &terms(1, &a, 2)).unwrap();
    source(&mut decisions, 1, SourceEvent::CaughtUp);
    source(&mut decisions, 1, SourceEvent::Yes);
    source(&mut decisions, 1, SourceEvent::Settled);
    decisions.take_changed();
    assert_eq!(decisions.accept_give(id(1), &terms(1, &a, 2)), Ok(Acceptance::Repeat));
    assert!(!decisions.take_changed(), "a repeat changes nothing");
    assert_eq!(decisions.given().get(ring::Point(3)).unwrap().target, server(1));
}

#[test]
fn the_bootstrap_grant_is_taken_once() {
    let a = arcs(0, 9);
    let mut decisions = node(0);
    let unlisted = Err(Refusal::NotListed { incarnation: server(0).incarnation });
    assert_eq!(decisions.accept_grant(&a, 1, 1), unlisted);
    decisions.record_ring(document(1, &[0, 1])).unwrap();
    assert_eq!(decisions.accept_grant(&a, 1, 1), Ok(Acceptance::New));
    assert_eq!(decisions.accept_grant(&a, 1, 1), Ok(Acceptance::Repeat));
    assert_eq!(decisions.accept_grant(&arcs(0, 10), 1, 1), Err(Refusal::AlreadyGranted));
}

#[test]
fn a_later_grant_needs_fences_of_its_very_epoch() {
    let a = arcs(0, 9);
    let mut decisions = node(0);
    decisions.record_ring(document(1, &[0, 1])).unwrap();
    assert_eq!(decisions.accept_grant(&a, 7, 1), Err(Refusal::NotFenced { asked: 7 }));
    decisions.fence(&a, 7).unwrap();
    assert_eq!(decisions.accept_grant(&a, 8, 1), Err(Refusal::NotFenced { asked: 8 }));
    assert_eq!(decisions.accept_grant(&a, 7, 1), Ok(Acceptance::New));
    assert_eq!(decisions.accept_grant(&a, 7, 1), Ok(Acceptance::Repeat));
    assert_eq!(decisions.fence(&a, 7), Ok(Acceptance::Repeat));
    assert!(matches!(decisions.fence(&a, 8), Err(Refusal::Owns { .. })));

    decisions.accept_give(id(1), &terms(1, &a, 8)).unwrap();
    source(&mut decisions, 1, SourceEvent::CaughtUp);
    source(&mut decisions, 1, SourceEvent::Yes);
    let low = Err(Refusal::EpochTooLow { asked: 7, highest: 8 });
    assert_eq!(decisions.accept_grant(&a, 7, 1), low, "a grant is not taken a second time");
}

#[test]
fn a_fence_refuses_what_lies_below_and_waits_for_open_handoffs() {
    let a = arcs(0, 9);
    let mut decisions = node(1);
    decisions.fence(&a, 7).unwrap();
    let fenced = Err(Refusal::Fenced { asked: 6, fence: 7 });
    assert_eq!(decisions.accept_receive(id(1), &terms(0, &arcs(9, 12), 6)), fenced);
    assert_eq!(decisions.accept_receive(id(1), &terms(0, &arcs(9, 12), 7)), Ok(Acceptance::New));
    let open = Err(Refusal::OpenHandoff { id: id(1) });
    assert_eq!(decisions.fence(&arcs(10, 10), 9), open);
}

#[test]
fn retiring_needs_an_empty_node_and_a_recorded_ring_without_it() {
    let a = arcs(0, 9);
    let mut decisions = owner(0, &a);
    let missing = Err(Refusal::RingNotRecorded { asked: 2, recorded: 1 });
    assert_eq!(decisions.retire(2), missing);
    assert_eq!(decisions.retire(1), Err(Refusal::StillListed { epoch: 1 }));
    decisions.record_ring(document(2, &[1, 2])).unwrap();
    assert!(matches!(decisions.retire(2), Err(Refusal::Owns { .. })));
    decisions.accept_give(id(1), &terms(1, &a, 3)).unwrap();
    source(&mut decisions, 1, SourceEvent::CaughtUp);
    source(&mut decisions, 1, SourceEvent::Yes);
    assert_eq!(decisions.retire(2), Err(Refusal::UnfinishedHandoff { id: id(1) }));
    source(&mut decisions, 1, SourceEvent::Settled);
    assert_eq!(decisions.retire(2), Err(Refusal::Trimming));
    decisions.trimmed(id(1), crate::TrimKind::Records, &a);
    assert_eq!(decisions.retire(2), Ok(Acceptance::New));
    assert_eq!(decisions.retire(2), Ok(Acceptance::Repeat));
    assert!(crate::invariants::last_out(&decisions).is_ok());

    let retired = Err(Refusal::Retired { epoch: 2 });
    assert_eq!(decisions.accept_receive(id(2), &terms(1, &a, 9)), retired);
    decisions.record_ring(document(3, &[0, 1, 2])).unwrap();
    assert_eq!(decisions.accept_receive(id(2), &terms(1, &a, 9)), retired, "not committed yet");
    decisions.observe_committed(&document(3, &[0, 1, 2]));
    assert_eq!(decisions.accept_receive(id(2), &terms(1, &a, 9)), Ok(Acceptance::New));
}

#[test]
fn rings_never_go_back() {
    let mut decisions = node(0);
    decisions.record_ring(document(2, &[0, 1])).unwrap();
    let old = Err(Refusal::OldRing { asked: 1, recorded: 2 });
    assert_eq!(decisions.record_ring(document(1, &[0, 1])), old);
    let other = Err(Refusal::OtherRing { epoch: 2 });
    assert_eq!(decisions.record_ring(document(2, &[0, 2])), other);
    let mut bootstrapped = document(2, &[0, 1]);
    bootstrapped.phase = Phase::Bootstrapped;
    assert_eq!(decisions.record_ring(bootstrapped.clone()), Ok(Acceptance::New));
    assert_eq!(decisions.record_ring(bootstrapped), Ok(Acceptance::Repeat));
    let mut foreign = document(3, &[0]);
    foreign.cluster = "x".into();
    assert!(matches!(decisions.record_ring(foreign), Err(Refusal::OtherCluster { .. })));
}

#[test]
fn the_dead_are_not_forgotten_and_bind_nobody() {
    let a = arcs(0, 9);
    let mut decisions = owner(0, &a);
    decisions.accept_give(id(1), &terms(1, &a, 2)).unwrap();
    let mut ring = document(2, &[0, 2]);
    let incarnation = server(1).incarnation.to_string();
    ring.dead = vec![DeadServer { name: server(1).name, incarnation, settled: false }];
    decisions.record_ring(ring).unwrap();
    assert_eq!(decisions.with_dead_peer(), vec![id(1)]);
    let forgetful = decisions.record_ring(document(3, &[0, 2]));
    assert!(matches!(forgetful, Err(Refusal::DeadForgotten { .. })));
    let dead = Err(Refusal::PeerDead { server: server(1) });
    assert_eq!(decisions.accept_receive(id(2), &terms(1, &arcs(20, 30), 5)), dead);

    source(&mut decisions, 1, SourceEvent::CaughtUp);
    source(&mut decisions, 1, SourceEvent::TargetDead);
    assert_eq!(decisions.frozen(), a, "what the dead target may have acknowledged binds");
    source(&mut decisions, 1, SourceEvent::Cancel);
    assert_eq!(decisions.serving(), a);
    assert_eq!(decisions.owned().get(ring::Point(0)), Some(&2), "above what the dead one claims");
}

#[test]
fn admission_asks_the_committed_ring() {
    let mut decisions = node(0);
    let mut ring = document(2, &[0, 1]);
    assert_eq!(decisions.admit(&ring), Err(NotAdmitted::Bootstrapping));
    ring.phase = Phase::Bootstrapped;
    let behind = Err(NotAdmitted::Behind { committed: 2, recorded: 0 });
    assert_eq!(decisions.admit(&ring), behind);
    decisions.record_ring(ring.clone()).unwrap();
    assert_eq!(decisions.admit(&ring), Ok(()));
    ring.members[0].incarnation = server(9).incarnation.to_string();
    assert!(matches!(decisions.admit(&ring), Err(NotAdmitted::OtherIncarnation { .. })));
    ring.members.remove(0);
    assert_eq!(decisions.admit(&ring), Ok(()), "a leaver serves what it still owns");
    let incarnation = server(0).incarnation.to_string();
    ring.dead = vec![DeadServer { name: server(0).name, incarnation, settled: false }];
    assert_eq!(decisions.admit(&ring), Err(NotAdmitted::Dead { server: server(0) }));
}

#[test]
fn a_contradiction_changes_nothing() {
    let a = arcs(0, 9);
    let mut decisions = owner(0, &a);
    decisions.accept_give(id(1), &terms(1, &a, 2)).unwrap();
    let before = decisions.clone();
    let refused = decisions.source_event(id(1), SourceEvent::Yes, &SourceFacts::default());
    assert!(matches!(refused, Err(Refusal::Contradiction { .. })));
    assert_eq!(decisions, before);
}

#[test]
fn the_number_of_open_handoffs_is_bounded() {
    let mut decisions = node(1);
    let limit = crate::MAX_OPEN_HANDOFFS as u128;
    for number in 0..limit {
        let accepted = decisions.accept_receive(id(number), &terms(0, &arcs(number, number), 2));
        assert_eq!(accepted, Ok(Acceptance::New));
    }
    let refused = decisions.accept_receive(id(limit), &terms(0, &arcs(limit, limit), 2));
    assert_eq!(refused, Err(Refusal::TooManyHandoffs));
}

#[test]
fn a_late_grant_of_an_older_ring_is_refused() {
    let a = arcs(50, 99);
    let mut decisions = owner(0, &arcs(0, 49));
    decisions.record_ring(document(2, &[0, 1])).unwrap();
    decisions.fence(&a, 7).unwrap();
    let late = Err(Refusal::OldRing { asked: 1, recorded: 2 });
    assert_eq!(decisions.accept_grant(&a, 7, 1), late);
    let early = Err(Refusal::RingNotRecorded { asked: 3, recorded: 2 });
    assert_eq!(decisions.accept_grant(&a, 7, 3), early);
    assert_eq!(decisions.accept_grant(&a, 7, 2), Ok(Acceptance::New));
    assert_eq!(decisions.accept_grant(&a, 7, 1), Ok(Acceptance::Repeat), "it is on record");
}
