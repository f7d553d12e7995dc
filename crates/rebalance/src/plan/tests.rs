use handoff::{Decisions, Incarnation, Refusal};
use node_api::Peers;
use proptest::prelude::*;

use super::*;
use crate::world::{CLUSTER, Fault, World};

fn check_plan(world: &World, plan: &Plan) {
    let view = View::new(&world.document, &world.observed);
    let epoch = view.next_epoch();
    let mut touched: BTreeMap<String, ArcSet> = BTreeMap::new();
    let mut started = ArcSet::default();
    for action in &plan.actions {
        let Action::Start(handoff) = action else { continue };
        assert!(handoff.epoch >= epoch, "an epoch is above all seen");
        assert!(view.busy().intersection(&handoff.arcs).is_empty(), "one handoff over a point");
        assert!(started.intersection(&handoff.arcs).is_empty(), "one handoff over a point");
        started = started.union(&handoff.arcs);
        assert!(view.owned_by(&handoff.source).covers(&handoff.arcs), "who owns gives");
        let planned = world.assignment.restrict(&handoff.arcs);
        assert!(planned.iter().all(|(_, owner)| *owner == handoff.target.name), "as the ring says");
        for name in [&handoff.source.name, &handoff.target.name] {
            touched.entry(name.clone()).or_default();
        }
    }
    let running = view.open.values().filter(|one| !one.is_decided()).count();
    let starts = plan.actions.iter().filter(|one| matches!(one, Action::Start(_))).count();
    assert!(starts == 0 || running + starts <= World::PARALLEL, "bounded parallelism");
}

/// Rounds until nothing is left to do; with skewed looks, so that races between looks are seen.
fn run_until_converged(world: &mut World, limit: usize) -> Plan {
    for _ in 0..limit {
        world.observe();
        let plan = world.plan();
        check_plan(world, &plan);
        if plan.state == PlanState::Converged && !world.wishes_something() {
            return plan;
        }
        world.carry_out(&plan);
        world.progress();
        world.check_invariants();
    }
    let plan = world.plan();
    panic!("not converged: {:?} {:?}\n{:?}", plan.state, plan.reasons, plan.actions);
}

fn bootstrapped(servers: usize, seed: u64) -> World {
    let mut world = World::new(servers, seed);
    run_until_converged(&mut world, 200);
    world
}

#[test]
fn a_first_ring_is_granted_and_then_nothing_is_done() {
    let mut world = bootstrapped(3, 1);
    assert_eq!(world.document.phase, Phase::Bootstrapped);
    world.observe();
    let plan = world.plan();
    assert_eq!((plan.actions, plan.commit), (vec![], None));
}

#[test]
fn what_is_started_is_the_difference_to_the_ring() {
    let mut world = bootstrapped(3, 2);
    let before = world.ownership();
    world.wish_members(5);
    while world.commits < 3 {
        world.observe();
        let plan = world.plan();
        world.carry_out(&plan);
    }
    let mut moves = Vec::new();
    for _ in 0..20 {
        world.observe();
        let plan = world.plan();
        moves.extend(plan.actions.iter().filter_map(|action| match action {
            Action::Start(handoff) => Some(ring::Move {
                source: handoff.source.name.clone(),
                target: handoff.target.name.clone(),
                arcs: handoff.arcs.clone(),
            }),
            _ => None,
        }));
        world.carry_out(&plan);
    }
    moves.sort_by(|a, b| (&a.source, &a.target).cmp(&(&b.source, &b.target)));
    moves.dedup(); // a request that got lost is planned again
    assert_eq!(moves, ring::diff(&before, &world.assignment));
}

#[test]
fn a_scale_down_is_cancelled_half_way() {
    let mut world = bootstrapped(5, 3);
    let before = world.ownership();
    world.wish_members(3);
    for _ in 0..6 {
        world.observe();
        let plan = world.plan();
        world.carry_out(&plan);
    }
    assert!(world.n_open() > 0);
    world.wish_members(5);
    run_until_converged(&mut world, 400);
    assert_eq!(world.ownership(), before);
}

#[test]
fn leavers_retire_and_leave_the_document() {
    let mut world = bootstrapped(4, 4);
    world.wish_members(2);
    run_until_converged(&mut world, 400);
    assert!(world.document.leaving.is_empty());
    for name in ["kv-2", "kv-3"] {
        assert!(world.nodes[name].retired().is_some(), "{name}");
        assert!(world.nodes[name].owned().is_empty(), "{name}");
        let asked_to_record = world.nodes[name].ring_epoch() == world.document.epoch;
        assert!(!asked_to_record, "{name} is about to end and is left alone");
    }
}

