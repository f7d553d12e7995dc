//! Pure. Where the servers are, from the endpoints of their Service.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crd::names;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use node_api::ServerAddresses;
use ring::{MAX_MEMBERS, RingDocument};

/// The most servers that are looked at: members, and as many that come or go.
const MAX_SERVERS: usize = 2 * MAX_MEMBERS;

/// Where one server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) addresses: ServerAddresses,
    /// Whether Kubernetes says that its pod can serve.
    pub(crate) is_serving: bool,
}

/// Which of several endpoints of one name is meant, as while a pod moves: the greatest.
type Rank = (bool, bool, bool, bool, Reverse<IpAddr>);

/// The place of each server. A server of the ring that has no endpoint now stays where it was
/// before: its arcs fail until it is back, and whoever else gets its address is not taken for it.
pub(super) fn servers<'a>(
    slices: impl Iterator<Item = &'a EndpointSlice>,
    document: &RingDocument,
    before: &BTreeMap<String, Place>,
) -> BTreeMap<String, Place> {
    let mut best: BTreeMap<&str, (Rank, Place)> = BTreeMap::new();
    for endpoint in slices.flat_map(|slice| &slice.endpoints) {
        let Some((name, rank, place)) = read(endpoint) else { continue };
        let is_known = best.contains_key(name);
        if best.get(name).is_some_and(|(known, _)| *known >= rank) {
            continue;
        }
        if is_known || best.len() < MAX_SERVERS {
            best.insert(name, (rank, place));
        }
    }
    let mut found: BTreeMap<String, Place> =
        best.into_iter().map(|(name, (_, place))| (name.to_owned(), place)).collect();
    for member in document.listed() {
        if let (false, Some(place)) = (found.contains_key(&member.name), before.get(&member.name)) {
            found.insert(member.name.clone(), Place { is_serving: false, ..place.clone() });
        }
    }
    found
}

fn read(endpoint: &Endpoint) -> Option<(&str, Rank, Place)> {
    let name = endpoint.hostname.as_deref()?;
    let address: IpAddr = endpoint.addresses.first()?.parse().ok()?;
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    let is_ready = conditions.ready.unwrap_or(true);
    let is_serving = conditions.serving.unwrap_or(is_ready);
    let is_terminating = conditions.terminating.unwrap_or(false);
    let at = |port| SocketAddr::new(address, port).to_string();
    let addresses = ServerAddresses {
        resp: at(names::NODE_RESP_PORT),
        http: at(names::NODE_HTTP_PORT),
        peer: at(names::NODE_PEER_PORT),
    };
    let rank = (!is_terminating, is_serving, is_ready, address.is_ipv4(), Reverse(address));
    Some((name, rank, Place { addresses, is_serving }))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::discovery::v1::EndpointConditions;

    use super::*;

    /// An endpoint and its conditions: `r`eady, `s`erving, `t`erminating.
    fn endpoint(name: &str, address: &str, conditions: &str) -> Endpoint {
        let is = |letter| Some(conditions.contains(letter));
        Endpoint {
            hostname: (!name.is_empty()).then(|| name.to_owned()),
            addresses: vec![address.to_owned()],
            conditions: Some(EndpointConditions {
                ready: is('r'),
                serving: is('s'),
                terminating: is('t'),
            }),
            ..Endpoint::default()
        }
    }

    fn slice(endpoints: Vec<Endpoint>) -> EndpointSlice {
        EndpointSlice { endpoints, ..EndpointSlice::default() }
    }

    fn document(names: &[&str]) -> RingDocument {
        let incarnation = "f".repeat(32);
        let members = names.iter().map(|name| (*name, incarnation.as_str()));
        RingDocument::bootstrap(&incarnation, ring::Placement::Classic, 4, members).expect("a ring")
    }

    fn check(slices: &[EndpointSlice], expected: &[(&str, &str, bool)]) {
        let found = servers(slices.iter(), &document(&["kv-0"]), &BTreeMap::new());
        let found: Vec<(&str, &str, bool)> = (found.iter())
            .map(|(name, place)| (&**name, &*place.addresses.resp, place.is_serving))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn slices_are_put_together() {
        let slices = [
            slice(vec![endpoint("kv-1", "10.0.0.2", "rs"), endpoint("kv-0", "10.0.0.1", "r")]),
            slice(vec![endpoint("kv-2", "fd00::3", "rs"), endpoint("", "10.0.0.9", "rs")]),
            slice(vec![endpoint("kv-3", "kv-3.example", "rs")]),
        ];
        check(
            &slices,
            &[
                ("kv-0", "10.0.0.1:6400", false),
                ("kv-1", "10.0.0.2:6400", true),
                ("kv-2", "[fd00::3]:6400", true),
            ],
        );
        let unsaid = Endpoint { conditions: None, ..endpoint("kv-0", "10.0.0.1", "") };
        check(&[slice(vec![unsaid])], &[("kv-0", "10.0.0.1:6400", true)]);
    }

    #[test]
    fn of_two_endpoints_of_a_moving_pod_the_living_one_is_meant() {
        for (worse, better) in [("rst", ""), ("", "s"), ("s", "rs"), ("t", "st")] {
            let (old, new) =
                (endpoint("kv-0", "10.0.0.1", worse), endpoint("kv-0", "10.0.0.2", better));
            let is_serving = better.contains('s');
            let expected = [("kv-0", "10.0.0.2:6400", is_serving)];
            check(&[slice(vec![old.clone(), new.clone()])], &expected);
            check(&[slice(vec![new]), slice(vec![old])], &expected);
        }
        let both = [endpoint("kv-0", "fd00::1", "rs"), endpoint("kv-0", "10.0.0.1", "rs")];
        check(&[slice(both.to_vec())], &[("kv-0", "10.0.0.1:6400", true)]);
    }

    #[test]
    fn a_server_of_the_ring_that_is_away_stays_where_it_was() {
        let all = ["kv-0", "kv-1"].map(|name| endpoint(name, "10.0.0.1", "rs"));
        let ring = document(&["kv-0"]);
        let before = servers([slice(all.to_vec())].iter(), &ring, &BTreeMap::new());
        let after = servers([].iter(), &ring, &before);
        assert_eq!(after.len(), 1);
        let place = &after["kv-0"];
        assert_eq!((&*place.addresses.peer, place.is_serving), ("10.0.0.1:6402", false));
    }

    #[test]
    fn the_number_of_servers_is_bounded() {
        let endpoints = |n: usize| {
            let names = (0..n).map(|n| format!("kv-{n}"));
            slice(names.map(|name| endpoint(&name, "10.0.0.1", "rs")).collect())
        };
        for (n, expected) in [(MAX_SERVERS, MAX_SERVERS), (MAX_SERVERS + 1, MAX_SERVERS)] {
            let found = servers([endpoints(n)].iter(), &document(&["kv-0"]), &BTreeMap::new());
            assert_eq!(found.len(), expected);
        }
    }
}
