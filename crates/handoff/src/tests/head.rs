//! The head of requests, and the bounds of what they count: each on either side.

use ring::MAX_EPOCH;

use super::{arcs, document, head, id, node, owner, server, terms};
use crate::{
    Acceptance, Decisions, Head, Incarnation, MAX_TERM, Refusal, TargetEvent, TargetFacts,
};

/// One past the highest epoch, and how it is refused.
const PAST: u64 = MAX_EPOCH + 1;
const IMPOSSIBLE: Refusal = Refusal::ImpossibleEpoch { asked: PAST };

fn check_refused(decisions: &mut Decisions, head: Head, refusal: &Refusal) {
    decisions.take_changed();
    let before = decisions.clone();
    assert_eq!(decisions.take_head(head), Err(refusal.clone()));
    assert_eq!(*decisions, before, "a refused request changes nothing");
}

#[test]
fn terms_never_go_back() {
    let mut decisions = node(0);
    decisions.take_head(head(0, 3)).unwrap();
    assert_eq!(decisions.term(), 3);
    check_refused(&mut decisions, head(0, 2), &Refusal::OldTerm { seen: 3 });
    decisions.take_changed();
    decisions.take_head(head(0, 3)).unwrap();
    assert!(!decisions.take_changed(), "a term that is known changes nothing");
    decisions.take_head(head(0, 4)).unwrap();
    assert!(decisions.take_changed());
}

#[test]
fn terms_are_bounded() {
    let mut decisions = node(0);
    for asked in [MAX_TERM + 1, u64::MAX] {
        check_refused(&mut decisions, head(0, asked), &Refusal::ImpossibleTerm { asked });
    }
    decisions.take_head(head(0, MAX_TERM)).unwrap();
    assert_eq!(decisions.term(), MAX_TERM);
    let mut highest = document(1, &[0]);
    highest.term = MAX_TERM;
    assert!(highest.validate().is_ok(), "a ring document has the same bound");
    highest.term = MAX_TERM + 1;
    assert!(highest.validate().is_err());
}

#[test]
fn a_request_is_for_one_volume() {
    let own = server(0).incarnation;
    let mut decisions = node(0);
    for asked in [Incarnation(own.0 - 1), Incarnation(own.0 + 1), server(1).incarnation] {
        // Whatever else is wrong with it: it is not for this volume.
        for term in [0, 1, MAX_TERM, u64::MAX] {
            let head = Head { term, incarnation: asked };
            check_refused(&mut decisions, head, &Refusal::OtherIncarnation { asked, own });
        }
    }
    decisions.take_head(head(0, 1)).unwrap();
}

#[test]
fn what_is_received_and_given_has_a_possible_epoch() {
    let a = arcs(0, 9);
    let mut free = node(1);
    assert_eq!(free.accept_receive(id(1), &terms(0, &a, PAST)), Err(IMPOSSIBLE));
    assert_eq!(free.accept_receive(id(1), &terms(0, &a, MAX_EPOCH)), Ok(Acceptance::New));
    let mut owner = owner(0, &a);
    assert_eq!(owner.accept_give(id(1), &terms(1, &a, PAST)), Err(IMPOSSIBLE));
    assert_eq!(owner.accept_give(id(1), &terms(1, &a, MAX_EPOCH)), Ok(Acceptance::New));
}

#[test]
fn what_is_fenced_and_granted_has_a_possible_epoch() {
    let a = arcs(50, 99);
    let mut decisions = owner(0, &arcs(0, 9));
    assert_eq!(decisions.fence(&a, PAST), Err(IMPOSSIBLE));
    assert_eq!(decisions.fence(&a, MAX_EPOCH), Ok(Acceptance::New));
    assert_eq!(decisions.accept_grant(&a, PAST, 1), Err(IMPOSSIBLE));
    assert_eq!(decisions.accept_grant(&a, MAX_EPOCH, PAST), Err(IMPOSSIBLE));
    let early = Refusal::RingNotRecorded { asked: MAX_EPOCH, recorded: 1 };
    assert_eq!(decisions.accept_grant(&a, MAX_EPOCH, MAX_EPOCH), Err(early));
    assert_eq!(decisions.accept_grant(&a, MAX_EPOCH, 1), Ok(Acceptance::New));
    assert_eq!(decisions.highest_epoch(), MAX_EPOCH);
}

#[test]
fn who_retires_names_a_possible_epoch() {
    let mut decisions = node(0);
    assert_eq!(decisions.retire(PAST), Err(IMPOSSIBLE));
    let early = Refusal::RingNotRecorded { asked: MAX_EPOCH, recorded: 0 };
    assert_eq!(decisions.retire(MAX_EPOCH), Err(early));
    decisions.record_ring(document(MAX_EPOCH, &[1])).unwrap();
    assert_eq!(decisions.retire(MAX_EPOCH), Ok(Acceptance::New));
}

#[test]
fn a_greeting_has_a_possible_epoch() {
    let (a, facts) = (arcs(0, 9), TargetFacts::default());
    let mut decisions = node(1);
    let greet = |decisions: &mut Decisions, epoch| {
        let refused =
            decisions.target_event(id(1), &terms(0, &a, epoch), TargetEvent::Decide, &facts);
        refused.map(drop)
    };
    assert_eq!(greet(&mut decisions, PAST), Err(IMPOSSIBLE));
    assert!(decisions.handoffs().is_empty());
    assert_eq!(greet(&mut decisions, MAX_EPOCH), Ok(()));
    assert_eq!(decisions.highest_epoch(), MAX_EPOCH);
}
