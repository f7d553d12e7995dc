//! Shell. Talks to a running cluster over HTTP.

use std::time::Duration;

use anyhow::Context;
use axum::http::{Method, Response, Uri};
use bytes::Bytes;
use node_api::{HttpClient, HttpError, Problem, Secret};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster_api::WholeStatus;
use crate::failure::Failure;
use crate::options::ClusterOptions;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one cluster.
pub(crate) struct ClusterClient {
    base: String,
    client: HttpClient,
}

impl ClusterClient {
    /// A client of the cluster at this URL. Nothing is sent yet.
    pub(crate) fn new(url: &str) -> Result<Self, Failure> {
        let base = parse_base(url).map_err(Failure::usage)?;
        Ok(Self { base, client: HttpClient::new(CONNECT_TIMEOUT) })
    }

    /// A client of the cluster that the options name, with the password if they give one.
    pub(crate) fn of(options: &ClusterOptions) -> Result<Self, Failure> {
        let client = Self::new(&options.url)?;
        let Some(path) = &options.password_file else { return Ok(client) };
        let password = Secret::read(path).map_err(Failure::unavailable)?;
        Ok(Self { client: client.client.with_bearer(&password), ..client })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    /// Asks for a document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.request(Method::GET, path, Bytes::new()).await
    }

    /// Asks for the status, at this path.
    pub(crate) async fn status(&self, path: &str) -> Result<WholeStatus, Failure> {
        let json: Value = self.get(path).await?;
        let whole = WholeStatus::try_from(json);
        whole.map_err(|error| Failure::other(format!("{path} is not understood: {error}")))
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
        let answer = self.exchange(Method::GET, path, Bytes::new(), PROBE_TIMEOUT).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Failure> {
        let answer = self.exchange(method, path, body, REQUEST_TIMEOUT).await?;
        let (status, body) = (answer.status(), answer.into_body());
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
        timeout: Duration,
    ) -> Result<Response<Bytes>, Failure> {
        let url = format!("{}{path}", self.base);
        let answer = self.client.send(method, &url, body, timeout).await;
        answer.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, why: &HttpError) -> Failure {
        Failure::unavailable(format!(
            "no cluster at {}: {why}; start one with `ringkv local`, or name another with --url",
            self.base
        ))
    }
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
