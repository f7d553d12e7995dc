//! Shell. What the coordinator of a local cluster answers over HTTP: to its router, which forwards
//! what users ask on the public port, and to its servers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use node_api::{Accepted, Membership, Problem};
use rebalance::{Change, ChangeError, Coordinator, Preview, Status};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::SERVERS_MAX;
use super::cluster_file::check_name;
use super::fleet::Fleet;
use crate::cluster_api::{AddServers, RemoveServers, Scale};

/// How long a question about a membership that has not changed is held.
const MEMBERSHIP_WAIT: Duration = Duration::from_secs(1);
/// How old the numbers of keys may be in an answer; while data moves, counting would slow it.
const COUNT_AGE_IDLE: Duration = Duration::from_secs(1);
const COUNT_AGE_MOVING: Duration = Duration::from_secs(5);

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) coordinator: Coordinator,
    pub(super) fleet: Arc<Fleet>,
}

/// A JSON answer, or a problem.
type Answer<T> = Result<(StatusCode, Json<T>), Refusal>;

/// Every path of the coordinator.
pub(super) fn routes(api: Api) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/add-server", post(add_server))
        .route("/remove-server", post(remove_server))
        .route("/scale", post(scale))
        .route("/plan", get(plan))
        .route("/membership", get(membership))
        .route("/accept-data-loss", post(accept_data_loss))
        .fallback(async || {
            Refusal::new(
                404,
                "no such path",
                "see /status, /plan, /scale, /add-server, /remove-server",
            )
        })
        .method_not_allowed_fallback(async || {
            Refusal::new(405, "method not allowed", "GET reads /status and /plan; POST changes")
        })
        .with_state(api)
}

#[derive(Deserialize)]
struct StatusQuery {
    /// Whether the numbers of keys shall be fresh.
    #[serde(default = "yes")]
    count: bool,
}

const fn yes() -> bool {
    true
}

async fn status(
    State(api): State<Api>,
    query: Result<Query<StatusQuery>, QueryRejection>,
) -> Answer<Status> {
    let query = query.map_err(|error| Refusal::bad_request(error.body_text()))?.0;
    let mut status = api.coordinator.status();
    if query.count {
        let moving = status.rebalance.is_some();
        let age = if moving { COUNT_AGE_MOVING } else { COUNT_AGE_IDLE };
        status = api.coordinator.status_counted(age).await;
    }
    Ok((StatusCode::OK, Json(Status::clone(&status))))
}

async fn add_server(State(api): State<Api>, body: Result<Bytes, BytesRejection>) -> Answer<Change> {
    let body: AddServers = parse(body)?;
    if let Some(name) = &body.name {
        check_name(name, &api.fleet.cluster().servers)
            .map_err(|why| Refusal::new(400, "impossible name", why))?;
    }
    api.change(|coordinator, servers| match (body.name, body.count) {
        (Some(_), Some(_)) => Err(Refusal::bad_request("give a name or a count, not both")),
        (name, None) => {
            bounded(servers + 1)?;
            Ok(coordinator.add_server(name.as_deref())?)
        }
        (None, Some(count)) => {
            Ok(coordinator.set_replicas(bounded(servers + usize::from(count))?)?)
        }
    })
}

