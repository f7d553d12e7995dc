//! The judge agrees with a search through all orders, and rejects every token that is lost, doubled
//! or moved in what a real list answers.

use proptest::prelude::*;

use super::*;

fn operation(action: Action, called: u64, answered: u64) -> Operation {
    Operation { action, called, answered }
}

/// Whether some order of the operations explains them all: tries every one.
fn has_an_order(operations: &[Operation], list: &[Token]) -> bool {
    let may_be_missing = |action: &Action| matches!(action, Action::Uncertain(_));
    let appended = |list: &[Token], token| [list, &[token]].concat();
    order::has_an_order(operations, &list.to_vec(), may_be_missing, |action, list| match action {
        Action::Read(seen) => (seen == list).then(|| list.clone()),
        Action::Appended(token, length) => {
            Some(appended(list, *token)).filter(|list| list.len() as u64 == *length)
        }
        Action::Uncertain(token) => Some(appended(list, *token)),
        Action::Refused(_) => Some(list.clone()),
    })
}

/// Up to three appends, the first of them sometimes without an answer, and up to three reads.
fn small_history() -> impl Strategy<Value = Vec<Operation>> {
    let appends = proptest::collection::vec((0_u32..4, 1_u64..4, 1_u64..12, 0_u64..6), 1..=3);
    let seen = proptest::collection::vec(1_u32..=4, 0..=3);
    let reads = proptest::collection::vec((seen, 0_usize..=3, 1_u64..12, 0_u64..6), 0..=3);
    (appends, reads).prop_map(|(appends, reads)| {
        let appends = appends.into_iter().zip(1..).map(|((kind, length, called, took), token)| {
            let action = match kind {
                0 => Action::Uncertain(token),
                1 => Action::Appended(token, length),
                _ => Action::Appended(token, u64::from(token)),
            };
            operation(action, called, called + took)
        });
        let reads = reads.into_iter().map(|(seen, count, called, took)| {
            let usual: Vec<Token> = (1..=u32::try_from(count).unwrap_or(0)).collect();
            let tokens = if called % 3 == 0 { seen } else { usual };
            operation(Action::Read(tokens), called, called + took)
        });
        appends.chain(reads).collect()
    })
}

/// What a real list answers to clients that overlap.
fn real_history() -> impl Strategy<Value = Vec<Operation>> {
    let steps = proptest::collection::vec((0_u32..5, 0_u64..400, 0_u64..400), 4..60);
    steps.prop_map(|steps| {
        let mut moment = 1_000;
        let mut list = vec![1];
        let mut history = vec![operation(Action::Appended(1, 1), 1, 2)];
        for ((kind, before, after), token) in steps.into_iter().zip(2..) {
            moment += 100;
            let action = match kind {
                0 | 1 => {
                    list.push(token);
                    Action::Appended(token, list.len() as u64)
                }
                2 => {
                    list.push(token);
                    Action::Uncertain(token)
                }
                3 => Action::Refused(token),
                _ => Action::Read(list.clone()),
            };
            history.push(operation(action, moment - before, moment + after));
        }
        history.push(operation(Action::Read(list), moment + 1_000, moment + 1_001));
        history
    })
}

/// Changes the last read, which has everything.
fn mutated(
    mut history: Vec<Operation>,
    change: impl FnOnce(&mut Vec<Token>),
) -> Result<(), Violation> {
    let Some(Operation { action: Action::Read(tokens), .. }) = history.last_mut() else {
        panic!("the last operation is a read");
    };
    change(tokens);
    check(&history)
}

#[test]
fn what_nobody_appended_and_what_was_refused_is_found() {
    let refused = [operation(Action::Refused(7), 1, 2), operation(Action::Read(vec![7]), 3, 4)];
    assert_eq!(check(&refused), Err(Violation::Refused(7)));
    assert_eq!(check(&refused[1..]), Err(Violation::NeverAppended(7)));
}

#[test]
fn an_acknowledgement_that_no_read_shows_yet_is_fine_once() {
    let first = operation(Action::Appended(1, 1), 1, 2);
    assert_eq!(check(std::slice::from_ref(&first)), Ok(()));
    let other = operation(Action::Appended(2, 1), 3, 4);
    assert!(matches!(check(&[first, other]), Err(Violation::Misplaced { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn the_judge_agrees_with_a_search_through_all_orders(history in small_history()) {
        prop_assert_eq!(check(&history).is_ok(), has_an_order(&history, &[]), "{:?}", history);
    }

    #[test]
    fn a_real_list_is_accepted(history in real_history()) {
        prop_assert_eq!(check(&history), Ok(()));
    }

    #[test]
    fn a_lost_token_is_rejected(history in real_history(), pick in any::<prop::sample::Index>()) {
        let acknowledged: Vec<Token> = history.iter().filter_map(|it| match it.action {
            Action::Appended(token, _) => Some(token),
            _ => None,
        }).collect();
        let lost = *pick.get(&acknowledged);
        prop_assert!(mutated(history, |tokens| tokens.retain(|token| *token != lost)).is_err());
    }

    #[test]
    fn a_doubled_token_is_rejected(
        history in real_history(),
        pick in any::<prop::sample::Index>(),
    ) {
        let doubled = mutated(history, |tokens| tokens.push(*pick.get(tokens)));
        prop_assert!(matches!(doubled, Err(Violation::Doubled(_))));
    }

    #[test]
    fn tokens_that_change_places_are_rejected(history in real_history()) {
        let before = |it: &Operation| matches!(it.action, Action::Appended(..));
        prop_assume!(history.iter().filter(|it| before(it)).count() > 1);
        let swapped = mutated(history, |tokens| tokens.reverse());
        prop_assert!(swapped.is_err());
    }
}
