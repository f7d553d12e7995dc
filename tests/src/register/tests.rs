//! The judge agrees with a search through all orders, accepts what a real register answers, and
//! rejects every lost write and stale read that is put into such a history.

use proptest::prelude::*;

use super::*;

fn operation(action: Action, called: u64, answered: u64) -> Operation {
    Operation { action, called, answered }
}

fn check_text(history: &[Operation]) -> String {
    check(history).map_or_else(|violation| violation.to_string(), |()| "fine".to_owned())
}

#[test]
fn a_read_sees_the_latest_write() {
    use Action::{Read, Write};
    let history = [operation(Write(1), 1, 2), operation(Write(2), 3, 4), operation(Read(2), 5, 6)];
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn a_lost_write_is_found() {
    use Action::{Read, Write};
    let lost = [operation(Write(1), 1, 2), operation(Write(2), 3, 4), operation(Read(1), 5, 6)];
    assert!(check_text(&lost).contains("value 1 was seen"), "{}", check_text(&lost));
    let gone = [operation(Write(1), 1, 2), operation(Read(NIL), 5, 6)];
    assert!(check_text(&gone).contains("value 0 was seen"), "{}", check_text(&gone));
}

#[test]
fn a_value_that_comes_back_is_found() {
    use Action::{Read, Write};
    let history = [
        operation(Write(1), 1, 2),
        operation(Write(2), 1, 9),
        operation(Read(2), 3, 4),
        operation(Read(1), 5, 6),
    ];
    assert!(check(&history).is_err());
}

#[test]
fn concurrent_operations_may_take_either_order() {
    use Action::{Read, Write};
    let history = [
        operation(Write(1), 1, 10),
        operation(Write(2), 1, 10),
        operation(Read(1), 3, 4),
        operation(Read(2), 5, 6),
    ];
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn an_uncertain_write_may_show_late_or_never_but_not_vanish() {
    use Action::{Read, Uncertain, Write};
    let never =
        [operation(Write(1), 1, 2), operation(Uncertain(2), 3, 4), operation(Read(1), 5, 6)];
    assert_eq!(check(&never), Ok(()));
    let mut late = never.to_vec();
    late.push(operation(Read(2), 7, 8));
    assert_eq!(check(&late), Ok(()));
    late.push(operation(Read(1), 9, 10));
    assert!(check(&late).is_err());
}

#[test]
fn refused_writes_never_show() {
    use Action::{Read, Refused};
    assert_eq!(check(&[operation(Refused(1), 1, 2), operation(Read(NIL), 3, 4)]), Ok(()));
    assert!(matches!(
        check(&[operation(Refused(1), 1, 2), operation(Read(1), 3, 4)]),
        Err(Violation::Refused(_))
    ));
}

#[test]
fn values_come_from_writes_that_began() {
    use Action::{Read, Write};
    assert!(matches!(check(&[operation(Read(7), 1, 2)]), Err(Violation::NeverWritten(_))));
    assert!(matches!(
        check(&[operation(Read(7), 1, 2), operation(Write(7), 3, 4)]),
        Err(Violation::FromTheFuture(_))
    ));
}

/// Whether some order of the operations explains them all: tries every one.
fn has_an_order(operations: &[Operation], value: Value) -> bool {
    let may_be_missing = |action: &Action| matches!(action, Action::Uncertain(_));
    order::has_an_order(operations, &value, may_be_missing, |action, value| match *action {
        Action::Read(seen) => (seen == *value).then_some(*value),
        Action::Write(written) | Action::Uncertain(written) => Some(written),
        Action::Refused(_) => None,
    })
}

/// Up to six operations with values 1 to 3, each written at most once.
fn small_history() -> impl Strategy<Value = Vec<Operation>> {
    let writes = proptest::collection::vec((any::<bool>(), 1_u64..12, 0_u64..6), 1..=3);
    let reads = proptest::collection::vec((0_u64..=3, 1_u64..12, 0_u64..6), 0..=3);
    (writes, reads).prop_map(|(writes, reads)| {
        let written = writes.len() as u64;
        let writes = writes.into_iter().zip(1..).map(|((certain, called, took), value)| {
            let action = if certain { Action::Write(value) } else { Action::Uncertain(value) };
            operation(action, called, called + took)
        });
        let reads = reads.into_iter().map(|(value, called, took)| {
            operation(Action::Read(value.min(written)), called, called + took)
        });
        writes.chain(reads).collect()
    })
}

/// What a real register answers to clients that overlap: each operation takes effect at a moment
/// between its call and its answer.
fn real_history() -> impl Strategy<Value = Vec<Operation>> {
    let steps = proptest::collection::vec((any::<bool>(), 0_u64..400, 0_u64..400), 2..60);
    steps.prop_map(|steps| {
        let mut value = NIL;
        let mut moment = 1_000;
        let mut history = Vec::new();
        for (is_write, before, after) in steps {
            moment += 100;
            let action = if is_write {
                value = moment;
                Action::Write(value)
            } else {
                Action::Read(value)
            };
            history.push(operation(action, moment - before, moment + after));
        }
        history
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_judge_agrees_with_a_search_through_all_orders(history in small_history()) {
        prop_assert_eq!(check(&history).is_ok(), has_an_order(&history, NIL));
    }

    #[test]
    fn a_real_register_is_accepted(history in real_history()) {
        prop_assert_eq!(check(&history), Ok(()));
    }

    /// A real history, then two more writes one after the other, then a read of an older value.
    #[test]
    fn a_stale_read_is_rejected(history in real_history(), pick in any::<prop::sample::Index>()) {
        let end = 1_000_000;
        let mut history = history;
        let mut old: Vec<Value> = history
            .iter()
            .filter_map(|operation| match operation.action {
                Action::Write(value) => Some(value),
                _ => None,
            })
            .collect();
        old.push(NIL);
        history.push(operation(Action::Write(end), end, end + 1));
        history.push(operation(Action::Read(*pick.get(&old)), end + 2, end + 3));
        prop_assert!(check(&history).is_err());
    }
}
