use proptest::prelude::*;

use super::*;
use crate::Point;

fn ownerships() -> impl Strategy<Value = ArcMap<String>> {
    let entry = (0..40_u128, 0..40_u128, 0..4_u8);
    proptest::collection::vec(entry, 0..10).prop_map(|entries| {
        entries
            .into_iter()
            .filter_map(|(a, b, owner)| {
                Some((Arc::new(Point(a.min(b)), Point(a.max(b)))?, format!("n{owner}")))
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn moves_are_where_the_owners_differ(from in ownerships(), to in ownerships()) {
        let moves = diff(&from, &to);
        for point in (0..40).map(Point) {
            let found: Vec<_> = moves.iter().filter(|one| one.arcs.contains(point)).collect();
            match (from.get(point), to.get(point)) {
                (Some(a), Some(b)) if a != b => {
                    prop_assert_eq!(found.len(), 1);
                    prop_assert_eq!((&found[0].source, &found[0].target), (a, b));
                }
                _ => prop_assert!(found.is_empty()),
            }
        }
        prop_assert!(moves.iter().all(|one| !one.arcs.is_empty()));
        prop_assert!(moves.is_sorted_by(|a, b| (&a.source, &a.target) < (&b.source, &b.target)));
    }
}
