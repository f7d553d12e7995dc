//! Shell. The HTTP side: values, health, metrics, and what is passed on to the coordinator.

use std::sync::Arc as Shared;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use kubernetes::ClusterName;
use node_api::Problem;
use resp::Command;
use shell::drain::DrainToken;
use shell::net::{Listening, TcpListener};
use tokio::sync::{mpsc, oneshot, watch};

use crate::coordinator::Coordinator;
use crate::data::Request;
use crate::kubernetes::Facts;
use crate::metrics::{Metrics, RingFacts};
use crate::readiness::Readiness;
use crate::table::Table;
use crate::{Access, Config};

mod forward;
pub(crate) mod kv;
mod login;
mod serve;

use serve::Bounds;

const NO_PATH: &str = "there is nothing at this path; values are at /kv/{key}, administration at \
    /status, /plan, /scale, /add-server, /remove-server, /accept-data-loss, the router itself at \
    /healthz, /readyz, /metrics";
const NO_METHOD: &str = "values take GET, PUT and DELETE; what changes the cluster takes POST; \
    the rest takes GET";

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Api(Shared<Inner>);

struct Inner {
    requests: Vec<mpsc::Sender<Request>>,
    /// The data thread whose turn it is.
    turn: AtomicUsize,
    administration: Administration,
    metrics: Shared<Metrics>,
    tables: watch::Receiver<Shared<Table>>,
    readiness: Readiness,
    access: Access,
    value_bytes_max: usize,
}

/// Who changes the cluster.
pub(crate) enum Administration {
    /// Requests are passed on to it.
    Coordinator(Coordinator),
    /// The operator of this KvCluster, which goes by what kubectl writes.
    Kubernetes { cluster: ClusterName, facts: watch::Receiver<Shared<Facts>> },
}

impl Api {
    /// Handlers that have commands executed by these data threads.
    pub(crate) fn new(
        requests: Vec<mpsc::Sender<Request>>,
        administration: Administration,
        metrics: Shared<Metrics>,
        tables: watch::Receiver<Shared<Table>>,
        readiness: Readiness,
        config: &Config,
    ) -> Self {
        let value_bytes_max = config.value_bytes_max;
        let turn = AtomicUsize::new(0);
        Self(Shared::new(Inner {
            requests,
            turn,
            administration,
            metrics,
            tables,
            readiness,
            access: config.access.clone(),
            value_bytes_max,
        }))
    }

    /// Has a command executed and answers its reply.
    async fn execute(&self, command: Command) -> Result<Bytes, HttpError> {
        let inner = &self.0;
        let turn = inner.turn.fetch_add(1, Relaxed) % inner.requests.len().max(1);
        let (sender, reply) = oneshot::channel();
        let thread = inner.requests.get(turn).ok_or_else(stopping)?;
        thread.try_send((command, sender)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => HttpError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too busy",
                "too many HTTP requests wait; nothing was applied; try again",
            ),
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        reply.await.map_err(|_| {
            HttpError::new(
                StatusCode::BAD_GATEWAY,
                "outcome unknown",
                "the router stopped before the command was answered; it may or may not have been \
                 applied",
            )
        })
    }
}

/// Serves until told to end and then until the requests at hand are answered, for a bounded time.
pub(crate) async fn serve(
    listener: Listening,
    api: Api,
    drain: DrainToken,
    drain_wait: Duration,
) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener).context("use the HTTP listener")?;
    let limit = api.0.value_bytes_max;
    let routes = Router::new()
        .route("/kv/{*key}", get(kv::get).put(kv::put).delete(kv::delete))
        .layer(DefaultBodyLimit::max(limit))
        .merge(forward::routes())
        .route_layer(from_fn_with_state(api.clone(), login::check))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(|| async { HttpError::new(StatusCode::NOT_FOUND, "not found", NO_PATH) })
        .method_not_allowed_fallback(|| async {
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", NO_METHOD)
        })
        .with_state(api);
    let over = drain.clone();
    tokio::select! {
        () = serve::serve(listener, routes, drain, Bounds::USUAL) => Ok(()),
        () = async { over.signaled().await; tokio::time::sleep(drain_wait).await } => {
            tracing::warn!("some HTTP requests were not answered in time");
            Ok(())
        }
    }
}

async fn ready(State(api): State<Api>) -> Result<&'static str, HttpError> {
    let table = Shared::clone(&api.0.tables.borrow());
    let not_ready = |detail| HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "not ready", detail);
    api.0.readiness.check(&table).map(|()| "ok\n").map_err(not_ready)
}

async fn metrics(State(api): State<Api>) -> Result<Response, HttpError> {
    let table = Shared::clone(&api.0.tables.borrow());
    let ring = RingFacts {
        epoch: table.ring_epoch,
        servers: table.nodes.len() as u64,
        complete: table.is_complete(),
    };
    let text = api.0.metrics.encode(&ring).map_err(|error| {
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics failed", error.to_string())
    })?;
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, format)], text).into_response())
}

fn stopping() -> HttpError {
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the router is stopping")
}

/// An error as `application/problem+json` (RFC 9457).
#[derive(Debug)]
pub(crate) struct HttpError {
    problem: Problem,
    etag: Option<String>,
}

impl HttpError {
    fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        let problem =
            Problem { status: status.as_u16(), title: title.to_owned(), detail: detail.into() };
        Self { problem, etag: None }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = serde_json::to_vec(&self.problem).unwrap_or_default();
        body.push(b'\n');
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let format = header::HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, format);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        if let Some(etag) = self.etag.and_then(|etag| etag.parse().ok()) {
            headers.insert(header::ETAG, etag);
        }
        response
    }
}

/// Extra routes are in the modules of their handlers.
type Routes = Router<Api>;

fn post_or_get(get_too: bool) -> axum::routing::MethodRouter<Api> {
    if get_too { get(forward::forward) } else { post(forward::forward) }
}
