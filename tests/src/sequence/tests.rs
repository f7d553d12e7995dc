//! The judge agrees with a search through all orders, knows when values expire, and rejects every
//! lost write, stale read and wrong expiry.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;
const DONE: Outcome = Outcome::Done(true);

fn write(write: Write, outcome: Outcome, called: u64, answered: u64) -> Operation {
    Operation { action: Action::Write(write, outcome), called, answered }
}

fn read(value: Value, called: u64, answered: u64) -> Operation {
    Operation { action: Action::Read(value), called, answered }
}

/// Whether some order explains everything; without expiry.
fn has_an_order(operations: &[Operation], value: Value) -> bool {
    let may_be_missing =
        |action: &Action| matches!(action, Action::Write(_, Outcome::Uncertain | Outcome::Refused));
    order::has_an_order(operations, &value, may_be_missing, |action, value| match *action {
        Action::Read(seen) => (seen == *value).then_some(*value),
        Action::Write(_, Outcome::Refused) => None,
        Action::Write(Write::Set(new) | Write::SetExpiring(new, _), _) => Some(new),
        Action::Write(Write::Delete, Outcome::Done(found)) if found != (*value != NIL) => None,
        Action::Write(Write::Delete, _) => Some(NIL),
    })
}

/// Up to three writes one after the other, the last one sometimes uncertain, and three reads.
fn small_history() -> impl Strategy<Value = Vec<Operation>> {
    let writes = proptest::collection::vec((0_u32..4, any::<bool>(), 1_u64..4, 0_u64..4), 1..=3);
    let reads = proptest::collection::vec((0_u64..=3, 1_u64..14, 0_u64..6), 0..=3);
    (writes, any::<bool>(), reads).prop_map(|(writes, is_open, reads)| {
        let mut history = Vec::new();
        let (mut moment, count) = (0, writes.len());
        for (index, (kind, found, before, took)) in writes.into_iter().enumerate() {
            let called = moment + before;
            moment = called + took;
            let value = index as u64 + 1;
            let is_uncertain = is_open && index + 1 == count;
            let outcome = match kind {
                _ if is_uncertain => Outcome::Uncertain,
                1 => Outcome::Refused,
                _ => Outcome::Done(found),
            };
            let what = if kind == 0 { Write::Delete } else { Write::Set(value) };
            history.push(write(what, outcome, called, moment));
        }
        history.extend(
            reads.into_iter().map(|(value, called, took)| read(value, called, called + took)),
        );
        history
    })
}

/// What a real key answers, as the writer and the readers see it.
fn real_history() -> impl Strategy<Value = Vec<Operation>> {
    let steps = proptest::collection::vec((0_u32..5, 0_u64..80, 0_u64..80), 2..60);
    steps.prop_map(|steps| {
        let (mut value, mut moment) = (NIL, 1_000);
        let mut history = Vec::new();
        for ((kind, before, after), new) in steps.into_iter().zip(1..) {
            moment += 200;
            let (called, answered) = (moment - before, moment + after);
            match kind {
                0 => {
                    let found = Outcome::Done(value != NIL);
                    history.push(write(Write::Delete, found, called, answered));
                    value = NIL;
                }
                1 | 2 => {
                    history.push(write(Write::Set(new), DONE, called, answered));
                    value = new;
                }
                _ => history.push(read(value, moment - 2 * before, moment + 2 * after)),
            }
        }
        history
    })
}

#[test]
fn a_value_expires_when_it_should() {
    let set = write(Write::SetExpiring(1, 2 * SECOND), DONE, SECOND, SECOND + 5);
    let at = |value, moment| check(&[set, read(value, moment, moment + 1)]);
    assert_eq!(at(1, 2 * SECOND), Ok(()));
    assert!(at(NIL, 2 * SECOND).is_err(), "gone too early");
    assert_eq!(at(NIL, 3 * SECOND), Ok(()));
    assert_eq!(at(NIL, 4 * SECOND), Ok(()));
    assert!(at(1, 4 * SECOND).is_err(), "there too long");
    let back =
        [set, read(NIL, 3 * SECOND, 3 * SECOND + 1), read(1, 3 * SECOND + 2, 3 * SECOND + 3)];
    assert!(check(&back).is_err(), "it came back");
}

#[test]
fn a_value_that_was_overwritten_does_not_expire() {
    let history = [
        write(Write::SetExpiring(1, SECOND), DONE, 1, 2),
        write(Write::Set(2), DONE, 3, 4),
        read(2, 5 * SECOND, 5 * SECOND + 1),
    ];
    assert_eq!(check(&history), Ok(()));
    let mut gone = history;
    gone[2] = read(NIL, 5 * SECOND, 5 * SECOND + 1);
    assert!(check(&gone).is_err());
}

#[test]
fn a_deletion_finds_what_is_there() {
    let set = write(Write::SetExpiring(1, 2 * SECOND), DONE, SECOND, SECOND + 5);
    let at = |found, moment| {
        check(&[set, write(Write::Delete, Outcome::Done(found), moment, moment + 1)]).is_ok()
    };
    assert!(at(true, 2 * SECOND) && !at(false, 2 * SECOND));
    assert!(at(true, 3 * SECOND) && at(false, 3 * SECOND));
    assert!(!at(true, 4 * SECOND) && at(false, 4 * SECOND));
}

#[test]
fn nobody_writes_after_a_write_of_unknown_outcome() {
    let open = write(Write::Set(1), Outcome::Uncertain, 1, 2);
    let next = write(Write::Set(2), DONE, 3, 4);
    assert_eq!(check(&[open, next]), Err(Violation::WriterWentOn(next)));
    assert_eq!(check(&[open, read(NIL, 5, 6), read(1, 7, 8)]), Ok(()));
    assert!(check(&[open, read(1, 5, 6), read(NIL, 7, 8)]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn the_judge_agrees_with_a_search_through_all_orders(history in small_history()) {
        prop_assert_eq!(check(&history).is_ok(), has_an_order(&history, NIL), "{:?}", history);
    }

    #[test]
    fn a_real_key_is_accepted(history in real_history()) {
        prop_assert_eq!(check(&history), Ok(()));
    }

    /// A write more at the end, and a read of something older.
    #[test]
    fn a_lost_write_is_rejected(history in real_history(), pick in any::<prop::sample::Index>()) {
        let mut old: Vec<Value> = history.iter().filter_map(|it| match it.action {
            Action::Write(Write::Set(value), _) => Some(value),
            _ => None,
        }).collect();
        old.push(NIL);
        let mut history = history;
        history.push(write(Write::Set(1_000), DONE, 90_000, 90_001));
        history.push(read(*pick.get(&old), 90_002, 90_003));
        prop_assert!(check(&history).is_err());
    }
}
