use proptest::prelude::*;

use super::*;

const CLUSTER: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "00000000000000000000000000000fff";
/// A document of format 1 as it was first written; readers of all later versions read it.
const FIXTURE: &str = include_str!("../../fixtures/ring-document-1.json");

fn incarnation(number: usize) -> String {
    format!("{number:032x}")
}

fn sample(servers: usize) -> RingDocument {
    let members: Vec<(String, String)> =
        (0..servers).map(|number| (format!("kv-{number}"), incarnation(number))).collect();
    let members = members.iter().map(|(name, incarnation)| (&**name, &**incarnation));
    RingDocument::bootstrap(CLUSTER, Placement::Balanced, 10, members).unwrap()
}

fn check_invalid(change: impl FnOnce(&mut RingDocument), part_of_error: &str) {
    let mut document = sample(3).bootstrapped();
    change(&mut document);
    let error = document.validate().unwrap_err().to_string();
    assert!(error.contains(part_of_error), "{error}");
    assert!(RingDocument::from_json(document.to_json().as_bytes()).is_err());
    assert!(document.with_member_added("kv-9", CLUSTER).is_err());
}

#[test]
fn the_fixture_is_read_and_written_the_same() {
    let document = RingDocument::from_json(FIXTURE.as_bytes()).unwrap();
    let expected = sample(3)
        .bootstrapped()
        .with_member_removed("kv-1")
        .unwrap()
        .with_dead("kv-2", &incarnation(2), Some(OTHER))
        .unwrap();
    assert_eq!(document, RingDocument { term: 7, ..expected });
    assert_eq!(document.to_json(), FIXTURE);
}

