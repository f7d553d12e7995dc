//! Shell. The administration API, answered by the ownership actor.

use handoff::Refusal;
use node_api::{Change, CountRequest, Counted, NodeState, Problem, Request};
use ring::RingDocument;

use super::{ChangeError, Ownership};
use crate::admin::{Administration, problem_of, stopping};
use crate::handoff::blocking;
use crate::store::{HybridClock, Store};

/// What answers the administration API.
pub(crate) struct Administrator {
    pub(crate) ownership: Ownership,
    pub(crate) store: Store,
    pub(crate) clock: HybridClock,
}

fn problem(error: ChangeError) -> Problem {
    match error {
        ChangeError::Refused(refusal) => problem_of(&refusal),
        ChangeError::Stopping => stopping(),
        ChangeError::Failed(detail) => failed(detail),
    }
}

fn failed(detail: String) -> Problem {
    Problem { status: 500, title: "failed".to_owned(), detail }
}

impl Administration for Administrator {
    async fn state(&self) -> Result<NodeState, Problem> {
        self.ownership.state().await.map_err(problem)
    }

    async fn ring(&self) -> Result<Option<RingDocument>, Problem> {
        self.ownership.ring().await.map_err(problem)
    }

    /// The change goes on when whoever asked has gone.
    async fn change(&self, request: Request) -> Result<(), Problem> {
        if let Change::Ring(document) = &request.change
            && let Err(error) = document.validate()
        {
            return Err(problem_of(&Refusal::InvalidRing { reason: error.to_string() }));
        }
        self.ownership.change(request).await.map_err(problem)
    }

    async fn count(&self, request: CountRequest) -> Result<Counted, Problem> {
        let (store, now_ms) = (self.store.clone(), self.clock.expiry_now());
        let CountRequest { arcs, records_max } = request;
        let records_max = records_max.unwrap_or(u64::MAX);
        blocking(move || store.count_some(&arcs, now_ms, records_max)).await.map_err(failed)
    }

    fn readiness(&self) -> Result<(), String> {
        self.ownership.readiness()
    }
}
