//! Nodes, a coordinator of few lines, and a client that follows MOVED.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc as Shared;
use std::thread::JoinHandle;
use std::time::Duration;

use handoff::{ClusterId, HandoffId, Refusal, Server, Terms};
use node_api::{Change, ClientError, HandoffStatus, NodeClient, NodeState, Peers, Request, Secret};
use prometheus_client::registry::Registry;
use ring::{ArcMap, ArcSet, Move, Placement, Ring, RingDocument};
use shell::drain::{self, Drain};
use shell::rng::{OsRng, Rng as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use super::client::Client;
use crate::app::{self, DataThread};
use crate::config::{Addresses, Config, RingSource};
use crate::control::{self, ControlParts};
use crate::metrics::Metrics;
use crate::server::DataServer;
use crate::store::{Durability, StoreConfig};

pub(super) const CLUSTER: ClusterId = ClusterId(0xc1);
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// One node. Dropped, it dies without an orderly end of its handoffs.
pub(super) struct TestNode {
    pub(super) resp: SocketAddr,
    pub(super) http: String,
    pub(super) peer: String,
    control: Option<JoinHandle<()>>,
    kill: Option<oneshot::Sender<()>>,
    data: Option<DataThread>,
    drain: Option<Drain>,
}

impl TestNode {
    pub(super) fn start(
        name: &str,
        dir: PathBuf,
        ring: PathBuf,
        durability: Durability,
        token: Option<Secret>,
    ) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses =
            Addresses { resp: any, http: any, peer: any, ring_source: RingSource::File(ring) };
        let mut config = Config::new(name.to_owned(), CLUSTER, dir, addresses);
        config.store = StoreConfig { disk_reserve_bytes: 0, ..StoreConfig::small(durability) };
        config.access.token = token;
        config.drain_wait = Duration::from_secs(3);
        let listen = || app::listen(any, "", "").unwrap();
        let (resp, http, peer) = (listen(), listen(), listen());
        let address = |listener: &std::net::TcpListener| listener.local_addr().unwrap();
        let (resp_at, http_at, peer_at) = (address(&resp), address(&http), address(&peer));

        let opened = control::open(&config).unwrap();
        let mut registry = Registry::default();
        let metrics = Shared::new(Metrics::register(&mut registry));
        let (requests, receiver) = mpsc::unbounded_channel();
        let (drain, token) = drain::channel();
        let identity = opened.identity.clone();
        let executor =
            app::executor(&config, identity, &opened.store, &opened.clock, &metrics).unwrap();
        let data = DataServer {
            listener: resp,
            executor,
            requests: receiver,
            settings: app::settings(&config),
            metrics: Shared::clone(&metrics),
            drain: token,
        };
        let data = app::start_data_thread(data).unwrap();
        let parts = ControlParts { config, http, peer, requests, registry, clients: metrics };
        let (kill, killed) = oneshot::channel::<()>();
        let token = drain.token();
        let control = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap();
            runtime.block_on(async {
                tokio::select! {
                    ended = control::run(opened, parts, token) => ended.unwrap(),
                    _ = killed => {}
                }
            });
            runtime.shutdown_timeout(PATIENCE);
        });
        Self {
            resp: resp_at,
            http: http_at.to_string(),
            peer: peer_at.to_string(),
            control: Some(control),
            kill: Some(kill),
            data: Some(data),
            drain: Some(drain),
        }
    }

    /// As on SIGTERM.
    pub(super) fn stop(mut self) {
        self.drain.as_ref().unwrap().start();
        self.control.take().unwrap().join().unwrap();
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        // Tasks end where they are; then the data thread goes, and the store with it.
        drop(self.kill.take());
        if let Some(control) = self.control.take() {
            control.join().unwrap();
        }
        drop(self.drain.take());
        if let Some((data, _)) = self.data.take() {
            data.join().unwrap().unwrap();
        }
    }
}

/// A cluster and what coordinates it.
pub(super) struct Cluster {
    pub(super) nodes: BTreeMap<String, TestNode>,
    runtime: Runtime,
    client: NodeClient,
    pub(super) document: Option<RingDocument>,
    durability: Durability,
    token: Option<Secret>,
    pub(super) max_bytes_per_second: Option<u64>,
    /// Last, as it goes when the nodes have gone.
    dir: TempDir,
}

