//! Shell. HTTP requests between the processes of ringkv, bounded in time and in what is answered.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::Secret;
use crate::connector::{Connector, connector};

/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a request has no answer. It may have taken effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// There was none in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The server was not reached, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
}

/// A client of any number of servers; clones share their connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
    authorization: Option<HeaderValue>,
}

impl HttpClient {
    /// A client that gives up a connection that takes longer than this to be made.
    #[must_use]
    pub fn new(connect_timeout: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector(connect_timeout));
        Self { client, authorization: None }
    }

    /// The same client; it shows this secret with every request.
    #[must_use]
    pub fn with_bearer(self, secret: &Secret) -> Self {
        Self { authorization: Some(secret.bearer()), ..self }
    }

    /// Sends a request with a body of JSON, or none, and reads the whole answer, whatever its
    /// status.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Response<Bytes>, HttpError> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| unreachable(&error))?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| unreachable(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| unreachable(&*error))?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        let answered = tokio::time::timeout(timeout, exchange).await;
        answered.unwrap_or(Err(HttpError::Timeout(timeout)))
    }
}

/// With the innermost cause: the outer ones say only that there is one.
fn unreachable(mut error: &(dyn std::error::Error + 'static)) -> HttpError {
    while let Some(source) = error.source() {
        error = source;
    }
    if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
        let cause = "what answers there does not speak HTTP (is it the port for Redis?)";
        return HttpError::Unreachable(cause.to_owned());
    }
    HttpError::Unreachable(error.to_string())
}
