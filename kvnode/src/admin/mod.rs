//! Shell. The HTTP side of a node: health, readiness, metrics, and the administration API of
//! `node_api`. It reads requests and writes answers; what they mean is decided behind
//! [`Administration`].

mod answer;
mod refusal;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use node_api::{Accepted, CountRequest, Counted, NodeState, Problem, Secret};
use ring::RingDocument;
use shell::drain::DrainToken;
use shell::net::TcpListener;

use answer::{Body, Refused, json};

pub use refusal::{problem_of, stopping};

/// The longest body of a request, save for a change.
pub const MAX_BODY_BYTES: usize = 2 << 20;
/// The longest change. All of them come to one path, and one of them brings a ring document, which
/// remembers servers that are gone for ever.
pub const MAX_CHANGE_BODY_BYTES: usize = 32 << 20;

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PATHS: &str = "see GET /healthz, /readyz, /metrics and /admin/v1/state";

/// What a coordinator may ask of a node. An answer to a change comes when it is durable; whoever
/// asked may be gone by then.
pub trait Administration: Send + Sync + 'static {
    /// Everything that a coordinator plans from.
    fn state(&self) -> impl Future<Output = Result<NodeState, Problem>> + Send;
    /// The recorded ring document; `None` before the first.
    fn ring(&self) -> impl Future<Output = Result<Option<RingDocument>, Problem>> + Send;
    /// Does what a coordinator asks for.
    fn change(
        &self,
        request: node_api::Request,
    ) -> impl Future<Output = Result<(), Problem>> + Send;
    /// Counts what is on disk.
    fn count(&self, request: CountRequest)
    -> impl Future<Output = Result<Counted, Problem>> + Send;
    /// Whether clients can be sent here; if not, why.
    fn readiness(&self) -> Result<(), String>;
}

/// The text for `/metrics`, in the OpenMetrics form.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

struct Api<A> {
    administration: Arc<A>,
    metrics: MetricsText,
}

impl<A> Clone for Api<A> {
    fn clone(&self) -> Self {
        Self {
            administration: Arc::clone(&self.administration),
            metrics: Arc::clone(&self.metrics),
        }
    }
}

/// Answers requests until it is time to finish and those that have begun are answered.
///
/// # Errors
/// The listener failed.
pub async fn serve<A: Administration>(
    listener: TcpListener,
    administration: Arc<A>,
    metrics: MetricsText,
    token: Option<Secret>,
    drain: DrainToken,
) -> io::Result<()> {
    let routes = routes(administration, metrics, token);
    let finish = async move { drain.signaled().await };
    axum::serve(listener, routes).with_graceful_shutdown(finish).await
}

/// Every path. Administration is for those who show the token, if there is one.
pub fn routes<A: Administration>(
    administration: Arc<A>,
    metrics: MetricsText,
    token: Option<Secret>,
) -> Router {
    let mut administration_routes = administration_routes::<A>();
    if let Some(token) = token {
        administration_routes =
            administration_routes.route_layer(from_fn_with_state(token, check_token));
    }
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready::<A>))
        .route("/metrics", get(metrics_text::<A>))
        .merge(administration_routes)
        .fallback(async || Refused::new(404, "no such path", PATHS))
        .method_not_allowed_fallback(async || {
            let detail = "change and count are asked with POST, everything else with GET";
            Refused::new(405, "method not allowed", detail)
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Api { administration, metrics })
}

fn administration_routes<A: Administration>() -> Router<Api<A>> {
    let change = post(change::<A>).layer(DefaultBodyLimit::max(MAX_CHANGE_BODY_BYTES));
    Router::new()
        .route("/admin/v1/state", get(state::<A>))
        .route("/admin/v1/ring", get(ring_document::<A>))
        .route("/admin/v1/count", post(count::<A>))
        .route("/admin/v1/change", change)
}

async fn check_token(State(token): State<Secret>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    if given.and_then(node_api::bearer).is_some_and(|given| token.is(given)) {
        return next.run(request).await;
    }
    let detail = "administration takes the header authorization: Bearer <token>, with the token in \
                  the file that --token-file names";
    let mut response = Refused::new(401, "token required", detail).into_response();
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    response
}

async fn ready<A: Administration>(State(api): State<Api<A>>) -> Response {
    match api.administration.readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics_text<A: Administration>(State(api): State<Api<A>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], (api.metrics)()).into_response()
}

async fn state<A: Administration>(State(api): State<Api<A>>) -> Result<Json<NodeState>, Refused> {
    json(api.administration.state().await)
}

async fn ring_document<A: Administration>(
    State(api): State<Api<A>>,
) -> Result<Json<RingDocument>, Refused> {
    let document = api.administration.ring().await.map_err(Refused)?;
    let detail = "this server has recorded none yet; a coordinator brings the first";
    document.map(Json).ok_or_else(|| Refused::new(404, "no ring document", detail))
}

async fn change<A: Administration>(
    State(api): State<Api<A>>,
    Body(request): Body<node_api::Request>,
) -> Result<Json<Accepted>, Refused> {
    json(api.administration.change(request).await.map(|()| Accepted {}))
}

async fn count<A: Administration>(
    State(api): State<Api<A>>,
    Body(request): Body<CountRequest>,
) -> Result<Json<Counted>, Refused> {
    json(api.administration.count(request).await)
}
