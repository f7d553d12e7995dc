//! Shell. Talks to a running cluster over HTTP.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use node_api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client of one cluster.
pub(crate) struct ClusterClient {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl ClusterClient {
    /// A client of the cluster at this URL. Nothing is sent yet.
    pub(crate) fn new(url: &str) -> Result<Self, Failure> {
        let base = parse_base(url).map_err(Failure::usage)?;
        Ok(Self { base, client: Client::builder(TokioExecutor::new()).build_http() })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    /// Asks for a document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.request(Method::GET, path, Bytes::new()).await
    }

    /// Asks for a change.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).context("encode the request")?;
        self.request(Method::POST, path, body.into()).await
    }

    /// Whether a path is answered with success.
    pub(crate) async fn is_ok(&self, path: &str) -> bool {
        let exchange = self.exchange(Method::GET, path, Bytes::new());
        let answer = tokio::time::timeout(PROBE_TIMEOUT, exchange).await;
        matches!(answer, Ok(Ok((status, _))) if status.is_success())
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Failure> {
        let exchange = self.exchange(method, path, body);
        let (status, body) = tokio::time::timeout(REQUEST_TIMEOUT, exchange)
            .await
            .map_err(|_| self.unreachable("it does not answer in time"))??;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| {
                Failure::other(format!(
                    "{}{path} answered something that is not of a ringkv cluster: {error}",
                    self.base
                ))
            });
        }
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if status.as_u16() == 503 => Failure::unavailable(problem),
            Ok(problem) => Failure::other(problem),
            Err(_) => Failure::other(format!("{}{path} answered {status}", self.base)),
        })
    }

    /// Sends a request; any answer will do.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(hyper::StatusCode, Bytes), Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .context("build the request")?;
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|error| self.unreachable(&root_cause(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| self.unreachable(&error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    fn unreachable(&self, why: &str) -> Failure {
        Failure::unavailable(format!(
            "no cluster at {}: {why}; start one with `ringkv local`, or name another with --url",
            self.base
        ))
    }
}

/// The innermost reason: the outer ones say only that there is one.
fn root_cause(mut error: &(dyn std::error::Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
        return "what answers there does not speak HTTP (is it the port for Redis?)".into();
    }
    error.to_string()
}

/// The URL without a slash at its end.
fn parse_base(url: &str) -> Result<String, String> {
    let uri: Uri = url.parse().map_err(|error| format!("--url {url}: {error}"))?;
    match uri.scheme_str() {
        Some("http") if uri.authority().is_some() && uri.query().is_none() => {
            Ok(url.trim_end_matches('/').to_owned())
        }
        _ => Err(format!("--url {url}: give it as http://host:port")),
    }
}

/// Runs a conversation with a cluster to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(future)
}

#[cfg(test)]
mod tests {
    use super::parse_base;

    #[test]
    fn a_url_is_plain_http_with_a_host() {
        assert_eq!(parse_base("http://localhost:5000/"), Ok("http://localhost:5000".into()));
        for bad in
            ["localhost:5000", "https://localhost", "http://", "", "http://a b", "http://h/?a=b"]
        {
            assert!(parse_base(bad).is_err(), "{bad}");
        }
    }
}
