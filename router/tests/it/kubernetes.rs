//! A router that learns of its servers from the API server of Kubernetes.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use handoff::Incarnation;
use ring::ArcSet;
use router::{Config, Router, Source};
use serde_json::{Value, json};

use crate::api_server::ApiServer;
use crate::fake::Node;
use crate::world::{World, key_in, membership, part, until};

const SERVERS: usize = 2;

struct Kubernetes {
    api: ApiServer,
    world: World,
    /// Servers of this test are at 127.77.`net`.x: their port is always the same.
    net: u8,
}

impl Kubernetes {
    fn start(net: u8) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || outside(net, &sender));
        let (api, nodes) = receiver.recv().expect("the servers started");
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let api_server = Some(format!("http://{}", api.address).parse().expect("a URL"));
        let cluster = "apps/kv".parse().expect("a name");
        let mut config = Config::new(local, local, Source::Kubernetes { cluster, api_server });
        config.threads = 1;
        let router = Router::start(config).expect("the router starts");
        let memberships = tokio::sync::watch::Sender::new(membership(&nodes));
        Self { api, world: World { nodes, router, memberships }, net }
    }

    fn commit(&self) {
        self.api.put("kvclusters", "kv", cluster(&self.world.nodes));
    }

    fn announce(&self, nodes: &[Node]) {
        self.api.put("endpointslices", "kv-nodes-x", slice(nodes));
    }

    fn wait_until_ready(&self) {
        let world = &self.world;
        until("the router is ready", || world.http("GET", "/readyz", &[], b"").status == 200);
    }
}

fn place(net: u8, host: u8) -> SocketAddr {
    SocketAddr::from(([127, 77, net, host], crd::names::NODE_RESP_PORT))
}

fn outside(net: u8, started: &mpsc::Sender<(ApiServer, Vec<Node>)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut nodes = Vec::new();
        for (index, host) in (0..SERVERS).zip(1..) {
            let incarnation = Incarnation(index as u128 + 1);
            let arcs = ArcSet::from(part(index, SERVERS));
            let (at, name) = (place(net, host), format!("kv-{index}"));
            nodes.push(Node::start_at(at, &name, incarnation, &arcs).await);
        }
        started.send((ApiServer::start().await, nodes)).expect("the test waits");
        std::future::pending::<()>().await;
    });
}

fn cluster(nodes: &[Node]) -> Value {
    let ring = membership(nodes).document.to_json();
    let ring: Value = serde_json::from_str(&ring).expect("JSON");
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let conditions = [
        condition("Available", "True", "AllArcsServed"),
        condition("Progressing", "False", "AsSpecified"),
    ];
    let status = json!({ "ring": ring, "conditions": conditions });
    json!({ "spec": { "replicas": SERVERS }, "status": status })
}

fn slice(nodes: &[Node]) -> Value {
    let endpoint = |node: &Node| json!({ "hostname": node.name, "addresses": [node.address.ip()] });
    let endpoints: Vec<Value> = nodes.iter().map(endpoint).collect();
    json!({ "addressType": "IPv4", "endpoints": endpoints })
}

#[test]
fn ring_and_servers_come_by_watches_and_nothing_is_polled() {
    let kubernetes = Kubernetes::start(1);
    let world = &kubernetes.world;
    let ready = world.http("GET", "/readyz", &[], b"");
    assert!(ready.body.contains("not known yet"), "{}", ready.body);
    kubernetes.announce(&world.nodes);
    kubernetes.commit();
    kubernetes.wait_until_ready();
    let mut client = world.client();
    for index in 0..SERVERS {
        let key = key_in(part(index, SERVERS));
        assert_eq!(client.ask(&format!("SET {key} 1")), "OK");
        assert_eq!(world.nodes[index].executed(), [format!("SET {key} 1")]);
    }
    let mut requests = kubernetes.api.requests();
    requests.sort_unstable();
    let service = "kubernetes.io/service-name=kv-nodes";
    let expected = [
        &format!("list endpointslices {service}"),
        "list kvclusters metadata.name=kv",
        &format!("watch endpointslices {service}"),
        "watch kvclusters metadata.name=kv",
    ];
    assert_eq!(requests, expected);
}

