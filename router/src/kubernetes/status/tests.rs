use std::sync::Arc as Shared;

use kubernetes::api_resource;
use node_api::{Membership, ServerAddresses};
use serde_json::{Value, json};

use super::*;
use crate::kubernetes::servers::Place;

fn told(status: &Value) -> Status {
    let incarnations = ["0".repeat(32), "1".repeat(32)];
    let members = [("kv-0", &*incarnations[0]), ("kv-1", &*incarnations[1])];
    let document = RingDocument::bootstrap(&"a".repeat(32), ring::Placement::Classic, 4, members);
    let document = document.expect("a ring").bootstrapped();
    let place = |n: usize| {
        let at = |port| format!("10.0.0.{n}:{port}");
        let addresses = ServerAddresses { resp: at(6400), http: at(6401), peer: at(6402) };
        (format!("kv-{n}"), Place { addresses, is_serving: true })
    };
    let servers: BTreeMap<String, Place> = [0, 1, 2].map(place).into();
    let object = DynamicObject::new("kv", &api_resource()).data(json!({ "status": status }));
    let addresses = servers.iter().map(|(name, place)| (name.clone(), place.addresses.clone()));
    let membership =
        Membership { generation: 1, document: document.clone(), servers: addresses.collect() };
    let table = Table::build(&membership, &BTreeMap::new());
    let (object, document) = (Some(Shared::new(object)), Some(Shared::new(document)));
    let facts = Facts { object, document, servers };
    super::status(&"apps/kv".parse().expect("a name"), &facts, &table)
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

#[test]
fn the_state_is_that_of_the_conditions() {
    let check = |conditions: &[Value], state: ClusterState, reasons: &[&str]| {
        let status = told(&json!({ "conditions": conditions }));
        assert_eq!((status.state, status.reasons), (state, reasons.map_to_owned()));
    };
    let available = condition("Available", "True", "AllArcsServed", "");
    let as_specified = condition("Progressing", "False", "AsSpecified", "");
    let fine = [available.clone(), as_specified.clone()];
    check(&[], ClusterState::Starting, &[]);
    check(&fine, ClusterState::Converged, &[]);
    let lost = condition("Degraded", "True", "DataLost", "the volume of kv-1 is gone");
    check(&[available.clone(), lost], ClusterState::Lost, &["the volume of kv-1 is gone"]);
    let moving = condition("Rebalancing", "True", "Moving", "42 %");
    let scaling = condition("Progressing", "True", "Scaling", "3 to 5 servers");
    let both = [available.clone(), scaling.clone(), moving];
    check(&both, ClusterState::Moving, &["3 to 5 servers"]);
    check(&[available.clone(), scaling], ClusterState::Blocked, &["3 to 5 servers"]);
    let blocked = condition("Progressing", "False", "Blocked", "kv-2 is not scheduled");
    check(&[available, blocked], ClusterState::Blocked, &["kv-2 is not scheduled"]);
    let starting = condition("Available", "False", "Bootstrapping", "");
    check(&[starting], ClusterState::Bootstrapping, &["Bootstrapping"]);
    let away = condition("Available", "False", "ServersUnavailable", "kv-0 does not answer");
    check(&[away, as_specified], ClusterState::Blocked, &["kv-0 does not answer"]);
}

trait MapToOwned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl MapToOwned for [&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn servers_are_told_by_the_operator_and_placed_by_the_router() {
    let status = told(&json!({
        "servers": [
            { "name": "kv-0", "role": "Member", "ready": true, "share": "50 %" },
            { "name": "kv-1", "role": "Leaving", "ready": false, "share": "", "error": "away" },
            { "name": "kv-3", "role": "Joining", "ready": false, "share": "" },
        ],
        "rebalance": {
            "from": 2, "to": 1, "progress": "50 %", "keysMoved": 1, "keysTotal": 2,
            "bytesMoved": 3, "bytesTotal": 4, "handoffsOpen": 1,
        },
    }));
    let show = |server: &ServerStatus| {
        let ServerStatus { name, role, ready, error, .. } = server;
        format!("{name} {:?} {role:?} {ready} {error:?}", server.address)
    };
    let expected = [
        r#"kv-0 Some("10.0.0.0:6400") Member true None"#,
        r#"kv-1 Some("10.0.0.1:6400") Leaving false Some("away")"#,
        r#"kv-3 None Joining false None"#,
        r#"kv-2 Some("10.0.0.2:6400") Joining true None"#,
    ];
    assert_eq!(status.servers.iter().map(show).collect::<Vec<_>>(), expected);
    assert_eq!(status.servers[1].incarnation, Some("1".repeat(32)));
    let rebalance = status.rebalance.expect("a change");
    assert_eq!((rebalance.from, rebalance.to, rebalance.keys_total, rebalance.epoch), (2, 1, 2, 2));
}

#[test]
fn what_is_not_understood_is_left_out() {
    let status = told(&json!({ "servers": 7, "conditions": [{ "odd": 1 }], "rebalance": [] }));
    assert_eq!(status.servers.len(), 3);
    assert_eq!((status.epoch, status.state), (2, ClusterState::Starting));
    let unseen =
        super::status(&"apps/kv".parse().expect("a name"), &Facts::default(), &Table::default());
    assert_eq!(unseen.reasons, ["this router has not seen KvCluster apps/kv yet"]);
}
