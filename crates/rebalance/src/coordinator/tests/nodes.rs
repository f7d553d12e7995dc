//! Shell. For tests: the nodes of a `World` behind real HTTP, and their ring document.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use node_api::{Accepted, Count, CountRequest, Problem, Request, ServerAddresses};
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
    if uri.path().ends_with("/count") && world.lock().unwrap().loses_count() {
        return std::future::pending().await;
    }
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
        ("POST", "change") => match world.answer(&name, parse::<Request>(&body)) {
            Ok(()) => json(&Accepted {}),
            Err(refusal) => {
                let (status, title) = (409, "refused".to_owned());
                let problem = Problem { status, title, detail: refusal.to_string() };
                (StatusCode::CONFLICT, json(&problem)).into_response()
            }
        },
        (method, other) => panic!("no request {method} {other}"),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> T {
    serde_json::from_slice(body).unwrap()
}

fn json<T: Serialize>(value: &T) -> Response {
    Json(serde_json::to_value(value).unwrap()).into_response()
}
