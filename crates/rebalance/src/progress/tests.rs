use super::*;
use crate::plan::PlanState;
use crate::world::World;

/// Rounds to the end, told to a progress; what it says of the change after each round.
fn follow(world: &mut World, progress: &mut Progress, now_ms: &mut u64) -> Vec<Rebalance> {
    let mut told = Vec::new();
    for _ in 0..400 {
        world.observe();
        let plan = world.plan();
        let done = plan.state == PlanState::Converged && !world.wishes_something();
        *now_ms += 10;
        let members = world.document.members.len();
        let states = world.states();
        let states: Vec<&NodeState> = states.iter().collect();
        progress.observe(*now_ms, members, world.document.epoch, &states, &plan);
        told.extend(progress.current(*now_ms));
        if done {
            return told;
        }
        world.carry_out(&plan);
        world.progress();
    }
    panic!("not converged");
}

#[test]
fn a_change_is_told_from_its_first_handoff_to_its_last() {
    let (mut world, mut progress, mut now) = (World::new(3, 11), Progress::default(), 0);
    follow(&mut world, &mut progress, &mut now);
    assert_eq!(progress.last(), None, "the first ring moves nothing");

    world.wish_members(5);
    let told = follow(&mut world, &mut progress, &mut now);
    assert!(told.iter().all(|change| change.from == 3 && change.to == 5));
    assert_eq!(progress.current(now), None);
    let last = progress.last().unwrap();
    let done = last.handoffs.iter().filter(|one| one.state == HandoffState::Done);
    assert_eq!(last.keys_moved, 10 * done.count() as u64);
    assert_eq!(last.keys_moved, last.keys_total, "an estimate no more");
    assert_eq!(last.pairs.iter().map(|pair| pair.keys_moved).sum::<u64>(), last.keys_moved);
    assert!(last.pairs.iter().all(|pair| pair.target == "kv-3" || pair.target == "kv-4"));
    assert!(last.duration_ms > 0);
}
