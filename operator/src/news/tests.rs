use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::*;

fn status(conditions: &[(&str, bool, &str)]) -> KvClusterStatus {
    let conditions = conditions.iter().map(|(type_, holds, reason)| Condition {
        type_: (*type_).to_owned(),
        status: if *holds { "True" } else { "False" }.to_owned(),
        reason: (*reason).to_owned(),
        message: "why".to_owned(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    });
    KvClusterStatus { conditions: conditions.collect(), ..KvClusterStatus::default() }
}

fn moving(to: i32) -> KvClusterStatus {
    let open = RebalanceStatus { from: 3, to, keys_moved: 5, ..RebalanceStatus::default() };
    KvClusterStatus { rebalance: Some(open), ..KvClusterStatus::default() }
}

fn check(before: Option<&KvClusterStatus>, after: &KvClusterStatus, expected: &[&str]) {
    let found: Vec<&str> = between(before, after, None).iter().map(|one| one.reason).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_stays_as_it_was_is_no_news() {
    let sound = status(&[("Available", true, "AllArcsServed"), ("Degraded", false, "AsSpecified")]);
    check(Some(&sound), &sound, &[]);
    check(Some(&moving(5)), &moving(5), &[]);
}

#[test]
fn a_first_ring_is_told_when_it_serves() {
    check(None, &status(&[("Available", false, "Bootstrapping")]), &[]);
    let before = status(&[("Available", false, "Bootstrapping")]);
    check(Some(&before), &status(&[("Available", false, "ServersUnavailable")]), &[]);
    check(Some(&before), &status(&[("Available", true, "AllArcsServed")]), &["Available"]);
}

#[test]
fn trouble_and_its_end() {
    let sound = status(&[("Available", true, "AllArcsServed"), ("Degraded", false, "AsSpecified")]);
    let lost = status(&[("Available", false, "DataLost"), ("Degraded", true, "DataLost")]);
    check(Some(&sound), &lost, &["Unavailable", "DataLost"]);
    check(Some(&lost), &sound, &["Available", "Recovered"]);
    assert!(between(Some(&sound), &lost, None).iter().all(|one| one.is_warning));
    let blocked = status(&[("Degraded", true, "Blocked")]);
    check(Some(&lost), &blocked, &["Blocked"]);
}

#[test]
fn a_change_of_the_ring_its_end_and_its_turn() {
    let rest = KvClusterStatus::default();
    check(Some(&rest), &moving(5), &["RebalanceStarted"]);
    check(Some(&moving(5)), &moving(4), &["RebalanceStarted"]);
    check(Some(&moving(4)), &rest, &["RebalanceFinished"]);
    let last = Rebalance { from: 3, to: 4, keys_moved: 7, ..Rebalance::default() };
    let news = between(Some(&moving(4)), &rest, Some(&last));
    assert_eq!(news[0].note, "3 to 4 servers; 7 keys moved");
}

#[test]
fn a_change_that_was_over_before_anybody_looked_is_told_all_the_same() {
    let (rest, open) = (KvClusterStatus::default(), moving(4));
    let last = Rebalance { from: 5, to: 2, keys_moved: 7, ..Rebalance::default() };
    let told = |before, after| -> Vec<(&str, String)> {
        let news = between(Some(before), after, Some(&last)).into_iter();
        news.map(|one| (one.reason, one.note)).collect()
    };
    let ended = ("RebalanceFinished", "5 to 2 servers; 7 keys moved".to_owned());
    let began = ("RebalanceStarted", "5 to 2 servers".to_owned());
    assert_eq!(told(&rest, &rest), [began.clone(), ended.clone()]);
    let next = ("RebalanceStarted", "3 to 4 servers".to_owned());
    assert_eq!(told(&rest, &open), [began, ended.clone(), next.clone()]);
    assert_eq!(told(&open, &open), [ended, next]);
}
