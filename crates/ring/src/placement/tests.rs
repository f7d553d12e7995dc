use crate::{Placement, Ring, RingDocument};

const CLUSTER: &str = "00000000000000000000000000000001";

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

fn ratio(document: &RingDocument) -> f64 {
    let shares = Ring::from_document(document).unwrap().shares();
    shares.values().copied().fold(0.0, f64::max) * shares.len() as f64
}

fn ring_of(prefix: &str, count: usize, placement: Placement) -> RingDocument {
    let names = names(prefix, count);
    let members = names.iter().map(|name| (&**name, CLUSTER));
    RingDocument::bootstrap(CLUSTER, placement, 100, members).unwrap()
}

#[test]
fn balanced_rings_are_even_at_every_size() {
    for prefix in ["kv", "demo"] {
        for servers in [2, 3, 5, 7, 15, 30] {
            let ratio = ratio(&ring_of(prefix, servers, Placement::Balanced));
            assert!(ratio <= 1.03, "{prefix} {servers}: {ratio}");
        }
    }
}

#[test]
fn classic_tokens_are_those_of_the_plain_name() {
    let document = ring_of("kv", 2, Placement::Classic);
    let first = document.tokens(&document.members[0]).next().unwrap();
    assert_eq!(first, crate::Point::of(b"kv-0-0"));
    assert!(ratio(&document) > 1.0);
}

#[test]
fn members_one_by_one_or_at_once_make_the_same_ring() {
    let all = ring_of("kv", 6, Placement::Balanced);
    let mut grown = ring_of("kv", 3, Placement::Balanced).bootstrapped();
    for name in ["kv-3", "kv-4", "kv-5"] {
        grown = grown.with_member_added(name, CLUSTER).unwrap();
    }
    assert_eq!(all.members, grown.members);
}
