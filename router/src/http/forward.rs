//! Shell. Administration: passed on to the coordinator, or on Kubernetes told how it is done.

use std::sync::Arc as Shared;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Administration, Api, HttpError, Routes, post_or_get};
use crate::coordinator::Coordinator;
use crate::kubernetes;

/// The longest request.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long the coordinator may take.
const WAIT: Duration = Duration::from_secs(30);

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/status", axum::routing::get(status))
        .route("/plan", post_or_get(true))
        .route("/add-server", post_or_get(false))
        .route("/remove-server", post_or_get(false))
        .route("/scale", post_or_get(false))
        .route("/accept-data-loss", post_or_get(false))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Passes a request on as it is, and its answer back.
pub(super) async fn forward(
    State(api): State<Api>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Result<Response, HttpError> {
    match &api.0.administration {
        Administration::Coordinator(coordinator) => {
            ask(coordinator, method, &uri, body).await.map(relay)
        }
        Administration::Kubernetes { cluster, facts } => {
            let facts = Shared::clone(&facts.borrow());
            let detail = kubernetes::advice(cluster, &facts, uri.path(), &body);
            Err(HttpError::new(StatusCode::CONFLICT, "changed with kubectl", detail))
        }
    }
}

/// The cluster's status, and what the router itself has measured.
async fn status(State(api): State<Api>, uri: Uri) -> Result<Response, HttpError> {
    let status = match &api.0.administration {
        Administration::Coordinator(coordinator) => {
            let answer = ask(coordinator, Method::GET, &uri, Bytes::new()).await?;
            if answer.status() != StatusCode::OK {
                return Ok(relay(answer));
            }
            serde_json::from_slice(answer.body())
        }
        Administration::Kubernetes { cluster, facts } => {
            let facts = Shared::clone(&facts.borrow());
            let table = Shared::clone(&api.0.tables.borrow());
            serde_json::to_value(kubernetes::status(cluster, &facts, &table))
        }
    };
    let Ok(Value::Object(mut status)) = status else {
        let detail = "the coordinator's status is not a JSON object";
        return Err(HttpError::new(StatusCode::BAD_GATEWAY, "bad status", detail));
    };
    let table = Shared::clone(&api.0.tables.borrow());
    let router = json!({
        "ring_epoch": table.ring_epoch,
        "complete": table.is_complete(),
        "write_pause": api.0.metrics.write_pauses(),
    });
    status.insert("router".to_owned(), router);
    Ok(axum::Json(Value::Object(status)).into_response())
}

async fn ask(
    coordinator: &Coordinator,
    method: Method,
    uri: &Uri,
    body: Bytes,
) -> Result<Response<Bytes>, HttpError> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let is_change = method == Method::POST;
    coordinator.ask(method, path, body, WAIT).await.map_err(|error| {
        let mut detail = format!("{error}; keys are served without it");
        if is_change {
            detail.push_str("; whether the change was accepted is in /status once it is back");
        }
        HttpError::new(StatusCode::BAD_GATEWAY, "coordinator unavailable", detail)
    })
}

/// An answer of the coordinator for the client; what only concerns their connection stays behind.
fn relay(answer: Response<Bytes>) -> Response {
    let (head, body) = answer.into_parts();
    let format = head.headers.get(header::CONTENT_TYPE).cloned();
    let format = format.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
    let mut response = (head.status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, format);
    response
}