async fn remove_server(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Change> {
    let body: RemoveServers = parse(body)?;
    api.change(|coordinator, servers| match (body.name, body.count) {
        (Some(_), Some(_)) => Err(Refusal::bad_request("give a name or a count, not both")),
        (name, None) => Ok(coordinator.remove_server(name.as_deref())?),
        (None, Some(count)) => match servers.checked_sub(count.into()) {
            None | Some(0) => Err(ChangeError::LastServer.into()),
            Some(replicas) => Ok(coordinator.set_replicas(replicas)?),
        },
    })
}

async fn scale(State(api): State<Api>, body: Result<Bytes, BytesRejection>) -> Answer<Change> {
    let Scale { servers } = parse_some(&body?, "how many \"servers\" there shall be")?;
    api.change(|coordinator, _| Ok(coordinator.set_replicas(bounded(servers.into())?)?))
}

#[derive(Deserialize)]
struct PlanQuery {
    replicas: usize,
}

async fn plan(
    State(api): State<Api>,
    query: Result<Query<PlanQuery>, QueryRejection>,
) -> Answer<Preview> {
    let replicas = query.map_err(|error| {
        let why = error.body_text();
        Refusal::bad_request(format!("{why}; give a number of servers, as in /plan?replicas=5"))
    })?;
    let replicas = bounded(replicas.0.replicas)?;
    Ok((StatusCode::OK, Json(api.coordinator.preview(replicas).await?)))
}

#[derive(Deserialize)]
struct MembershipQuery {
    /// The generation that the asker has.
    after: Option<u64>,
}

async fn membership(
    State(api): State<Api>,
    query: Result<Query<MembershipQuery>, QueryRejection>,
) -> Answer<Membership> {
    let after = query.map_err(|error| Refusal::bad_request(error.body_text()))?.0.after;
    let mut memberships = api.coordinator.watch_membership();
    let news = memberships.wait_for(|membership| {
        membership.as_ref().is_some_and(|membership| Some(membership.generation) != after)
    });
    // Without news in time the asker gets what it has: a sign of life.
    let _ = tokio::time::timeout(MEMBERSHIP_WAIT, news).await.is_ok();
    let membership = api.coordinator.watch_membership().borrow().clone();
    match membership {
        Some(membership) => Ok((StatusCode::OK, Json(Membership::clone(&membership)))),
        None => Err(ChangeError::Starting.into()),
    }
}

async fn accept_data_loss(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Accepted> {
    let server = parse_some(&body?, "the \"name\" and \"incarnation\" that /status reports lost")?;
    api.coordinator.accept_data_loss(server)?;
    Ok((StatusCode::ACCEPTED, Json(Accepted {})))
}

impl Api {
    /// Asks for a change, given how many servers are wanted so far, and keeps durably what is
    /// wanted before it says so.
    fn change(
        &self,
        ask: impl FnOnce(&Coordinator, usize) -> Result<Change, Refusal>,
    ) -> Answer<Change> {
        let change = ask(&self.coordinator, self.fleet.cluster().wanted.len())?;
        self.fleet.store_wanted(change.to.clone()).map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "a change could not be kept");
            Refusal::new(500, "the change could not be kept", format!("{error:#}"))
        })?;
        Ok((StatusCode::ACCEPTED, Json(change)))
    }
}

/// A number of servers that one machine can bear.
fn bounded(servers: usize) -> Result<usize, Refusal> {
    if servers > SERVERS_MAX {
        let detail = format!("`ringkv local` runs at most {SERVERS_MAX} servers, not {servers}");
        return Err(Refusal::new(400, "too many servers for one machine", detail));
    }
    Ok(servers)
}

/// An empty body stands for all defaults, whatever type its sender says that it has.
fn parse<T: DeserializeOwned + Default>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body?;
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    parse_some(&body, "a \"name\" (text) or a \"count\" (number)")
}

fn parse_some<T: DeserializeOwned>(body: &[u8], fields: &str) -> Result<T, Refusal> {
    // A sequence would be read as the fields in their order.
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(|error| {
            Refusal::bad_request(format!("the body is no JSON object: {error}; give {fields}"))
        })?;
    serde_json::from_value(object.into()).map_err(|error| {
        Refusal::bad_request(format!("the JSON body is not understood: {error}; give {fields}"))
    })
}

/// JSON as an answer.
struct Json<T>(T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json("application/json", &self.0)
    }
}

/// A refused request, answered as `application/problem+json` (RFC 9457).
#[derive(Debug)]
pub(super) struct Refusal(Problem);

impl Refusal {
    fn new(status: u16, title: &str, detail: impl Into<String>) -> Self {
        Self(Problem { status, title: title.into(), detail: detail.into() })
    }

    fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "bad request", detail)
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let (status, title) = match &error {
            ChangeError::UnknownServer { .. } => (404, "unknown server"),
            ChangeError::NotLost { .. } => (404, "no such loss"),
            ChangeError::AlreadyMember(_) => (409, "already in the ring"),
            ChangeError::BeingRemoved(_) => (409, "being removed"),
            ChangeError::LastServer => (409, "the last server stays"),
            ChangeError::Replicas(_) => (400, "impossible number of servers"),
            ChangeError::Document(_) => (400, "impossible ring"),
            ChangeError::Starting => (503, "starting"),
        };
        Self::new(status, title, error.to_string())
    }
}

impl From<BytesRejection> for Refusal {
    fn from(error: BytesRejection) -> Self {
        Self::new(error.status().as_u16(), "unreadable body", error.body_text())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, json("application/problem+json", &self.0)).into_response()
    }
}

fn json(content_type: &'static str, document: &impl Serialize) -> Response {
    match serde_json::to_vec(document) {
        Ok(mut body) => {
            body.push(b'\n');
            ([(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer has no JSON form");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests;
