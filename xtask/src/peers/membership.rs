//! Pure. What a coordinator tells a router: which servers share the ring, and where they are. And
//! what the router then asks these.

use serde_json::{Map, Value, json};

/// The router's first command on a connection to a server.
pub(crate) const GREETING: &str = "RINGKV.HELLO";
/// Its question what a server owns, and the number that comes with it at first.
pub(crate) const QUESTION: &str = "RINGKV.WATCH";
pub(crate) const FIRST: &str = "0";
/// Arcs of each server, as many as it has with the usual number of tokens.
const ARCS: u16 = 100;
/// Any cluster's name would do.
const CLUSTER: &str = "0123456789abcdef0123456789abcdef";

/// What is answered to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The membership.
    Membership,
    /// Nothing new, after a while.
    Unchanged,
    /// There is no such thing.
    Nothing,
}

/// What the first line of an HTTP request asks for.
pub(crate) fn answer_to(request: &str) -> Answer {
    match request.split(' ').nth(1) {
        Some("/membership") => Answer::Membership,
        Some(path) if path.starts_with("/membership?") => Answer::Unchanged,
        _ => Answer::Nothing,
    }
}

/// The answer of that server of so many: arcs of equal length belong to the servers in turn.
pub(crate) fn owned(server: u16, servers: u16) -> Value {
    let arcs = if servers == 1 { 1 } else { u128::from(ARCS) * u128::from(servers) };
    let length = u128::MAX / arcs;
    let own = (0..arcs).filter(|arc| arc % u128::from(servers) == u128::from(server));
    let arcs: Vec<Value> = own
        .map(|arc| {
            let start = arc * length;
            let last = if arc + 1 == arcs { u128::MAX } else { start + length - 1 };
            let claim = json!({ "epoch": 1, "frozen": false });
            json!({ "start": hexadecimal(start), "last": hexadecimal(last), "value": claim })
        })
        .collect();
    let server = json!({ "name": name(server), "incarnation": incarnation(server) });
    json!({ "server": server, "view": 1, "ring_epoch": 1, "admitted": true, "arcs": arcs })
}

fn name(server: u16) -> String {
    format!("kv-{server}")
}

fn incarnation(server: u16) -> String {
    hexadecimal(u128::from(server) + 1)
}

fn hexadecimal(number: u128) -> String {
    format!("{number:032x}")
}

/// Servers on these ports of this machine. All but their RESP is at the port of the coordinator,
/// which knows nothing of it.
pub(crate) fn membership(ports: &[u16], coordinator: u16) -> Value {
    let nowhere = format!("127.0.0.1:{coordinator}");
    let (mut members, mut servers) = (Vec::new(), Map::new());
    for (server, port) in (0..).zip(ports) {
        members.push(json!({ "name": name(server), "incarnation": incarnation(server) }));
        let resp = format!("127.0.0.1:{port}");
        let addresses = json!({ "resp": resp, "http": nowhere, "peer": nowhere });
        servers.insert(name(server), addresses);
    }
    json!({
        "generation": 1,
        "document": {
            "format": 1,
            "cluster": CLUSTER,
            "epoch": 1,
            "term": 1,
            "phase": "bootstrapped",
            "placement": "classic",
            "virtual_nodes": 100,
            "members": members,
        },
        "servers": servers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_membership_is_known() {
        assert_eq!(answer_to("GET /membership HTTP/1.1"), Answer::Membership);
        assert_eq!(answer_to("GET /membership?after=1 HTTP/1.1"), Answer::Unchanged);
        assert_eq!(answer_to("GET /admin/v1/state HTTP/1.1"), Answer::Nothing);
        assert_eq!(answer_to(""), Answer::Nothing);
    }

    #[test]
    fn the_arcs_of_all_servers_are_the_ring() {
        for servers in [1, 2, 5, 64] {
            let views: Vec<Value> = (0..servers).map(|server| owned(server, servers)).collect();
            let mut arcs: Vec<(u128, u128)> = Vec::new();
            for view in &views {
                for arc in view["arcs"].as_array().unwrap() {
                    let end = |of: &str| u128::from_str_radix(arc[of].as_str().unwrap(), 16);
                    arcs.push((end("start").unwrap(), end("last").unwrap()));
                }
            }
            arcs.sort_unstable();
            assert_eq!(arcs[0].0, 0);
            assert!(arcs.windows(2).all(|pair| pair[1].0 == pair[0].1 + 1), "{servers} servers");
            assert_eq!(arcs.last().unwrap().1, u128::MAX);
        }
    }

    #[test]
    fn every_server_is_a_member_with_an_address() {
        let membership = membership(&[7, 8], 9);
        assert_eq!(membership["document"]["members"][1]["name"], "kv-1");
        assert_eq!(membership["servers"]["kv-1"]["resp"], "127.0.0.1:8");
        let incarnation = membership["document"]["members"][1]["incarnation"].as_str().unwrap();
        assert_eq!(incarnation.len(), 32);
    }
}
