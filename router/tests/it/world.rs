//! Scripted servers, a scripted coordinator, and the router between them and the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use handoff::Incarnation;
use node_api::{Membership, ServerAddresses};
use ring::{Arc, ArcSet, Point, RingDocument};
use router::{Config, Router, Source};
use tokio::sync::watch;

use crate::client::Client;
use crate::fake::Node;

/// No test waits longer for one condition.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) router: Router,
    pub(crate) memberships: watch::Sender<Membership>,
}

/// The part of the ring that a server of so many owns at first: equal parts, in order.
pub(crate) fn part(index: usize, of: usize) -> Arc {
    let width = u128::MAX / of as u128;
    let start = width * index as u128;
    let last = if index + 1 == of { u128::MAX } else { start + width - 1 };
    Arc::new(Point(start), Point(last)).expect("an arc")
}

/// Keys `{prefix}0`, `{prefix}1`, ... whose points are in the arc.
pub(crate) fn keys_in(arc: Arc, prefix: &str) -> impl Iterator<Item = String> {
    let keys = (0..).map(move |n: u32| format!("{prefix}{n}"));
    keys.filter(move |key| arc.contains(Point::of(key.as_bytes())))
}

pub(crate) fn key_in(arc: Arc) -> String {
    keys_in(arc, "k").next().expect("a key")
}

impl World {
    pub(crate) fn start(servers: usize) -> Self {
        Self::start_with(servers, |_| {})
    }

    pub(crate) fn start_with(servers: usize, configure: impl FnOnce(&mut Config)) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || outside(servers, &sender));
        let (nodes, memberships, coordinator) = receiver.recv().expect("the servers started");
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config =
            Config::new(local, local, Source::Coordinator(format!("http://{coordinator}")));
        config.threads = 2;
        config.drain_wait = Duration::from_secs(5);
        configure(&mut config);
        let connections = config.threads + 1;
        let router = Router::start(config).expect("the router starts");
        let world = Self { nodes, router, memberships };
        until("every thread is connected", || {
            world.nodes.iter().all(|node| node.greetings() >= connections)
        });
        until("the router is ready", || world.http("GET", "/readyz", &[], b"").status == 200);
        world
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.router.resp_address())
    }

    /// Another process on the same volume, at another address; the membership says so.
    pub(crate) fn start_again(&self, index: usize) -> Node {
        let old = &self.nodes[index];
        let records = old.records(Arc::FULL);
        let new = old.start_again(records);
        let mut nodes = self.nodes.clone();
        nodes[index] = new.clone();
        self.announce(&nodes);
        new
    }

    /// The membership says from now on that these are the servers.
    pub(crate) fn announce(&self, nodes: &[Node]) {
        self.memberships.send_modify(|known| {
            *known = Membership { generation: known.generation + 1, ..membership(nodes) };
        });
    }

    /// Moves an arc with its records from one server to another, as a handoff does.
    pub(crate) fn hand_over(&self, from: usize, to: usize, arc: Arc, epoch: u64) {
        self.nodes[from].freeze(arc, true);
        let records = self.nodes[from].records(arc);
        self.nodes[to].own(arc, epoch, records);
        self.nodes[from].give(arc);
    }
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < limit, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

type Outside = (Vec<Node>, watch::Sender<Membership>, SocketAddr);

/// Servers and coordinator, on a thread that lives as long as the process.
fn outside(servers: usize, started: &mpsc::Sender<Outside>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut nodes = Vec::new();
        for index in 0..servers {
            let incarnation = Incarnation(index as u128 + 1);
            let arcs = ArcSet::from(part(index, servers));
            nodes.push(Node::start(&format!("kv-{index}"), incarnation, &arcs).await);
        }
        let memberships = watch::Sender::new(membership(&nodes));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let routes = axum::Router::new()
            .route("/membership", get(poll))
            .route("/status", get(|| async { axum::Json(serde_json::json!({ "epoch": 1 })) }))
            .route("/add-server", post(|body: String| async move { (StatusCode::ACCEPTED, body) }))
            .with_state(memberships.clone());
        started.send((nodes, memberships, address)).expect("the test waits");
        axum::serve(listener, routes).await.expect("the coordinator serves");
    });
}

pub(crate) fn membership(nodes: &[Node]) -> Membership {
    let incarnations: Vec<String> = nodes.iter().map(|node| node.incarnation.to_string()).collect();
    let members = nodes.iter().map(|node| &*node.name);
    let members = members.zip(incarnations.iter().map(String::as_str));
    let cluster = format!("{:032x}", 9);
    let document = RingDocument::bootstrap(&cluster, ring::Placement::Classic, 4, members);
    let addresses = |node: &Node| {
        let nowhere = "127.0.0.1:1".to_owned();
        let resp = node.address.to_string();
        (node.name.clone(), ServerAddresses { resp, http: nowhere.clone(), peer: nowhere })
    };
    Membership {
        generation: 1,
        document: document.expect("a document").bootstrapped(),
        servers: nodes.iter().map(addresses).collect::<BTreeMap<_, _>>(),
    }
}

async fn poll(
    State(memberships): State<watch::Sender<Membership>>,
    Query(query): Query<BTreeMap<String, u64>>,
) -> impl IntoResponse {
    let known = query.get("after").copied();
    let mut current = memberships.subscribe();
    let newer = current.wait_for(|membership| Some(membership.generation) != known);
    let _ = tokio::time::timeout(Duration::from_secs(1), newer).await;
    let membership = current.borrow().clone();
    axum::Json(membership)
}