#[test]
fn a_retired_server_that_is_still_there_is_taken_back() {
    let mut world = bootstrapped(3, 12);
    let before = world.ownership();
    world.wish_members(2);
    run_until_converged(&mut world, 400);
    assert!(world.nodes["kv-2"].retired().is_some());
    world.wish_members(3);
    run_until_converged(&mut world, 400);
    assert!(world.nodes["kv-2"].retired().is_none());
    assert_eq!(world.ownership(), before);
}

#[test]
fn unreachable_is_not_gone() {
    let mut world = bootstrapped(3, 5);
    world.fault(Fault::Down("kv-1".into()));
    world.observe();
    let plan = world.plan();
    assert_eq!(plan.state, PlanState::Blocked);
    assert!(plan.lost.is_empty() && plan.actions.is_empty());
    assert!(plan.reasons.iter().any(|why| why.contains("kv-1")), "{:?}", plan.reasons);
}

#[test]
fn a_lost_volume_is_reported_and_granted_anew_only_after_acceptance() {
    let mut world = bootstrapped(3, 6);
    let lost = world.nodes["kv-1"].server().clone();
    let arcs = world.nodes["kv-1"].owned().arcs();
    world.fault(Fault::Wiped("kv-1".into()));
    for _ in 0..5 {
        world.observe();
        let plan = world.plan();
        assert_eq!(plan.state, PlanState::Lost);
        assert_eq!(plan.lost.len(), 1);
        assert_eq!((&plan.lost[0].server, &plan.lost[0].arcs), (&lost, &arcs));
        assert!(!plan.actions.iter().any(|one| matches!(one, Action::Grant { .. })));
        world.carry_out(&plan);
    }
    world.accept(lost.clone());
    run_until_converged(&mut world, 200);
    assert!(world.document.is_dead("kv-1", &lost.incarnation.to_string()));
    assert!(world.document.dead.iter().all(|dead| dead.settled));

    // The acceptance is used up: the same loss again is a loss again.
    world.fault(Fault::Wiped("kv-1".into()));
    world.observe();
    assert_eq!(world.plan().state, PlanState::Lost);
}

#[test]
fn a_loss_is_followed_through_what_was_given() {
    let mut world = bootstrapped(2, 7);
    world.wish_members(3);
    run_until_converged(&mut world, 400);
    let newest = world.nodes["kv-2"].server().clone();
    let arcs = world.nodes["kv-2"].owned().arcs();
    world.fault(Fault::Wiped("kv-2".into()));
    world.observe();
    let plan = world.plan();
    assert_eq!(plan.lost.iter().map(|lost| &lost.server).collect::<Vec<_>>(), [&newest]);
    assert_eq!(plan.lost[0].arcs, arcs);
}

#[test]
fn a_target_lost_under_a_freeze_releases_its_source_only_by_acceptance() {
    let mut world = bootstrapped(2, 8);
    world.wish_members(3);
    world.run_until(|world| world.freeze_one());
    let target = world.nodes["kv-2"].server().clone();
    world.fault(Fault::Wiped("kv-2".into()));
    world.observe();
    let plan = world.plan();
    assert_eq!(plan.lost.iter().map(|lost| &lost.server).collect::<Vec<_>>(), [&target]);
    assert!(plan.lost[0].share > 0.0);
    world.accept(target);
    run_until_converged(&mut world, 400);
}

#[test]
fn a_higher_term_ends_a_coordinator() {
    let mut world = bootstrapped(2, 9);
    let incarnation = world.nodes["kv-0"].server().incarnation;
    let head = handoff::Head { term: 99, incarnation };
    world.nodes.get_mut("kv-0").unwrap().take_head(head).unwrap();
    world.observe();
    let plan = world.plan();
    assert_eq!(plan.state, PlanState::Superseded { term: 99 });
    assert!(plan.actions.is_empty());
}

