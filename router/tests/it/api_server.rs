//! A scripted API server: it lists and watches one KvCluster and the endpoints of its servers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc as Shared, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

const CLUSTERS: &str = "/apis/ringkv.dev/v1alpha1/namespaces/apps/{plural}";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/apps/{plural}";

/// What the test does to it, and sees of it.
#[derive(Clone)]
pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    objects: Shared<Mutex<Objects>>,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct Objects {
    /// By plural and name.
    now: BTreeMap<(String, String), Value>,
    /// Plural, type and object of everything that happened; its place is its version.
    events: Vec<(String, &'static str, Value)>,
    requests: Vec<String>,
    is_away: bool,
    refusals: usize,
}

impl ApiServer {
    /// Serves on the runtime that this is called in.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (objects, changes) = (Shared::default(), watch::Sender::new(()));
        let server = Self { address, objects, changes };
        let routes = axum::Router::new()
            .route(CLUSTERS, get(answer))
            .route(SLICES, get(answer))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        server
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().expect("no test panicked with the lock")
    }

    /// Creates or replaces an object.
    pub(crate) fn put(&self, plural: &str, name: &str, mut object: Value) {
        let mut objects = self.objects();
        let key = (plural.to_owned(), name.to_owned());
        let kind = if objects.now.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        let version = (objects.events.len() + 1).to_string();
        object["metadata"] =
            json!({ "name": name, "namespace": "apps", "resourceVersion": version });
        objects.now.insert(key, object.clone());
        objects.events.push((plural.to_owned(), kind, object));
        drop(objects);
        self.changes.send_replace(());
    }

    /// Ends all watches and refuses every request, or does so no longer.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.objects().is_away = is_away;
        self.changes.send_replace(());
    }

    /// Lists and watches so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.objects().requests.clone()
    }

    /// Requests that it refused.
    pub(crate) fn refusals(&self) -> usize {
        self.objects().refusals
    }

    /// The next line of a watch behind so many events; `None` at its end.
    async fn next(
        self,
        plural: String,
        mut place: usize,
    ) -> Option<(Bytes, (Self, String, usize))> {
        let mut changes = self.changes.subscribe();
        loop {
            let found = {
                let objects = self.objects();
                if objects.is_away {
                    return None;
                }
                let mut events = objects.events.iter().enumerate().skip(place);
                events.find(|(_, (of, ..))| *of == plural).map(|(at, (_, kind, object))| {
                    (at, json!({ "type": kind, "object": object }).to_string() + "\n")
                })
            };
            if let Some((at, line)) = found {
                place = at + 1;
                return Some((Bytes::from(line), (self, plural, place)));
            }
            changes.changed().await.ok()?;
        }
    }
}

async fn answer(
    State(server): State<ApiServer>,
    Path(plural): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let is_watch = query.contains_key("watch");
    let (version, items) = {
        let mut objects = server.objects();
        if objects.is_away {
            objects.refusals += 1;
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let selector = query.get("fieldSelector").or(query.get("labelSelector"));
        let verb = if is_watch { "watch" } else { "list" };
        objects.requests.push(format!("{verb} {plural} {}", selector.expect("a selector")));
        let of_plural = objects.now.iter().filter(|((of, _), _)| *of == plural);
        let items: Vec<Value> = of_plural.map(|(_, object)| object.clone()).collect();
        (objects.events.len(), items)
    };
    if !is_watch {
        let metadata = json!({ "resourceVersion": version.to_string() });
        return axum::Json(json!({ "metadata": metadata, "items": items })).into_response();
    }
    let from = query.get("resourceVersion").and_then(|version| version.parse().ok());
    let start = (server, plural, from.expect("a version"));
    let lines = stream::unfold(start, |(server, plural, place)| async move {
        let (line, rest) = server.next(plural, place).await?;
        Some((Ok::<_, Infallible>(line), rest))
    });
    Body::from_stream(lines).into_response()
}
