//! Shell. The client of a node's administration API: one typed method for each request.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use ring::RingDocument;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Secret;
use crate::http::{HttpClient, HttpError};
use crate::types::{
    Accepted, CancelRequest, Count, CountRequest, FenceRequest, GiveRequest, GrantRequest,
    Membership, NodeState, PeersRequest, Problem, ReceiveRequest, RetireRequest, RingRequest,
    TermRequest,
};

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
    count_timeout: Duration,
}

impl NodeClient {
    /// A client that waits so long for an answer, and so long for a count, which reads the data.
    #[must_use]
    pub fn new(timeout: Duration, count_timeout: Duration) -> Self {
        let http = HttpClient::new(timeout);
        Self { http, timeout, count_timeout }
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

    /// `POST /term`.
    pub async fn term(&self, address: &str, request: &TermRequest) -> Result<(), ClientError> {
        self.change(address, Method::POST, "term", request).await
    }

    /// `PUT /ring`.
    pub async fn record_ring(
        &self,
        address: &str,
        request: &RingRequest,
    ) -> Result<(), ClientError> {
        self.change(address, Method::PUT, "ring", request).await
    }

    /// `POST /grant`.
    pub async fn grant(&self, address: &str, request: &GrantRequest) -> Result<(), ClientError> {
        self.change(address, Method::POST, "grant", request).await
    }

    /// `POST /fence`.
    pub async fn fence(&self, address: &str, request: &FenceRequest) -> Result<(), ClientError> {
        self.change(address, Method::POST, "fence", request).await
    }

    /// `POST /receive`.
    pub async fn receive(
        &self,
        address: &str,
        request: &ReceiveRequest,
    ) -> Result<(), ClientError> {
        self.change(address, Method::POST, "receive", request).await
    }

    /// `POST /give`.
    pub async fn give(&self, address: &str, request: &GiveRequest) -> Result<(), ClientError> {
        self.change(address, Method::POST, "give", request).await
    }

    /// `POST /cancel`.
    pub async fn cancel(&self, address: &str, request: &CancelRequest) -> Result<(), ClientError> {
        self.change(address, Method::POST, "cancel", request).await
    }

    /// `POST /retire`.
    pub async fn retire(&self, address: &str, request: &RetireRequest) -> Result<(), ClientError> {
        self.change(address, Method::POST, "retire", request).await
    }

    /// `PUT /peers`.
    pub async fn peers(&self, address: &str, request: &PeersRequest) -> Result<(), ClientError> {
        self.change(address, Method::PUT, "peers", request).await
    }

    /// `POST /count`.
    pub async fn count(&self, address: &str, request: &CountRequest) -> Result<Count, ClientError> {
        let body = encode(address, request)?;
        self.send(address, Method::POST, "count", body, self.count_timeout).await
    }

    /// `GET /membership` of a coordinator: the committed ring document, and where the servers are.
    pub async fn membership(&self, coordinator: &str) -> Result<Membership, ClientError> {
        self.send_to(coordinator, Method::GET, "membership", Bytes::new(), self.timeout).await
    }

    async fn get<A: DeserializeOwned>(&self, address: &str, path: &str) -> Result<A, ClientError> {
        self.send(address, Method::GET, path, Bytes::new(), self.timeout).await
    }

    async fn change<R: Serialize>(
        &self,
        address: &str,
        method: Method,
        path: &str,
        request: &R,
    ) -> Result<(), ClientError> {
        let body = encode(address, request)?;
        let _: Accepted = self.send(address, method, path, body, self.timeout).await?;
        Ok(())
    }

    async fn send<A: DeserializeOwned>(
        &self,
        address: &str,
        method: Method,
        path: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<A, ClientError> {
        self.send_to(address, method, &format!("admin/v1/{path}"), body, timeout).await
    }

    async fn send_to<A: DeserializeOwned>(
        &self,
        address: &str,
        method: Method,
        path: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<A, ClientError> {
        let url = format!("http://{address}/{path}");
        let answer = self.http.send(method, &url, body, timeout).await;
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
