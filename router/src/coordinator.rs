//! Shell. HTTP requests to the coordinator, bounded in time and size.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// The longest answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// The coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Coordinator {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CoordinatorError {
    /// It was not reached or the connection broke.
    #[error("cannot reach the coordinator at {base}: {cause}")]
    Unreachable {
        /// Where it should be.
        base: String,
        /// What happened.
        cause: String,
    },
    /// It did not answer in time.
    #[error("the coordinator at {base} did not answer within {} s", wait.as_secs())]
    Timeout {
        /// Where it is.
        base: String,
        /// How long it was waited for.
        wait: Duration,
    },
}

impl Coordinator {
    /// The coordinator at this URL, as `http://host:port`.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let base = url.trim_end_matches('/').to_owned();
        let uri: hyper::Uri =
            base.parse().map_err(|error| format!("{url:?} is not a URL: {error}"))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() || uri.path() != "/" {
            return Err(format!("{url:?} is not of the form http://host:port"));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_WAIT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, base })
    }

    /// Sends one request; `path` has its query with it.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wait: Duration,
    ) -> Result<Response<Bytes>, CoordinatorError> {
        let unreachable =
            |cause: String| CoordinatorError::Unreachable { base: self.base.clone(), cause };
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request =
            request.body(Full::new(body)).map_err(|error| unreachable(error.to_string()))?;
        let exchange = async {
            let response =
                self.client.request(request).await.map_err(|error| unreachable(chain(&error)))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| unreachable(error.to_string()))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        match tokio::time::timeout(wait, exchange).await {
            Ok(result) => result,
            Err(_) => Err(CoordinatorError::Timeout { base: self.base.clone(), wait }),
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
