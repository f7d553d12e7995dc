//! The judge agrees with a search through all orders, and rejects every increment that is lost or
//! counted twice in what a real counter answers.

use proptest::prelude::*;

use super::*;

fn operation(action: Action, called: u64, answered: u64) -> Operation {
    Operation { action, called, answered }
}

/// Whether some order of the operations explains them all: tries every one.
fn has_an_order(operations: &[Operation], value: u64) -> bool {
    let may_be_missing = |action: &Action| *action == Action::Uncertain;
    order::has_an_order(operations, &value, may_be_missing, |action, value| match *action {
        Action::Read(seen) => (seen == *value).then_some(*value),
        Action::Incremented(made) => (made == value + 1).then_some(made),
        Action::Uncertain => Some(value + 1),
        Action::Refused => Some(*value),
    })
}

fn small_history() -> impl Strategy<Value = Vec<Operation>> {
    let one = (0_u32..4, 0_u64..4, 1_u64..12, 0_u64..6);
    proptest::collection::vec(one, 1..=6).prop_map(|operations| {
        let made = operations.into_iter().map(|(kind, number, called, took)| {
            let action = match kind {
                0 => Action::Uncertain,
                1 => Action::Read(number),
                _ => Action::Incremented(number.max(1)),
            };
            operation(action, called, called + took)
        });
        made.collect()
    })
}

/// What a real counter answers to clients that overlap.
fn real_history() -> impl Strategy<Value = Vec<Operation>> {
    let steps = proptest::collection::vec((0_u32..4, 0_u64..400, 0_u64..400), 2..60);
    steps.prop_map(|steps| {
        let (mut value, mut moment) = (0, 1_000);
        let mut history = Vec::new();
        for (kind, before, after) in steps {
            moment += 100;
            value += u64::from(kind < 3);
            let action = match kind {
                0 | 1 => Action::Incremented(value),
                2 => Action::Uncertain,
                _ => Action::Read(value),
            };
            history.push(operation(action, moment - before, moment + after));
        }
        history
    })
}

#[test]
fn an_increment_without_an_answer_counts_once_at_most() {
    let history = |last| {
        vec![
            operation(Action::Incremented(1), 1, 2),
            operation(Action::Uncertain, 3, 9),
            operation(Action::Read(last), 20, 21),
        ]
    };
    assert_eq!(check(&history(1)), Ok(()));
    assert_eq!(check(&history(2)), Ok(()));
    assert_eq!(check(&history(3)), Err(Violation::NobodyMade { number: 3, seen: 21 }));
    assert!(matches!(check(&history(0)), Err(Violation::OutOfOrder { .. })));
}

#[test]
fn a_refused_increment_does_not_count() {
    let history = [operation(Action::Refused, 1, 2), operation(Action::Read(1), 3, 4)];
    assert!(check(&history).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn the_judge_agrees_with_a_search_through_all_orders(history in small_history()) {
        prop_assert_eq!(check(&history).is_ok(), has_an_order(&history, 0));
    }

    #[test]
    fn a_real_counter_is_accepted(history in real_history()) {
        prop_assert_eq!(check(&history), Ok(()));
    }

    /// After everything an increment and a read, and the read does not show all.
    #[test]
    fn a_lost_increment_is_rejected(history in real_history(), lost in 1_u64..3) {
        let mut history = history;
        let highest = history.iter().filter_map(|it| match it.action {
            Action::Incremented(number) | Action::Read(number) => Some(number),
            _ => None,
        });
        let next = highest.max().unwrap_or(0) + 1;
        history.push(operation(Action::Incremented(next), 100_000, 100_001));
        history.push(operation(Action::Read(next.saturating_sub(lost)), 100_002, 100_003));
        prop_assert!(check(&history).is_err());
    }

    /// One acknowledged increment more than the counter made, at a number that is there.
    #[test]
    fn a_number_made_twice_is_rejected(
        history in real_history(),
        pick in any::<prop::sample::Index>(),
    ) {
        let made: Vec<Operation> = history.iter().copied()
            .filter(|it| matches!(it.action, Action::Incremented(_))).collect();
        prop_assume!(!made.is_empty());
        let mut history = history;
        history.push(*pick.get(&made));
        prop_assert!(check(&history).is_err());
    }
}
