//! Shell. For tests: the nodes of a `World` behind real HTTP, and their ring document.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use handoff::{Refusal, Terms};
use node_api::{
    Accepted, CancelRequest, Count, CountRequest, FenceRequest, GiveRequest, GrantRequest,
    PeersRequest, Problem, ReceiveRequest, RetireRequest, RingRequest, ServerAddresses,
    TermRequest,
};
use ring::RingDocument;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::coordinator::{Coordinator, Directory};
use crate::store::{RingStore, RingStoreError};
use crate::world::{CLUSTER, World};
use crate::{ChangeError, CoordinatorConfig};

/// Keys in the whole ring, evenly spread.
pub(super) const KEYS: f64 = 100_000.0;

/// Nodes that answer on sockets.
#[derive(Clone)]
pub(super) struct Nodes {
    world: Arc<Mutex<World>>,
    directory: watch::Sender<BTreeMap<String, ServerAddresses>>,
}

impl Nodes {
    /// Handoffs go on by themselves from now on.
    pub(super) fn new() -> Self {
        let world = Arc::new(Mutex::new(World::empty(1)));
        let progressing = Arc::downgrade(&world);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            loop {
                ticks.tick().await;
                let Some(world) = progressing.upgrade() else { return };
                let mut world = world.lock().unwrap();
                world.progress();
                world.check_invariants();
            }
        });
        Self { world, directory: watch::Sender::new(BTreeMap::new()) }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(super) async fn start(&self, name: &str) {
        self.world().start(name);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap().to_string();
        let state = (Arc::clone(&self.world), name.to_owned());
        let app = Router::new().fallback(answer).with_state(state);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let (resp, peer) = (format!("{name}:6379"), format!("{name}:7000"));
        self.directory.send_modify(|servers| {
            servers.insert(name.to_owned(), ServerAddresses { resp, http, peer });
        });
    }

    /// The process and volume of a server go away.
    pub(super) fn remove(&self, name: &str) {
        self.directory.send_modify(|servers| {
            servers.remove(name);
        });
        self.world().nodes.remove(name);
    }

    pub(super) fn directory(&self) -> Directory {
        self.directory.subscribe()
    }

    /// A coordinator of these nodes, which must be given the initial members once.
    pub(super) async fn coordinator(&self, initial: &[&str]) -> Coordinator {
        let initial = initial.iter().map(|name| (*name).to_owned()).collect();
        let config = CoordinatorConfig {
            virtual_nodes: 8,
            poll_moving: Duration::from_millis(3),
            poll_idle: Duration::from_millis(10),
            ..CoordinatorConfig::new(CLUSTER, initial)
        };
        Coordinator::start(config, self.store(), self.directory()).await.unwrap()
    }

    pub(super) fn store(&self) -> WorldStore {
        WorldStore(Arc::clone(&self.world))
    }

    /// Does what a supervisor does for one wish: starts what is missing.
    pub(super) async fn start_wanted(&self, coordinator: &Coordinator) {
        let wanted = coordinator.watch_wanted().borrow().clone();
        for name in wanted {
            if !self.directory.borrow().contains_key(&name) {
                self.start(&name).await;
            }
        }
    }

    pub(super) async fn scale(
        &self,
        coordinator: &Coordinator,
        replicas: usize,
    ) -> Result<(), ChangeError> {
        coordinator.set_replicas(replicas)?;
        self.start_wanted(coordinator).await;
        Ok(())
    }
}

/// The ring document of a world.
pub(super) struct WorldStore(Arc<Mutex<World>>);

impl RingStore for WorldStore {
    async fn load(&self) -> Result<Option<RingDocument>, RingStoreError> {
        tokio::task::yield_now().await;
        let world = self.0.lock().unwrap();
        Ok((world.commits > 0).then(|| world.document.clone()))
    }

    async fn compare_and_swap(
        &self,
        expected: Option<&RingDocument>,
        next: &RingDocument,
    ) -> Result<(), RingStoreError> {
        if self.load().await?.as_ref() != expected {
            return Err(RingStoreError::Conflict);
        }
        self.0.lock().unwrap().adopt(next.clone());
        Ok(())
    }
}

async fn answer(
    State((world, name)): State<(Arc<Mutex<World>>, String)>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    tokio::task::yield_now().await;
    let mut world = world.lock().unwrap();
    if world.down.contains(&name) || !world.nodes.contains_key(&name) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let request = uri.path().strip_prefix("/admin/v1/").unwrap_or_default();
    match (method.as_str(), request) {
        ("GET", "state") => json(&world.state_of(&name)),
        ("GET", "ring") => json(&world.nodes[&name].ring()),
        ("POST", "count") => {
            let arcs = parse::<CountRequest>(&body).arcs;
            let keys = (arcs.share() * KEYS) as u64;
            json(&Count { keys, bytes: 100 * keys, records: keys })
        }
        (_, request) => match change(&mut world, &name, request, &body) {
            Ok(()) => json(&Accepted {}),
            Err(refusal) => {
                let (status, title) = (409, "refused".to_owned());
                let problem = Problem { status, title, detail: refusal.to_string() };
                (StatusCode::CONFLICT, json(&problem)).into_response()
            }
        },
    }
}

fn change(world: &mut World, name: &str, request: &str, body: &[u8]) -> Result<(), Refusal> {
    let term = parse::<TermRequest>(body).term;
    let document = world.document.clone();
    let node = world.nodes.get_mut(name).unwrap();
    node.take_term(term)?;
    match request {
        "term" => {}
        "ring" => {
            node.record_ring(parse::<RingRequest>(body).document)?;
            node.observe_committed(&document);
        }
        "grant" => {
            let request: GrantRequest = parse(body);
            node.accept_grant(&request.arcs, request.epoch, request.ring_epoch)?;
        }
        "fence" => {
            let request: FenceRequest = parse(body);
            node.fence(&request.arcs, request.epoch)?;
        }
        "receive" => {
            let request: ReceiveRequest = parse(body);
            let terms = Terms { peer: request.source, arcs: request.arcs, epoch: request.epoch };
            node.accept_receive(request.id, &terms)?;
        }
        "give" => {
            let request: GiveRequest = parse(body);
            let terms = Terms { peer: request.target, arcs: request.arcs, epoch: request.epoch };
            node.accept_give(request.id, &terms)?;
        }
        "cancel" => {
            let id = parse::<CancelRequest>(body).id;
            node.check_cancel(id)?;
            world.cancel(name, id);
        }
        "retire" => {
            node.retire(parse::<RetireRequest>(body).ring_epoch)?;
        }
        "peers" => {
            let peers = parse::<PeersRequest>(body).addresses;
            world.told_peers.insert(name.to_owned(), peers);
        }
        other => panic!("no request {other}"),
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> T {
    serde_json::from_slice(body).unwrap()
}

fn json<T: Serialize>(value: &T) -> Response {
    Json(serde_json::to_value(value).unwrap()).into_response()
}