#[test]
fn a_later_format_is_named_as_such() {
    let error = RingDocument::from_json(br#"{"format": 2, "all": "different"}"#).unwrap_err();
    assert_eq!(error, DocumentError::UnknownFormat(2));
    let error = RingDocument::from_json(b"{").unwrap_err();
    assert!(matches!(error, DocumentError::Unreadable(_)));
}

#[test]
fn a_document_that_is_no_ring_is_refused() {
    check_invalid(|document| document.format = 9, "format 9");
    check_invalid(|document| document.cluster = "me".into(), "cluster");
    check_invalid(|document| document.epoch = 0, "epoch");
    // There is an epoch above every one that a document may have, so that its ring can change.
    check_invalid(|document| document.epoch = MAX_EPOCH + 1, "epoch");
    check_invalid(|document| document.term = MAX_EPOCH + 1, "term");
    check_invalid(|document| document.virtual_nodes = 0, "virtual nodes");
    check_invalid(|document| document.virtual_nodes = MAX_VIRTUAL_NODES + 1, "virtual nodes");
    check_invalid(|document| document.members.clear(), "1 to 256 servers");
    check_invalid(|document| document.members[0].name = "kv-1".into(), "kv-1 is in the ring");
    check_invalid(|document| document.members[0].name = String::new(), "name");
    check_invalid(|document| document.members[0].name = "a b".into(), "`a b` is not");
    check_invalid(|document| document.members[0].name = "x".repeat(254), "253 letters");
    check_invalid(|document| document.members[0].incarnation = "ABC".into(), "incarnation");
    check_invalid(|document| document.members[0].salts.clear(), "0 salts where 10");
    check_invalid(|document| document.members[0].salts[0] = CANDIDATES, "salts");
    check_invalid(|document| document.placement = Placement::Classic, "salts");
    let dead = DeadServer { name: "kv-1".into(), incarnation: incarnation(1), settled: false };
    check_invalid(|document| document.dead.push(dead), "declared lost");
}

#[test]
fn the_bound_of_members_is_a_bound() {
    let members: Vec<String> = (0..=MAX_MEMBERS).map(|number| format!("kv-{number}")).collect();
    let some = |count: usize| {
        let members = members.iter().take(count).map(|name| (&**name, CLUSTER));
        RingDocument::bootstrap(CLUSTER, Placement::Classic, 1, members)
    };
    let full = some(MAX_MEMBERS).unwrap().bootstrapped();
    assert_eq!(some(MAX_MEMBERS + 1), Err(DocumentError::MemberCount(MAX_MEMBERS + 1)));
    assert_eq!(
        full.with_member_added("one-more", CLUSTER),
        Err(DocumentError::MemberCount(MAX_MEMBERS + 1))
    );
    assert_eq!(some(0), Err(DocumentError::MemberCount(0)));
}

#[test]
fn members_come_and_go_by_epochs() {
    let document = sample(2);
    assert_eq!((document.epoch, document.phase), (1, Phase::Bootstrapping));
    assert_eq!(document.with_member_added("kv-2", CLUSTER), Err(DocumentError::Bootstrapping));
    let document = document.bootstrapped();
    let grown = document.with_member_added("kv-2", &incarnation(2)).unwrap();
    assert_eq!(grown.epoch, document.epoch + 1);
    assert_eq!(grown.members[..2], document.members[..]);
    assert_eq!(
        grown.with_member_added("kv-2", CLUSTER),
        Err(DocumentError::AlreadyMember("kv-2".into()))
    );
    assert_eq!(grown.with_member_removed("kv-7"), Err(DocumentError::NotAMember("kv-7".into())));
    let one = grown.with_member_removed("kv-0").unwrap().with_member_removed("kv-2").unwrap();
    assert_eq!(one.with_member_removed("kv-1"), Err(DocumentError::LastMember));
}

#[test]
fn a_lost_volume_never_serves_again() {
    let document = sample(3).bootstrapped();
    let replaced = document.with_dead("kv-1", &incarnation(1), Some(OTHER)).unwrap();
    assert!(replaced.is_dead("kv-1", &incarnation(1)));
    let member = replaced.member("kv-1").unwrap();
    assert_eq!((&*member.incarnation, &member.salts), (OTHER, &document.members[1].salts));

    let gone = document.with_dead("kv-1", &incarnation(1), None).unwrap();
    assert!(gone.member("kv-1").is_none());
    assert!(matches!(
        gone.with_member_added("kv-1", &incarnation(1)),
        Err(DocumentError::Dead { .. })
    ));
    assert!(gone.with_member_added("kv-1", OTHER).is_ok());
}

proptest! {
    #[test]
    fn json_round_trip(servers in 1..6_usize, classic in any::<bool>(), term in 0..=MAX_EPOCH) {
        let mut document = RingDocument { term, ..sample(servers) };
        if classic {
            document.placement = Placement::Classic;
            document.members.iter_mut().for_each(|member| member.salts.clear());
        }
        let read = RingDocument::from_json(document.to_json().as_bytes()).unwrap();
        prop_assert_eq!(read, document);
    }

    #[test]
    fn reading_never_panics(json in "\\PC{0,200}") {
        let _ = RingDocument::from_json(json.as_bytes());
    }
}

#[test]
fn a_server_that_is_still_leaving_comes_back_with_its_tokens() {
    let members: Vec<String> = (0..5).map(|number| format!("kv-{number}")).collect();
    let members = members.iter().map(|name| (&**name, CLUSTER));
    let before =
        RingDocument::bootstrap(CLUSTER, Placement::Balanced, 100, members).unwrap().bootstrapped();
    let left = before.with_member_removed("kv-1").unwrap();
    assert_eq!(left.leaving, [before.members[1].clone()]);

    let back = left.with_member_added("kv-1", CLUSTER).unwrap();
    assert_eq!(back.members.last(), Some(&before.members[1]));
    assert!(back.leaving.is_empty());

    let anew = left.with_member_added("kv-1", OTHER).unwrap();
    assert_ne!(anew.members[4].salts, before.members[1].salts);
    assert_eq!(anew.leaving, left.leaving);

    let retired = left.with_leaver_retired("kv-1", CLUSTER).unwrap();
    assert!(retired.leaving.is_empty());
    assert!(retired.with_leaver_retired("kv-1", CLUSTER).is_err());
    assert!(left.with_dead("kv-1", CLUSTER, None).unwrap().leaving.is_empty());
}

#[test]
fn an_acceptance_is_used_once() {
    let dead = sample(3).bootstrapped().with_dead("kv-1", &incarnation(1), None).unwrap();
    assert!(!dead.dead[0].settled);
    let settled = dead.with_dead_settled().unwrap();
    assert!(settled.dead[0].settled && settled.is_dead("kv-1", &incarnation(1)));
}
