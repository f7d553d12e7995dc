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
use axum::routing::{MethodRouter, get, post, put};
use axum::{Json, Router};
use node_api::{
    CancelRequest, Count, CountRequest, FenceRequest, GiveRequest, GrantRequest, NodeState,
    PeersRequest, Problem, ReceiveRequest, RetireRequest, RingRequest, Secret, TermRequest,
};
use ring::RingDocument;
use shell::drain::DrainToken;
use shell::net::TcpListener;

use answer::{Body, Refused, accepted, json};

pub use refusal::{problem_of, stopping};

/// The longest body of a request, save for a ring document.
pub const MAX_BODY_BYTES: usize = 2 << 20;
/// The longest ring document: it remembers servers that are gone for ever.
pub const MAX_RING_BODY_BYTES: usize = 32 << 20;

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PATHS: &str = "see GET /healthz, /readyz, /metrics and /admin/v1/state";

/// What a coordinator may ask of a node. An answer to a change comes when it is durable; whoever
/// asked may be gone by then.
pub trait Administration: Send + Sync + 'static {
    /// Everything that a coordinator plans from.
    fn state(&self) -> impl Future<Output = Result<NodeState, Problem>> + Send;
    /// The recorded ring document; `None` before the first.
    fn ring(&self) -> impl Future<Output = Result<Option<RingDocument>, Problem>> + Send;
    /// Records a coordinator's term.
    fn term(&self, request: TermRequest) -> impl Future<Output = Result<(), Problem>> + Send;
    /// Records a ring document.
    fn record_ring(&self, request: RingRequest)
    -> impl Future<Output = Result<(), Problem>> + Send;
    /// Owns empty arcs.
    fn grant(&self, request: GrantRequest) -> impl Future<Output = Result<(), Problem>> + Send;
    /// Refuses arcs below an epoch.
    fn fence(&self, request: FenceRequest) -> impl Future<Output = Result<(), Problem>> + Send;
    /// Becomes the target of a handoff.
    fn receive(&self, request: ReceiveRequest) -> impl Future<Output = Result<(), Problem>> + Send;
    /// Becomes the source of a handoff.
    fn give(&self, request: GiveRequest) -> impl Future<Output = Result<(), Problem>> + Send;
    /// Wants a handoff not to happen.
    fn cancel(&self, request: CancelRequest) -> impl Future<Output = Result<(), Problem>> + Send;
    /// Retires.
    fn retire(&self, request: RetireRequest) -> impl Future<Output = Result<(), Problem>> + Send;
    /// Takes the addresses of the others, and the bound on streams.
    fn peers(&self, request: PeersRequest) -> impl Future<Output = Result<(), Problem>> + Send;
    /// Counts what is on disk.
    fn count(&self, request: CountRequest) -> impl Future<Output = Result<Count, Problem>> + Send;
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
            let detail = "state and ring are read with GET, ring and peers are replaced with PUT, \
                          everything else is POST";
            Refused::new(405, "method not allowed", detail)
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Api { administration, metrics })
}

fn administration_routes<A: Administration>() -> Router<Api<A>> {
    /// A change: the body goes to the method of this name.
    macro_rules! change {
        ($by:ident, $method:ident, $request:ty) => {
            $by(async |State(api): State<Api<A>>, Body(request): Body<$request>| {
                accepted(api.administration.$method(request).await)
            })
        };
    }
    let ring: MethodRouter<Api<A>> = change!(put, record_ring, RingRequest);
    let ring = ring.layer(DefaultBodyLimit::max(MAX_RING_BODY_BYTES)).get(ring_document::<A>);
    Router::new()
        .route("/admin/v1/state", get(state::<A>))
        .route("/admin/v1/ring", ring)
        .route("/admin/v1/count", post(count::<A>))
        .route("/admin/v1/term", change!(post, term, TermRequest))
        .route("/admin/v1/grant", change!(post, grant, GrantRequest))
        .route("/admin/v1/fence", change!(post, fence, FenceRequest))
        .route("/admin/v1/receive", change!(post, receive, ReceiveRequest))
        .route("/admin/v1/give", change!(post, give, GiveRequest))
        .route("/admin/v1/cancel", change!(post, cancel, CancelRequest))
        .route("/admin/v1/retire", change!(post, retire, RetireRequest))
        .route("/admin/v1/peers", change!(put, peers, PeersRequest))
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

async fn count<A: Administration>(
    State(api): State<Api<A>>,
    Body(request): Body<CountRequest>,
) -> Result<Json<Count>, Refused> {
    json(api.administration.count(request).await)
}
