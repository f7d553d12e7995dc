//! Shell. HTTP requests to the coordinator.

use std::time::Duration;

use axum::http::{Method, Response, Uri};
use bytes::Bytes;
use node_api::{HttpClient, HttpError};

/// How long a connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// The coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Coordinator {
    client: HttpClient,
    base: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach the coordinator at {base}: {cause}")]
pub(crate) struct CoordinatorError {
    base: String,
    cause: HttpError,
}

impl Coordinator {
    /// The coordinator at this URL, as `http://host:port`.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let base = url.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|error| format!("{url:?} is not a URL: {error}"))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() || uri.path() != "/" {
            return Err(format!("{url:?} is not of the form http://host:port"));
        }
        Ok(Self { client: HttpClient::new(CONNECT_WAIT), base })
    }

    /// Sends one request; `path` has its query with it.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wait: Duration,
    ) -> Result<Response<Bytes>, CoordinatorError> {
        let url = format!("{}{path}", self.base);
        let answer = self.client.send(method, &url, body, wait).await;
        answer.map_err(|cause| CoordinatorError { base: self.base.clone(), cause })
    }
}