impl Cluster {
    pub(super) fn new(durability: Durability) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            dir: TempDir::new().unwrap(),
            nodes: BTreeMap::new(),
            runtime,
            client: NodeClient::new(PATIENCE),
            document: None,
            durability,
            token: None,
            max_bytes_per_second: None,
        }
    }

    /// A cluster of these servers that serves.
    pub(super) fn of(names: &[&str], durability: Durability) -> Self {
        Self::guarded(names, durability, None)
    }

    /// The same, with a token that everybody has to show.
    pub(super) fn guarded(names: &[&str], durability: Durability, token: Option<Secret>) -> Self {
        let mut cluster = Self::new(durability);
        cluster.client = cluster.client.with_token(token.as_ref());
        cluster.token = token;
        for name in names {
            cluster.start(name);
        }
        let servers: Vec<(String, String)> = names
            .iter()
            .map(|name| ((*name).to_owned(), cluster.server(name).incarnation.to_string()))
            .collect();
        let members = servers.iter().map(|(name, incarnation)| (&**name, &**incarnation));
        let id = CLUSTER.to_string();
        let document = RingDocument::bootstrap(&id, Placement::Balanced, 8, members).unwrap();
        cluster.record(&document);
        let ring = Ring::from_document(&document).unwrap();
        for name in names {
            let grant = Change::Grant { arcs: ring.arcs_of(name), epoch: 1, ring_epoch: 1 };
            cluster.change(name, grant).unwrap();
        }
        cluster.commit(document.bootstrapped());
        cluster.tell_peers();
        for name in names {
            cluster.wait_for(name, |state| state.admitted);
        }
        cluster
    }

    pub(super) fn start(&mut self, name: &str) {
        let (dir, ring) = (self.dir.path().join(name), self.ring_path());
        let node = TestNode::start(name, dir, ring, self.durability, self.token.clone());
        self.nodes.insert(name.to_owned(), node);
    }

    /// The data of a node is lost; it starts again on an empty volume.
    pub(super) fn lose_volume(&mut self, name: &str) {
        self.nodes.remove(name);
        std::fs::remove_dir_all(self.dir.path().join(name)).unwrap();
        self.start(name);
    }

    /// Ends a node where it is, and starts it again.
    pub(super) fn restart(&mut self, name: &str) {
        self.nodes.remove(name);
        self.start(name);
        self.tell_peers();
    }

    pub(super) fn stop(&mut self, name: &str) {
        self.nodes.remove(name).unwrap().stop();
    }

    pub(super) fn ring_path(&self) -> PathBuf {
        self.dir.path().join("ring.json")
    }

    fn ask<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        name: &str,
        request: impl FnOnce(NodeClient, String) -> F,
    ) -> T {
        let result = self.try_ask(name, request);
        result.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(super) fn try_ask<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        name: &str,
        request: impl FnOnce(NodeClient, String) -> F,
    ) -> Result<T, ClientError> {
        let at = self.nodes[name].http.clone();
        self.runtime.block_on(request(self.client.clone(), at))
    }

    /// Asks whatever volume is there for a change.
    pub(super) fn change(&self, name: &str, change: Change) -> Result<(), ClientError> {
        self.try_ask(name, |client, at| async move {
            let incarnation = client.state(&at).await?.server.incarnation;
            client.change(&at, &Request { term: 1, incarnation, change }).await
        })
    }

    pub(super) fn state(&self, name: &str) -> NodeState {
        self.ask(name, |client, at| async move { client.state(&at).await })
    }

    pub(super) fn server(&self, name: &str) -> Server {
        self.state(name).server
    }

    pub(super) fn wait_for(&self, name: &str, fits: impl Fn(&NodeState) -> bool) -> NodeState {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let state = self.state(name);
            if fits(&state) {
                return state;
            }
            assert!(std::time::Instant::now() < deadline, "{name} is stuck: {state:#?}");
            std::thread::yield_now();
        }
    }

    /// Every node records the document.
    pub(super) fn record(&self, document: &RingDocument) {
        for name in self.nodes.keys() {
            self.change(name, Change::Ring(document.clone())).unwrap();
        }
    }

    /// Every node has recorded the document, then it counts.
    pub(super) fn commit(&mut self, document: RingDocument) {
        self.record(&document);
        let next = self.ring_path().with_extension("next");
        std::fs::write(&next, document.to_json()).unwrap();
        std::fs::rename(next, self.ring_path()).unwrap();
        self.document = Some(document);
    }

    pub(super) fn tell_peers(&self) {
        self.tell_peers_but("");
    }

    /// Nobody knows where this one is.
    pub(super) fn tell_peers_but(&self, hidden: &str) {
        let mut addresses = self.addresses();
        addresses.remove(hidden);
        self.tell_addresses(&addresses);
    }

    /// A server of this name that is none of the nodes.
    pub(super) fn tell_peer(&self, name: &str, address: String) {
        let mut addresses = self.addresses();
        addresses.insert(name.to_owned(), address);
        self.tell_addresses(&addresses);
    }

    fn addresses(&self) -> BTreeMap<String, String> {
        self.nodes.iter().map(|(name, node)| (name.clone(), node.peer.clone())).collect()
    }

    fn tell_addresses(&self, addresses: &BTreeMap<String, String>) {
        for name in self.nodes.keys() {
            let max_bytes_per_second = self.max_bytes_per_second;
            let peers = Peers { addresses: addresses.clone(), max_bytes_per_second };
            self.change(name, Change::Peers(peers)).unwrap();
        }
    }

    /// Who owns what, by what the nodes say.
    pub(super) fn owners(&self) -> ArcMap<String> {
        let mut owners = ArcMap::default();
        for name in self.nodes.keys() {
            for (arc, _) in self.state(name).owned.iter() {
                owners.insert(arc, name.clone());
            }
        }
        owners
    }

    /// What has to move, by the committed document.
    pub(super) fn moves(&self) -> Vec<Move> {
        let ring = Ring::from_document(self.document.as_ref().unwrap()).unwrap();
        ring::diff(&self.owners(), &ring.assignment())
    }

    /// Starts one handoff.
    pub(super) fn hand_over(&self, source: &str, target: &str, arcs: &ArcSet) -> HandoffId {
        let highest = self.nodes.keys().map(|name| self.state(name).highest_epoch).max();
        let (id, epoch) = (HandoffId(OsRng.next_u128()), highest.unwrap() + 1);
        let (from, to) = (self.server(source), self.server(target));
        self.receive(target, id, from, arcs, epoch).unwrap();
        self.give(source, id, to, arcs, epoch).unwrap();
        id
    }

    pub(super) fn receive(
        &self,
        target: &str,
        id: HandoffId,
        source: Server,
        arcs: &ArcSet,
        epoch: u64,
    ) -> Result<(), ClientError> {
        let terms = Terms { peer: source, arcs: arcs.clone(), epoch };
        self.change(target, Change::Receive { id, terms })
    }

    pub(super) fn give(
        &self,
        source: &str,
        id: HandoffId,
        target: Server,
        arcs: &ArcSet,
        epoch: u64,
    ) -> Result<(), ClientError> {
        let terms = Terms { peer: target, arcs: arcs.clone(), epoch };
        self.change(source, Change::Give { id, terms })
    }

    pub(super) fn cancel(&self, name: &str, id: HandoffId) -> Result<(), ClientError> {
        self.change(name, Change::Cancel { id })
    }

    /// Asks until the last record is deleted, and this is noted.
    pub(super) fn retire(&self, name: &str) {
        let ring_epoch = self.document.as_ref().unwrap().epoch;
        let trims = Refusal::Trimming.to_string();
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            match self.change(name, Change::Retire { ring_epoch }) {
                Ok(()) => return,
                Err(ClientError::Refused(problem)) if problem.detail == trims => {}
                Err(error) => panic!("{name} does not retire: {error}"),
            }
            assert!(std::time::Instant::now() < deadline, "{name} still deletes");
        }
    }

    /// Starts every handoff that is due, and waits until all are finished.
    pub(super) fn converge(&self) {
        for due in self.moves() {
            self.hand_over(&due.source, &due.target, &due.arcs);
        }
        self.wait_until_quiet();
        assert_eq!(self.moves(), Vec::new());
    }

    pub(super) fn wait_until_quiet(&self) {
        for name in self.nodes.keys() {
            self.wait_for(name, |state| state.handoffs.iter().all(|handoff| handoff.finished));
        }
    }

    pub(super) fn handoff(&self, name: &str, id: HandoffId) -> Option<HandoffStatus> {
        let state = self.state(name);
        state.handoffs.into_iter().find(|handoff| handoff.id == id)
    }

    /// Live keys and records of a node in these arcs.
    pub(super) fn count(&self, name: &str, arcs: &ArcSet) -> node_api::Count {
        let arcs = arcs.clone();
        self.ask(name, |client, at| async move { client.count(&at, arcs).await })
    }

    /// Every node holds records of what it owns, once each, and of nothing else.
    pub(super) fn wait_until_clean(&self, n_keys: u64) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let (mut keys, mut records) = (0, 0);
            for name in self.nodes.keys() {
                let owned = self.state(name).owned.arcs();
                keys += self.count(name, &owned).keys;
                records += self.count(name, &ArcSet::full()).records;
            }
            assert_eq!(keys, n_keys);
            if records == n_keys {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{records} records for {keys} keys");
            std::thread::yield_now();
        }
    }

    /// The value of a metric of a node, by the beginning of its line.
    pub(super) fn metric(&self, name: &str, line: &str) -> Option<f64> {
        let mut stream = TcpStream::connect(&self.nodes[name].http).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let value = text.lines().find_map(|found| found.strip_prefix(line));
        value.map(|value| value.trim().parse().unwrap())
    }

    /// How many handoffs this node gave, and their pauses: median, 99th percentile, longest.
    pub(super) fn pauses(&self, name: &str) -> (f64, [f64; 3]) {
        let count = self.metric(name, "ringkv_handoff_pause_seconds_count").unwrap();
        let quantile = |q: &str| {
            let line = format!("ringkv_handoff_pause_quantile_seconds{{quantile=\"{q}\"}}");
            self.metric(name, &line).unwrap()
        };
        (count, [quantile("0.5"), quantile("0.99"), quantile("1")])
    }

    /// A client that knows one node only.
    pub(super) fn client_of(&self, name: &str) -> Client {
        let nodes = BTreeMap::from([(name.to_owned(), self.nodes[name].resp)]);
        Client::new(nodes)
    }

    pub(super) fn resp_addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.nodes.iter().map(|(name, node)| (name.clone(), node.resp)).collect()
    }

    pub(super) fn client(&self) -> Client {
        let nodes = self.resp_addresses();
        Client::new(nodes)
    }
}