#[test]
fn a_server_that_moves_is_followed_and_one_that_is_away_is_not_forgotten() {
    let kubernetes = Kubernetes::start(2);
    let world = &kubernetes.world;
    kubernetes.announce(&world.nodes);
    kubernetes.commit();
    kubernetes.wait_until_ready();
    let (first, second) = (key_in(part(0, SERVERS)), key_in(part(1, SERVERS)));
    let mut client = world.client();
    assert_eq!(client.ask(&format!("SET {second} 1")), "OK");

    kubernetes.announce(&world.nodes[..1]);
    assert_eq!(client.ask(&format!("SET {first} 1")), "OK");
    assert_eq!(client.ask(&format!("GET {second}")), "1", "it answers where it was");
    assert_eq!(world.http("GET", "/readyz", &[], b"").status, 200);

    let records = world.nodes[1].records(ring::Arc::FULL);
    let moved = world.nodes[1].start_again_at(place(kubernetes.net, 9), records);
    kubernetes.announce(&[world.nodes[0].clone(), moved.clone()]);
    until("the router is there", || moved.greetings() > 0);
    until("it is asked", || {
        assert_eq!(client.ask(&format!("GET {second}")), "1");
        !moved.executed().is_empty()
    });
}

#[test]
fn the_last_table_stands_while_the_api_server_is_away() {
    let kubernetes = Kubernetes::start(3);
    let world = &kubernetes.world;
    kubernetes.announce(&world.nodes);
    kubernetes.commit();
    kubernetes.wait_until_ready();
    kubernetes.api.set_away(true);
    until("both watches are lost", || kubernetes.api.refusals() >= 2);
    let key = key_in(part(1, SERVERS));
    let mut client = world.client();
    assert_eq!(client.ask(&format!("SET {key} 1")), "OK");
    assert_eq!(world.http("GET", "/readyz", &[], b"").status, 200);
    let records = world.nodes[1].records(ring::Arc::FULL);
    let moved = world.nodes[1].start_again_at(place(kubernetes.net, 9), records);
    kubernetes.announce(&[world.nodes[0].clone(), moved.clone()]);
    kubernetes.api.set_away(false);
    until("the router hears of it", || moved.greetings() > 0);
    assert_eq!(client.ask(&format!("GET {key}")), "1");
}

#[test]
fn the_status_is_the_operators_and_changes_are_kubectls() {
    let kubernetes = Kubernetes::start(4);
    let world = &kubernetes.world;
    let before = world.http("GET", "/status", &[], b"");
    assert!(before.body.contains("has not seen KvCluster apps/kv yet"), "{}", before.body);
    kubernetes.announce(&world.nodes);
    kubernetes.commit();
    kubernetes.wait_until_ready();
    let status = world.http("GET", "/status", &[], b"");
    let status: rebalance::Status = serde_json::from_str(&status.body).expect("a status");
    assert_eq!(status.state, rebalance::ClusterState::Converged);
    let servers: Vec<_> = status.servers.iter().map(|one| (&*one.name, one.ready)).collect();
    assert_eq!(servers, [("kv-0", true), ("kv-1", true)]);
    assert_eq!(status.servers[1].address, Some(world.nodes[1].address.to_string()));
    let share: f64 = status.servers.iter().map(|server| server.arc_share).sum();
    assert!((share - 1.0).abs() < 1e-9, "{share}");
    for (path, body, command) in [
        ("/scale", r#"{"servers":5}"#, "kubectl scale kvcluster/kv -n apps --replicas=5"),
        ("/add-server", "", "kubectl scale kvcluster/kv -n apps --replicas=3"),
        ("/remove-server", "", "kubectl scale kvcluster/kv -n apps --replicas=1"),
        ("/accept-data-loss", "{}", "ringkv.dev/accept-data-loss=<server>/<incarnation>"),
    ] {
        let answer = world.http("POST", path, &[], body.as_bytes());
        assert_eq!(answer.status, 409, "{path}");
        assert!(answer.body.contains(command), "{path}: {}", answer.body);
    }
    let plan = world.http("GET", "/plan?servers=5", &[], b"");
    assert_eq!(plan.status, 409, "{}", plan.body);
}
