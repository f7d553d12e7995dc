//! Shell. Bodies of requests and answers: JSON, and problems as `application/problem+json`.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use node_api::Problem;
use serde::de::DeserializeOwned;

/// How long a request's body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A refusal on its way out.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Problem);

impl Refused {
    pub(super) fn new(status: u16, title: &str, detail: impl Into<String>) -> Self {
        Self(Problem { status, title: title.to_owned(), detail: detail.into() })
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let status = StatusCode::from_u16(problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::warn!(%problem, "a request of the administration API failed");
        } else {
            tracing::debug!(%problem, "refused a request of the administration API");
        }
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, content_type, Json(problem)).into_response()
    }
}

pub(super) fn json<T>(result: Result<T, Problem>) -> Result<Json<T>, Refused> {
    result.map(Json).map_err(Refused)
}

/// The body of a request, as JSON that says that it is JSON: so a web page that a user has open
/// cannot make its browser send one here.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        if !says_json(request.headers()) {
            let detail = "send JSON, with the header content-type: application/json";
            return Err(Refused::new(415, "unsupported media type", detail));
        }
        let place = format!("{} {}", request.method(), request.uri().path());
        let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state));
        let body = body.await.map_err(|_| {
            let seconds = BODY_TIMEOUT.as_secs();
            let detail = format!("the body did not come within {seconds} s; send it again");
            Refused::new(408, "request timeout", detail)
        })?;
        let body = body.map_err(|error| match error.status().as_u16() {
            413 => Refused::new(
                413,
                "body too large",
                format!("{place} takes less than that; nothing of it was done"),
            ),
            status => Refused::new(status, "unreadable body", error.body_text()),
        })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            let detail = format!(
                "the body is not what {place} takes: {error}; run the same release everywhere"
            );
            Refused::new(400, "malformed request", detail)
        })
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}
