//! Pure. What a coordinator tells a router: which servers share the ring, and where they are. And
//! what the router then says to these.

use serde_json::{Map, Value, json};

/// The router's first command on a connection to a server.
pub(crate) const GREETING: &str = "RINGKV.HELLO";
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

/// Servers on these ports of this machine. All but their RESP is at the port of the coordinator,
/// which knows nothing of it.
pub(crate) fn membership(ports: &[u16], coordinator: u16) -> Value {
    let name = |index: usize| format!("kv-{index}");
    let members: Vec<Value> = (0..ports.len())
        .map(|index| json!({ "name": name(index), "incarnation": format!("{:032x}", index + 1) }))
        .collect();
    let nowhere = format!("127.0.0.1:{coordinator}");
    let servers: Map<String, Value> = ports
        .iter()
        .enumerate()
        .map(|(index, port)| {
            let resp = format!("127.0.0.1:{port}");
            (name(index), json!({ "resp": resp, "http": nowhere, "peer": nowhere }))
        })
        .collect();
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
    fn every_server_is_a_member_with_an_address() {
        let membership = membership(&[7, 8], 9);
        assert_eq!(membership["document"]["members"][1]["name"], "kv-1");
        assert_eq!(membership["servers"]["kv-1"]["resp"], "127.0.0.1:8");
        let incarnation = membership["document"]["members"][1]["incarnation"].as_str().unwrap();
        assert_eq!(incarnation.len(), 32);
    }
}
