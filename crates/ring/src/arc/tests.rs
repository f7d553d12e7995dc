use proptest::prelude::*;

use super::*;

/// The ring in 17 cells: eight single points at either end and all between as one.
const CELLS: usize = 17;
type Model<V> = [Option<V>; CELLS];

fn cell(index: usize) -> Arc {
    let (start, last) = match index {
        0..8 => (index as u128, index as u128),
        8 => (8, u128::MAX - 8),
        _ => (u128::MAX - (16 - index as u128), u128::MAX - (16 - index as u128)),
    };
    Arc::new(Point(start), Point(last)).unwrap()
}

fn arc_strategy() -> impl Strategy<Value = (usize, usize)> {
    (0..CELLS, 0..CELLS).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn arc((first, last): (usize, usize)) -> Arc {
    Arc::new(cell(first).start(), cell(last).last()).unwrap()
}

fn set_of(spans: &[(usize, usize)]) -> (ArcSet, Model<()>) {
    let mut model = [None; CELLS];
    for (first, last) in spans {
        model[*first..=*last].fill(Some(()));
    }
    (spans.iter().copied().map(arc).collect(), model)
}

fn map_of(spans: &[((usize, usize), u8)]) -> (ArcMap<u8>, Model<u8>) {
    let (mut map, mut model) = (ArcMap::default(), [None; CELLS]);
    for (span, value) in spans {
        map.insert(arc(*span), *value);
        model[span.0..=span.1].fill(Some(*value));
    }
    (map, model)
}

fn check_set(set: &ArcSet, model: &Model<()>) {
    for (index, expected) in model.iter().enumerate() {
        assert_eq!(set.contains(cell(index).start()), expected.is_some());
        assert_eq!(set.contains(cell(index).last()), expected.is_some());
    }
    for pair in set.iter().collect::<Vec<_>>().windows(2) {
        assert!(pair[0].last().next().is_some_and(|next| next < pair[1].start()), "{set:?}");
    }
}

fn check_map(map: &ArcMap<u8>, model: &Model<u8>) {
    for (index, expected) in model.iter().enumerate() {
        assert_eq!(map.get(cell(index).start()), expected.as_ref());
        assert_eq!(map.get(cell(index).last()), expected.as_ref());
    }
    for pair in map.iter().collect::<Vec<_>>().windows(2) {
        let ((left, a), (right, b)) = (pair[0], pair[1]);
        assert!(left.last() < right.start());
        assert!(left.last().next() != Some(right.start()) || a != b, "{map:?}");
    }
}

fn combine(a: &Model<()>, b: &Model<()>, both: impl Fn(bool, bool) -> bool) -> Model<()> {
    std::array::from_fn(|i| both(a[i].is_some(), b[i].is_some()).then_some(()))
}

fn spans() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec(arc_strategy(), 0..6)
}

fn valued_spans() -> impl Strategy<Value = Vec<((usize, usize), u8)>> {
    proptest::collection::vec((arc_strategy(), 0..3_u8), 0..8)
}

proptest! {
    #[test]
    fn set_algebra_is_that_of_sets(left in spans(), right in spans()) {
        let ((a, model_a), (b, model_b)) = (set_of(&left), set_of(&right));
        check_set(&a, &model_a);
        check_set(&a.union(&b), &combine(&model_a, &model_b, |a, b| a || b));
        check_set(&a.intersection(&b), &combine(&model_a, &model_b, |a, b| a && b));
        check_set(&a.subtract(&b), &combine(&model_a, &model_b, |a, b| a && !b));
        check_set(&a.complement(), &combine(&model_a, &model_b, |a, _| !a));
        prop_assert_eq!(
            a.covers(&b),
            combine(&model_a, &model_b, |a, b| b && !a).iter().all(Option::is_none)
        );
        prop_assert_eq!(&a.complement().complement(), &a);
        prop_assert!((a.share() + a.complement().share() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_map_holds_the_last_value_given(entries in valued_spans(), removed in spans()) {
        let (map, model) = map_of(&entries);
        check_map(&map, &model);
        let collected: ArcMap<u8> =
            entries.iter().map(|(span, value)| (arc(*span), *value)).collect();
        prop_assert_eq!(&collected, &map);

        let (set, removed) = set_of(&removed);
        let mut rest = map.clone();
        rest.remove(&set);
        check_map(&rest, &std::array::from_fn(|i| model[i].filter(|_| removed[i].is_none())));
        let inside = map.restrict(&set);
        check_map(&inside, &std::array::from_fn(|i| model[i].filter(|_| removed[i].is_some())));
        let ones = map.arcs_where(|value| *value == 1);
        check_set(&ones, &std::array::from_fn(|i| (model[i] == Some(1)).then_some(())));
    }

    #[test]
    fn of_overlapping_arcs_the_greatest_value_wins(entries in valued_spans()) {
        let mut model: Model<u8> = [None; CELLS];
        for ((first, last), value) in &entries {
            for cell in &mut model[*first..=*last] {
                *cell = (*cell).max(Some(*value));
            }
        }
        let entries = entries.iter().map(|(span, value)| (arc(*span), *value)).collect();
        check_map(&ArcMap::of_greatest(entries), &model);
    }

    #[test]
    fn json_round_trip(entries in valued_spans(), set in spans()) {
        let (map, _) = map_of(&entries);
        let json = serde_json::to_string(&map).unwrap();
        prop_assert_eq!(serde_json::from_str::<ArcMap<u8>>(&json).unwrap(), map);
        let (set, _) = set_of(&set);
        let json = serde_json::to_string(&set).unwrap();
        prop_assert_eq!(serde_json::from_str::<ArcSet>(&json).unwrap(), set);
    }
}

#[test]
fn json_that_is_no_map_is_refused() {
    let point = |n: u128| Point(n).to_string();
    let entry = |a, b| format!(r#"{{"start":"{}","last":"{}","value":1}}"#, point(a), point(b));
    for bad in [
        format!("[{}]", entry(2, 1)),
        format!("[{},{}]", entry(0, 5), entry(5, 6)),
        format!("[{},{}]", entry(7, 8), entry(0, 5)),
    ] {
        assert!(serde_json::from_str::<ArcMap<u8>>(&bad).is_err(), "{bad}");
    }
}