#[test]
fn what_was_planned_for_a_volume_is_refused_by_its_successor() {
    let mut world = bootstrapped(2, 14);
    world.wish_members(3);
    let mut asked = Vec::new();
    while !asked.contains(&"receive") {
        world.observe();
        let plan = world.plan();
        let successor = Server { name: "kv-2".to_owned(), incarnation: Incarnation(0xee) };
        let successor = Decisions::new(CLUSTER, successor);
        let now = world.nodes.insert("kv-2".to_owned(), successor.clone()).unwrap();
        for action in &plan.actions {
            let (server, change) = action.clone().ask(&world.document, &Peers::default());
            if server == *now.server() {
                asked.push(change.name());
                let refused = world.ask(&server, change);
                assert!(matches!(refused, Err(Refusal::OtherIncarnation { .. })), "{action:?}");
            }
        }
        assert_eq!(world.nodes.insert("kv-2".to_owned(), now), Some(successor));
        world.carry_out(&plan);
    }
}

#[test]
fn a_volume_that_went_back_is_not_made_to_look_up_to_date() {
    let mut world = bootstrapped(2, 15);
    let old = world.nodes["kv-1"].clone();
    world.wish_members(3);
    run_until_converged(&mut world, 400);
    world.nodes.insert("kv-1".to_owned(), old.clone());
    world.wish_members(4);
    for _ in 0..5 {
        world.observe();
        let plan = world.plan();
        assert!(plan.reasons.iter().any(|why| why.contains("has forgotten it")), "{plan:?}");
        world.carry_out(&plan);
        assert_eq!(world.nodes["kv-1"].ring_epoch(), old.ring_epoch());
        assert!(world.nodes["kv-1"].admit(&world.document).is_err());
    }
    assert_eq!(world.document.members.len(), 3);

    // With an empty volume it is a loss like any other.
    world.fault(Fault::Wiped("kv-1".into()));
    world.observe();
    assert_eq!(world.plan().lost[0].server, *old.server());
    world.accept(old.server().clone());
    run_until_converged(&mut world, 400);
}

#[test]
fn a_receiving_target_is_adopted_by_its_name() {
    let mut world = bootstrapped(2, 10);
    world.wish_members(3);
    // RECEIVE is recorded, GIVE is not: the coordinator died in between.
    world.run_until(|world| world.receive_only());
    world.observe();
    let plan = world.plan();
    let gives = plan.actions.iter().filter(|one| matches!(one, Action::Give(_))).count();
    assert_eq!(gives, 1, "{:?}", plan.actions);
    run_until_converged(&mut world, 400);
}

#[test]
fn a_target_whose_source_has_used_the_epoch_is_told_to_give_up() {
    let mut world = bootstrapped(2, 13);
    world.wish_members(3);
    world.run_until(|world| world.receive_only());
    world.observe();
    let plan = world.plan();
    let given = plan.actions.iter().find_map(|one| match one {
        Action::Give(handoff) => Some(handoff.clone()),
        _ => None,
    });
    let late = given.unwrap();
    // Before that RECEIVE came, another handoff of the arcs was begun at this epoch and dropped.
    let other = Server { name: "kv-9".to_owned(), ..late.target.clone() };
    let terms = handoff::Terms { peer: other, arcs: late.arcs.clone(), epoch: late.epoch };
    let source = world.nodes.get_mut(&late.source.name).unwrap();
    let (id, facts) = (HandoffId(0xff), handoff::SourceFacts::default());
    source.accept_give(id, &terms).unwrap();
    source.source_event(id, handoff::SourceEvent::No, &facts).unwrap();
    run_until_converged(&mut world, 400);
}

proptest! {
    #[test]
    fn random_changes_and_crashes_end_in_the_ring_that_is_wished_for(
        seed in any::<u64>(),
        steps in proptest::collection::vec((1..7_usize, 0..12_usize, any::<bool>()), 1..6),
    ) {
        let mut world = bootstrapped(3, seed);
        for (members, rounds, leave_from_the_middle) in steps {
            world.wish_members(members);
            if leave_from_the_middle {
                world.wish_middle_gone();
            }
            for _ in 0..rounds {
                world.random_fault();
                world.observe();
                let plan = world.plan();
                check_plan(&world, &plan);
                assert!(plan.lost.is_empty(), "nothing is lost: {:?}", plan.lost);
                world.carry_out(&plan);
                world.progress();
                world.check_invariants();
            }
        }
        world.heal();
        let plan = run_until_converged(&mut world, 2_000);
        prop_assert!(plan.actions.is_empty() && plan.commit.is_none());
        prop_assert_eq!(world.ownership(), world.assignment.clone());
        let members: Vec<_> = world.document.members.iter().map(|one| &one.name).collect();
        let wished: BTreeSet<_> = world.wish.members.iter().collect();
        prop_assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), wished);
    }
}
