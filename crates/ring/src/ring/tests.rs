use proptest::prelude::*;

use super::*;
use crate::{Placement, diff};

const IDENTITY: &str = "00000000000000000000000000000001";

fn document(placement: Placement, virtual_nodes: u16, names: &[String]) -> RingDocument {
    let members = names.iter().map(|name| (&**name, IDENTITY));
    RingDocument::bootstrap(IDENTITY, placement, virtual_nodes, members).unwrap().bootstrapped()
}

fn documents() -> impl Strategy<Value = RingDocument> {
    let placement = prop_oneof![Just(Placement::Classic), Just(Placement::Balanced)];
    let names = proptest::collection::btree_set("[a-z]{1,8}-[0-9]{1,3}", 1..8);
    (placement, 1..24_u16, names.prop_map(|names| names.into_iter().collect::<Vec<_>>()))
        .prop_map(|(placement, virtual_nodes, names)| document(placement, virtual_nodes, &names))
}

fn named_tokens(tokens: &[(u128, u32)]) -> Ring {
    let members = tokens.iter().map(|(_, owner)| *owner).max().unwrap_or(0) + 1;
    let names = (0..members).map(|number| format!("n{number}")).collect();
    Ring::from_tokens(names, tokens.iter().map(|(token, owner)| (Point(*token), *owner)))
}

/// By the definition: the first token strictly greater, else the first of all.
fn naive_owner(tokens: &[(u128, u32)], point: u128) -> u32 {
    let least = |after: bool| {
        tokens.iter().filter(|(token, _)| !after || *token > point).min().map(|(_, owner)| *owner)
    };
    least(true).or_else(|| least(false)).unwrap()
}

fn interesting_points(tokens: &[(u128, u32)]) -> Vec<u128> {
    let around = |token: &(u128, u32)| [token.0.wrapping_sub(1), token.0, token.0.wrapping_add(1)];
    tokens.iter().flat_map(around).chain([0, u128::MAX]).collect()
}

proptest! {
    #[test]
    fn lookup_is_bisect_right(
        tokens in proptest::collection::vec(
            (prop_oneof![any::<u128>(), 0..4_u128, u128::MAX - 3..=u128::MAX], 0..4_u32), 1..40),
        points in proptest::collection::vec(any::<u128>(), 0..40),
    ) {
        let ring = named_tokens(&tokens);
        let assignment = ring.assignment();
        for point in interesting_points(&tokens).into_iter().chain(points) {
            let expected = format!("n{}", naive_owner(&tokens, point));
            prop_assert_eq!(ring.owner(Point(point)), &expected);
            prop_assert_eq!(assignment.get(Point(point)), Some(&expected));
        }
    }

    #[test]
    fn every_point_has_exactly_one_owner(document in documents()) {
        let ring = Ring::from_document(&document).unwrap();
        prop_assert_eq!(ring.assignment().arcs(), ArcSet::full());
        let mut seen = ArcSet::default();
        for name in ring.members() {
            let arcs = ring.arcs_of(name);
            prop_assert!(seen.intersection(&arcs).is_empty());
            prop_assert!((ring.shares()[name] - arcs.share()).abs() < 1e-9);
            seen = seen.union(&arcs);
        }
        prop_assert_eq!(seen, ArcSet::full());
    }

    #[test]
    fn an_added_server_takes_its_arcs_and_nothing_else_moves(document in documents()) {
        let grown = document.with_member_added("newcomer-0", IDENTITY).unwrap();
        let before = Ring::from_document(&document).unwrap().assignment();
        let ring = Ring::from_document(&grown).unwrap();
        let moves = diff(&before, &ring.assignment());
        let moved: ArcSet = moves.iter().flat_map(|one| one.arcs.iter()).collect();
        prop_assert_eq!(&moved, &ring.arcs_of("newcomer-0"));
        prop_assert!(moves.iter().all(|one| one.target == "newcomer-0"));

        let shrunk = grown.with_member_removed("newcomer-0").unwrap();
        prop_assert_eq!(&shrunk.members, &document.members);
        prop_assert_eq!(Ring::from_document(&shrunk).unwrap().assignment(), before);
    }

    #[test]
    fn a_removed_server_gives_its_arcs_and_nothing_else_moves(
        document in documents(), pick in any::<prop::sample::Index>(),
    ) {
        prop_assume!(document.members.len() > 1);
        let leaver = document.members[pick.index(document.members.len())].name.clone();
        let ring = Ring::from_document(&document).unwrap();
        let after = Ring::from_document(&document.with_member_removed(&leaver).unwrap()).unwrap();
        let moves = diff(&ring.assignment(), &after.assignment());
        let moved: ArcSet = moves.iter().flat_map(|one| one.arcs.iter()).collect();
        prop_assert_eq!(moved, ring.arcs_of(&leaver));
        prop_assert!(moves.iter().all(|one| one.source == leaver));
    }

    #[test]
    fn owners_are_distinct_and_begin_with_the_owner(
        document in documents(), point in any::<u128>(), count in 0..10_usize,
    ) {
        let ring = Ring::from_document(&document).unwrap();
        let owners = ring.owners(Point(point), count);
        prop_assert_eq!(owners.len(), count.min(ring.members().len()));
        let distinct: std::collections::BTreeSet<_> = owners.iter().collect();
        prop_assert_eq!(distinct.len(), owners.len());
        prop_assert!(owners.first().is_none_or(|first| *first == ring.owner(Point(point))));
    }
}

#[test]
fn a_point_that_equals_a_token_belongs_to_the_next_one() {
    let ring = named_tokens(&[(10, 0), (20, 1)]);
    assert_eq!(ring.owner(Point(9)), "n0");
    assert_eq!(ring.owner(Point(10)), "n1");
    assert_eq!(ring.owner(Point(20)), "n0");
    assert_eq!(ring.owner(Point::MAX), "n0");
    assert_eq!(ring.owner(Point::MIN), "n0");
}

#[test]
fn of_equal_tokens_the_earlier_member_has_the_arc() {
    let both = named_tokens(&[(10, 1), (10, 0), (20, 1)]);
    assert_eq!(both.owner(Point(9)), "n0");
    let alone = named_tokens(&[(10, 1), (20, 1)]);
    assert_eq!(alone.owner(Point(9)), "n1");
}

#[test]
fn owners_go_clockwise() {
    let ring = named_tokens(&[(10, 0), (20, 1), (30, 0), (40, 2)]);
    assert_eq!(ring.owners(Point(15), 3), ["n1", "n0", "n2"]);
    assert_eq!(ring.owners(Point(40), 9), ["n0", "n1", "n2"]);
}
