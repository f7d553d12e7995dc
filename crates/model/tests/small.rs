//! Walks through the small worlds at random, and searches the smallest of them exhaustively.

use std::collections::BTreeMap;

use model::{Exploration, Scenario, World, small};
use proptest::prelude::*;

fn scenario(name: &str) -> Scenario {
    small().into_iter().find(|one| one.name == name).expect("a scenario of that name")
}

/// Nodes as JSON, without the order in which they learnt of their handoffs.
fn text(world: &World) -> String {
    let node = |node: &handoff::Decisions| {
        let mut value = serde_json::to_value(node).expect("JSON");
        value["next_order"] = 0.into();
        for (_, handoff) in value["handoffs"].as_object_mut().expect("an object") {
            handoff["order"] = 0.into();
        }
        value.to_string()
    };
    world.nodes.iter().map(|one| node(&one.decisions)).collect()
}

/// A way of so many random steps through a scenario; every world on it.
fn walk(scenario: &Scenario, choices: &[usize]) -> Vec<World> {
    let mut worlds = vec![World::new(scenario)];
    for choice in choices {
        let last = worlds.last().expect("a world");
        let actions = last.actions(scenario);
        let Some(action) = actions.get(choice % actions.len().max(1)) else { break };
        let Some(next) = last.after(scenario, None, action) else { continue };
        assert!(next.violation.is_none(), "{:?} after {action:?}", next.violation);
        worlds.push(next);
    }
    worlds
}

proptest! {
    #[test]
    fn no_walk_breaks_a_predicate(choices in prop::collection::vec(0..1_000_usize, 150)) {
        for scenario in small() {
            walk(&scenario, &choices);
        }
    }

    /// Equal fingerprints mean equal records, and the other way round.
    #[test]
    fn fingerprints_tell_records_apart(choices in prop::collection::vec(0..1_000_usize, 60)) {
        let mut seen: BTreeMap<u64, String> = BTreeMap::new();
        for world in walk(&scenario("stream"), &choices) {
            let text = text(&world);
            let known = seen.entry(world.print_of_records()).or_insert_with(|| text.clone());
            prop_assert_eq!(&*known, &text);
        }
        let texts: std::collections::BTreeSet<&String> = seen.values().collect();
        prop_assert_eq!(texts.len(), seen.len());
    }
}

#[test]
fn the_smallest_scenario_is_exhausted() {
    let found = Exploration::new(scenario("loss"), None).search(2, None);
    assert!(found.is_exhausted, "{:?}", found.counterexample);
    assert!(found.n_unique > 1_000, "{}", found.n_unique);
}
