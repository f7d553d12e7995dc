//! Shell. Where the router learns which servers there are.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use node_api::Membership;

use crate::coordinator::{Coordinator, CoordinatorError};

/// How long a long poll may take; the coordinator answers within a second.
const POLL_WAIT: Duration = Duration::from_secs(10);

/// A source of memberships.
pub trait MembershipSource {
    /// Waits for a membership that differs from the known one, for some bounded time. `None`: still
    /// the same.
    fn next(
        &mut self,
        known: Option<&Membership>,
    ) -> impl Future<Output = Result<Option<Membership>, MembershipError>>;
}

/// Why there is no membership.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The source did not answer.
    #[error("{0}")]
    Unavailable(String),
    /// What it answered is not a membership.
    #[error("the membership is not understood: {0}")]
    Invalid(String),
}

/// The coordinator's long poll, `GET /membership?after=<generation>`.
pub(crate) struct CoordinatorSource(pub(crate) Coordinator);

impl MembershipSource for CoordinatorSource {
    async fn next(
        &mut self,
        known: Option<&Membership>,
    ) -> Result<Option<Membership>, MembershipError> {
        let path = match known {
            Some(known) => format!("/membership?after={}", known.generation),
            None => "/membership".to_owned(),
        };
        let unavailable = |error: CoordinatorError| MembershipError::Unavailable(error.to_string());
        let answer = self.0.ask(Method::GET, &path, Bytes::new(), POLL_WAIT).await;
        let answer = answer.map_err(unavailable)?;
        match answer.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => return Ok(None),
            StatusCode::OK => {}
            status => {
                let body = String::from_utf8_lossy(answer.body()).into_owned();
                let text = format!("the coordinator answered {status}: {}", body.trim());
                return Err(MembershipError::Unavailable(text));
            }
        }
        let membership: Membership = serde_json::from_slice(answer.body())
            .map_err(|error| MembershipError::Invalid(error.to_string()))?;
        Ok((known != Some(&membership)).then_some(membership))
    }
}
