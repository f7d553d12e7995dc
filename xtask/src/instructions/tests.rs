//! Totals, budgets and judgements.

use super::budget::{Budgets, Judgement, judge, per_operation, total};

const PROFILE: &str = "\
version: 1
creator: callgrind-3.19.0
cmd: target/release/hot-paths ring/owner 256
part: 1

desc: Timerange: Basic block 0 - 24123
events: Ir
summary: 171210

fn=(12) main
16 5
totals: 171215
";

#[test]
fn totals_are_found() {
    assert_eq!(total(PROFILE).unwrap(), 171_215);
    let shortened = PROFILE.split("\nfn=").next().unwrap();
    assert_eq!(total(shortened).unwrap(), 171_210);
    assert_eq!(total("totals: 12 3 4\n").unwrap(), 12);
    for nonsense in ["", "events: Ir\n", "totals: \n", "totals: many\n"] {
        assert!(total(nonsense).is_err(), "{nonsense:?}");
    }
}

#[test]
fn start_and_end_cancel_out() {
    assert_eq!(per_operation(1_000, 1_500, 100).unwrap(), 5);
    assert_eq!(per_operation(1_000, 1_549, 100).unwrap(), 5);
    assert_eq!(per_operation(1_000, 1_550, 100).unwrap(), 6);
    assert!(per_operation(1_000, 1_000, 100).is_err());
    assert!(per_operation(1_000, 1_500, 0).is_err());
}

#[test]
fn counts_are_judged() {
    for (counted, budget, expected) in [
        (1_000, Some(1_000), Judgement::Kept),
        (1_050, Some(1_000), Judgement::Kept),
        (1_051, Some(1_000), Judgement::Above { budget: 1_000 }),
        (950, Some(1_000), Judgement::Kept),
        (949, Some(1_000), Judgement::Below { budget: 1_000 }),
        (22, Some(20), Judgement::Kept),
        (23, Some(20), Judgement::Above { budget: 20 }),
        (18, Some(20), Judgement::Kept),
        (17, Some(20), Judgement::Below { budget: 20 }),
        (1, Some(1), Judgement::Kept),
        (7, None, Judgement::Unknown),
    ] {
        let found = judge(counted, budget);
        assert_eq!(found, expected, "{counted} of {budget:?}");
        let fails = matches!(expected, Judgement::Above { .. } | Judgement::Unknown);
        assert_eq!(found.is_failure(), fails);
    }
}

#[test]
fn budgets_are_read_and_written() {
    let mut budgets = Budgets::from_json("{\"b\": 2, \"a\": 1}").unwrap();
    assert_eq!((budgets.of("a"), budgets.of("b"), budgets.of("c")), (Some(1), Some(2), None));
    budgets.update([("c".to_owned(), 3), ("a".to_owned(), 9)]);
    assert_eq!(budgets.retire(&["a", "c"]), ["b"]);
    let json = "{\n  \"a\": 9,\n  \"c\": 3\n}\n";
    assert_eq!(budgets.to_json().unwrap(), json);
    assert_eq!(Budgets::from_json(json).unwrap(), budgets);
    for nonsense in ["", "[]", "{\"a\": \"1\"}", "{\"a\": -1}"] {
        assert!(Budgets::from_json(nonsense).is_err(), "{nonsense}");
    }
}
