use node_api::{Claim, ServerAddresses};
use proptest::prelude::*;
use ring::RingDocument;

use super::*;

const NAMES: [&str; 3] = ["kv-0", "kv-1", "kv-2"];

fn incarnation(index: usize) -> Incarnation {
    Incarnation(index as u128 + 1)
}

fn membership() -> Membership {
    let incarnations: Vec<String> = (0..3).map(|i| incarnation(i).to_string()).collect();
    let members = NAMES.iter().copied().zip(incarnations.iter().map(String::as_str));
    let cluster = format!("{:032x}", 9);
    let document = RingDocument::bootstrap(&cluster, ring::Placement::Classic, 4, members);
    let document = document.expect("a valid document").bootstrapped();
    let servers = NAMES.iter().map(|name| {
        let address = |port: &str| format!("{name}:{port}");
        let addresses =
            ServerAddresses { resp: address("1"), http: address("2"), peer: address("3") };
        ((*name).to_owned(), addresses)
    });
    Membership { generation: 1, document, servers: servers.collect() }
}

fn view(index: usize, claims: &[(u128, u128, Epoch, bool)]) -> (String, NodeView) {
    let mut arcs = ArcMap::default();
    for (start, last, epoch, frozen) in claims {
        let arc = Arc::new(Point(*start), Point(*last)).expect("an arc");
        arcs.insert(arc, Claim { epoch: *epoch, frozen: *frozen });
    }
    let name = NAMES[index].to_owned();
    let server = handoff::Server { name: name.clone(), incarnation: incarnation(index) };
    (name, NodeView { server, view: 1, ring_epoch: 1, admitted: true, arcs })
}

fn owner(table: &Table, point: u128) -> String {
    match table.segment(Point(point)).owner {
        Owner::Claimed { node, epoch, frozen } => {
            let name = table.node(node).map_or("?", |node| &node.name);
            format!("{name}@{epoch}{}", if frozen { " frozen" } else { "" })
        }
        Owner::Unknown { expected } => {
            let name = expected.and_then(|node| table.node(node)).map_or("?", |node| &node.name);
            format!("unknown, expected {name}")
        }
    }
}

#[test]
fn the_newest_claim_wins_and_frozen_is_kept() {
    let views = BTreeMap::from([
        view(0, &[(0, u128::MAX, 1, false)]),
        view(1, &[(100, 199, 2, false), (300, 399, 2, true)]),
        view(2, &[(150, 159, 3, false), (190, 310, 1, false)]),
    ]);
    let table = Table::build(&membership(), &views);
    for (point, expected) in [
        (0, "kv-0@1"),
        (99, "kv-0@1"),
        (100, "kv-1@2"),
        (149, "kv-1@2"),
        (150, "kv-2@3"),
        (159, "kv-2@3"),
        (160, "kv-1@2"),
        (199, "kv-1@2"),
        (200, "kv-0@1"),
        (300, "kv-1@2 frozen"),
        (399, "kv-1@2 frozen"),
        (400, "kv-0@1"),
        (u128::MAX, "kv-0@1"),
    ] {
        assert_eq!(owner(&table, point), expected, "{point}");
    }
    assert!(table.is_complete());
}

#[test]
fn what_nobody_claims_waits_for_the_server_of_the_document() {
    let membership = membership();
    let ring = Ring::from_document(&membership.document).expect("a ring");
    let views = BTreeMap::from([view(0, &[(100, 199, 1, false)])]);
    let table = Table::build(&membership, &views);
    assert!(!table.is_complete());
    assert_eq!(owner(&table, 100), "kv-0@1");
    for point in [0, 99, 200, u128::MAX / 3, u128::MAX] {
        let expected = format!("unknown, expected {}", ring.owner(Point(point)));
        assert_eq!(owner(&table, point), expected, "{point}");
    }
}

#[test]
fn views_of_other_volumes_and_of_strangers_are_ignored() {
    let (name, mut replaced) = view(1, &[(0, u128::MAX, 9, false)]);
    replaced.server.incarnation = Incarnation(77);
    let (_, stranger) = view(2, &[(0, u128::MAX, 9, false)]);
    let views = BTreeMap::from([
        view(0, &[(0, u128::MAX, 1, false)]),
        (name, replaced),
        ("kv-9".to_owned(), stranger),
    ]);
    let table = Table::build(&membership(), &views);
    assert_eq!(table.segments().len(), 1);
    assert_eq!(owner(&table, 5), "kv-0@1");
}

#[test]
fn a_leaver_is_known_by_the_document_or_by_its_view() {
    let mut membership = membership();
    membership.document = membership.document.with_member_removed("kv-1").expect("removed");
    let table = Table::build(&membership, &BTreeMap::new());
    assert_eq!(table.nodes[1].incarnation, Some(incarnation(1)));
    membership.document.leaving.clear();
    let views = BTreeMap::from([view(1, &[(0, u128::MAX, 1, false)])]);
    let table = Table::build(&membership, &views);
    assert_eq!(owner(&table, 5), "kv-1@1");
    assert_eq!(table.nodes[1].incarnation, Some(incarnation(1)));
    let views = BTreeMap::from([view(1, &[])]);
    let nodes = Table::build(&membership, &views).nodes;
    assert_eq!(nodes.iter().map(|node| &*node.name).collect::<Vec<_>>(), ["kv-0", "kv-2"]);
}

#[test]
fn the_empty_table_knows_nobody() {
    let table = Table::default();
    assert!(!table.is_complete());
    assert_eq!(owner(&table, 5), "unknown, expected ?");
}

fn claims() -> impl Strategy<Value = Vec<(u128, u128, Epoch, bool)>> {
    let claim = (any::<u128>(), any::<u128>(), 1..5_u64, any::<bool>());
    prop::collection::vec(claim, 0..20).prop_map(|claims| {
        let ordered =
            |(a, b, epoch, frozen): (u128, u128, _, _)| (a.min(b), a.max(b), epoch, frozen);
        claims.into_iter().map(ordered).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lookup_agrees_with_a_search_of_all_claims(
        a in claims(), b in claims(), mut points in prop::collection::vec(any::<u128>(), 50),
    ) {
        let views = BTreeMap::from([view(0, &a), view(1, &b)]);
        let table = Table::build(&membership(), &views);
        points.extend(a.iter().chain(&b).flat_map(|(start, last, _, _)| [*start, *last]));
        for point in points.into_iter().map(Point) {
            let claim = |index: usize| {
                let (name, view) = view(index, [&a, &b][index]);
                view.arcs.get(point).map(|claim| (claim.epoch, Reverse(name), claim.frozen))
            };
            let expected = claim(0).max(claim(1)).map(|(epoch, Reverse(name), frozen)| {
                format!("{name}@{epoch}{}", if frozen { " frozen" } else { "" })
            });
            let found = owner(&table, point.0);
            match expected {
                Some(expected) => prop_assert_eq!(found, expected),
                None => prop_assert!(found.starts_with("unknown")),
            }
            prop_assert!(table.segment(point).arc.contains(point));
        }
        for pair in table.segments().windows(2) {
            prop_assert_eq!(pair[0].arc.last().next(), Some(pair[1].arc.start()));
            prop_assert_ne!(pair[0].owner, pair[1].owner);
        }
    }
}
