//! What a node makes of requests that are not for it, and of numbers that nothing follows.

use handoff::{HandoffId, Incarnation, MAX_TERM, Terms};
use node_api::{Change, ClientError, NodeState, Peers, Problem, Request};
use ring::{Arc, ArcSet, MAX_EPOCH, Point};

use super::cluster::Cluster;
use crate::store::Durability;

fn ask(cluster: &Cluster, name: &str, request: Request) -> Result<(), Problem> {
    let asked =
        cluster.try_ask(name, |client, at| async move { client.change(&at, &request).await });
    asked.map_err(|error| match error {
        ClientError::Refused(problem) => problem,
        other => panic!("{name}: {other}"),
    })
}

/// What is on record; free space and admission come and go.
fn record(cluster: &Cluster, name: &str) -> NodeState {
    let state = cluster.state(name);
    NodeState { disk_free_bytes: 0, admitted: false, admission_error: None, ..state }
}

/// One of each kind that names arcs, with this epoch.
fn changes(cluster: &Cluster, peer: &str, epoch: u64) -> Vec<Change> {
    let arcs: ArcSet = Arc::new(Point(5), Point(9)).into_iter().collect();
    let terms = Terms { peer: cluster.server(peer), arcs: arcs.clone(), epoch };
    let id = HandoffId(7);
    vec![
        Change::Grant { arcs: arcs.clone(), epoch, ring_epoch: 1 },
        Change::Fence { arcs, epoch },
        Change::Receive { id, terms: terms.clone() },
        Change::Give { id, terms },
        Change::Retire { ring_epoch: epoch },
    ]
}

#[test]
fn a_volume_takes_nothing_that_was_meant_for_its_predecessor() {
    let mut cluster = Cluster::of(&["a", "b"], Durability::Always);
    let lost = cluster.server("b");
    cluster.lose_volume("b");
    let before = record(&cluster, "b");
    assert_ne!(before.server, lost);
    let document = cluster.document.clone().unwrap();
    let addresses = [("a".to_owned(), "127.0.0.1:1".to_owned())].into();
    let others = [
        Change::Term,
        Change::Ring(document.clone()),
        Change::Cancel { id: HandoffId(7) },
        Change::Peers(Peers { addresses, max_bytes_per_second: None }),
    ];
    for change in changes(&cluster, "a", 9).into_iter().chain(others) {
        let name = change.name();
        let request = Request { term: 5, incarnation: lost.incarnation, change };
        let problem = ask(&cluster, "b", request).unwrap_err();
        assert_eq!((problem.status, &*problem.title), (409, "other incarnation"), "{name}");
        for incarnation in [lost.incarnation, before.server.incarnation] {
            let says = problem.detail.contains(&incarnation.to_string());
            assert!(says, "{name} does not say {incarnation}: {problem}");
        }
        assert_eq!(record(&cluster, "b"), before, "{name}");
    }
    let incarnation = before.server.incarnation;
    ask(&cluster, "b", Request { term: 5, incarnation, change: Change::Ring(document) }).unwrap();
    assert_eq!(cluster.state("b").term, 5);
}

#[test]
fn numbers_that_nothing_follows_are_impossible() {
    let cluster = Cluster::of(&["a", "b"], Durability::Always);
    let before = record(&cluster, "a");
    let incarnation: Incarnation = before.server.incarnation;
    let check = |request: Request| {
        let name = request.change.name();
        let problem = ask(&cluster, "a", request).unwrap_err();
        assert_eq!((problem.status, &*problem.title), (400, "impossible request"), "{name}");
        assert_eq!(record(&cluster, "a"), before, "{name}");
    };
    for term in [MAX_TERM + 1, u64::MAX] {
        check(Request { term, incarnation, change: Change::Term });
    }
    for epoch in [MAX_EPOCH + 1, u64::MAX] {
        for change in changes(&cluster, "b", epoch) {
            check(Request { term: 1, incarnation, change });
        }
        let mut document = cluster.document.clone().unwrap();
        document.epoch = epoch;
        check(Request { term: 1, incarnation, change: Change::Ring(document) });
    }
    ask(&cluster, "a", Request { term: MAX_TERM, incarnation, change: Change::Term }).unwrap();
}
