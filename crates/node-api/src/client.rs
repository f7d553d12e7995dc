//! Shell. The client of a node's administration API: one typed method for each path.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use ring::{ArcSet, RingDocument};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Secret;
use crate::http::{HttpClient, HttpError};
use crate::types::{
    Accepted, Count, CountRequest, Counted, Membership, NodeState, Problem, Request,
    SAMPLED_RECORDS,
};

/// Records that a node is asked to count at a time: few enough to be counted well within any time
/// that one waits for an answer.
const COUNTED_RECORDS: u64 = 50_000;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The node answered that it does not do this.
    #[error(transparent)]
    Refused(Problem),
    /// There was no answer in time. The request may have taken effect.
    #[error("{address} did not answer within {} ms", timeout.as_millis())]
    Timeout {
        /// Who was asked.
        address: String,
        /// For how long it was waited.
        timeout: Duration,
    },
    /// The node was not reached, or the connection broke. The request may have taken effect.
    #[error("{address} is not reachable: {cause}")]
    Unreachable {
        /// Who was asked.
        address: String,
        /// What happened.
        cause: String,
    },
    /// What answered does not speak this API.
    #[error("{address} gave an answer that is not understood: {cause}")]
    Protocol {
        /// Who was asked.
        address: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// A client for any number of nodes; clones share their connections.
#[derive(Clone, Debug)]
pub struct NodeClient {
    http: HttpClient,
    timeout: Duration,
}

impl NodeClient {
    /// A client that waits so long for an answer.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { http: HttpClient::new(timeout), timeout }
    }

    /// The same client; it shows this token, if there is one, with every request.
    #[must_use]
    pub fn with_token(self, token: Option<&Secret>) -> Self {
        let Some(token) = token else { return self };
        Self { http: self.http.with_bearer(token), ..self }
    }

    /// `GET /state`.
    pub async fn state(&self, address: &str) -> Result<NodeState, ClientError> {
        self.get(address, "state").await
    }

    /// `GET /ring`: the ring document that the node has recorded.
    pub async fn ring(&self, address: &str) -> Result<RingDocument, ClientError> {
        self.get(address, "ring").await
    }

    /// `POST /change`. The change is durable when this is answered.
    pub async fn change(&self, address: &str, request: &Request) -> Result<(), ClientError> {
        let body = encode(address, request)?;
        let answer = self.send(address, Method::POST, "change", body);
        let Accepted {} = answer.await?;
        Ok(())
    }

    /// `POST /count`, as often as it takes: each answer comes soon, however much there is.
    pub async fn count(&self, address: &str, arcs: ArcSet) -> Result<Count, ClientError> {
        let (mut total, mut rest) = (Count::default(), arcs);
        while !rest.is_empty() {
            let request = CountRequest { arcs: rest, records_max: Some(COUNTED_RECORDS) };
            let counted = self.count_some(address, &request).await?;
            // Whoever counts nothing would be asked for ever.
            if counted.rest == request.arcs || !request.arcs.covers(&counted.rest) {
                return Err(protocol(address, &"its count does not come to an end"));
            }
            total += counted.count;
            rest = counted.rest;
        }
        Ok(total)
    }

    /// `POST /count` once: counted up to [`SAMPLED_RECORDS`], and estimated from these where there
    /// are more.
    pub async fn estimate(&self, address: &str, arcs: ArcSet) -> Result<Count, ClientError> {
        let request = CountRequest { arcs, records_max: Some(SAMPLED_RECORDS) };
        Ok(self.count_some(address, &request).await?.extrapolated(&request.arcs))
    }

    async fn count_some(
        &self,
        address: &str,
        request: &CountRequest,
    ) -> Result<Counted, ClientError> {
        let body = encode(address, request)?;
        self.send(address, Method::POST, "count", body).await
    }

    /// `GET /membership` of a coordinator: the committed ring document, and where the servers are.
    pub async fn membership(&self, coordinator: &str) -> Result<Membership, ClientError> {
        self.send_to(coordinator, Method::GET, "membership", Bytes::new()).await
    }

    async fn get<A: DeserializeOwned>(&self, address: &str, path: &str) -> Result<A, ClientError> {
        self.send(address, Method::GET, path, Bytes::new()).await
    }

    async fn send<A: DeserializeOwned>(
        &self,
        address: &str,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<A, ClientError> {
        self.send_to(address, method, &format!("admin/v1/{path}"), body).await
    }

    async fn send_to<A: DeserializeOwned>(
        &self,
        address: &str,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<A, ClientError> {
        let url = format!("http://{address}/{path}");
        let answer = self.http.send(method, &url, body, self.timeout).await;
        let answer = answer.map_err(|error| match error {
            HttpError::Timeout(timeout) => {
                ClientError::Timeout { address: address.to_owned(), timeout }
            }
            HttpError::Unreachable(cause) => {
                ClientError::Unreachable { address: address.to_owned(), cause }
            }
        })?;
        decode(address, answer.status(), answer.body())
    }
}

fn encode<R: Serialize>(address: &str, request: &R) -> Result<Bytes, ClientError> {
    serde_json::to_vec(request).map(Bytes::from).map_err(|error| protocol(address, &error))
}

fn decode<A: DeserializeOwned>(
    address: &str,
    status: StatusCode,
    body: &[u8],
) -> Result<A, ClientError> {
    if status.is_success() {
        return serde_json::from_slice(body).map_err(|error| protocol(address, &error));
    }
    Err(match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => ClientError::Refused(problem),
        Err(_) => protocol(address, &format_args!("HTTP status {status} without a problem")),
    })
}

fn protocol(address: &str, cause: &dyn std::fmt::Display) -> ClientError {
    ClientError::Protocol { address: address.to_owned(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests;
