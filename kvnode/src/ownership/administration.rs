//! Shell. The administration API, answered by the ownership actor.

use handoff::Terms;
use node_api::{
    CancelRequest, Count, CountRequest, FenceRequest, GiveRequest, GrantRequest, NodeState,
    PeersRequest, Problem, ReceiveRequest, RetireRequest, RingRequest, TermRequest,
};
use ring::RingDocument;

use super::{Change, ChangeError, Ownership, Peers};
use crate::admin::{Administration, problem_of, stopping};
use crate::handoff::blocking;
use crate::store::{HybridClock, Store};

/// What answers the administration API.
pub(crate) struct Administrator {
    pub(crate) ownership: Ownership,
    pub(crate) store: Store,
    pub(crate) clock: HybridClock,
}

impl Administrator {
    /// The change goes on when whoever asked has gone.
    async fn change(&self, term: u64, change: Change) -> Result<(), Problem> {
        self.ownership.change(term, change).await.map_err(problem)
    }
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

    async fn term(&self, request: TermRequest) -> Result<(), Problem> {
        self.change(request.term, Change::Term).await
    }

    async fn record_ring(&self, request: RingRequest) -> Result<(), Problem> {
        if let Err(error) = request.document.validate() {
            return Err(problem_of(&handoff::Refusal::InvalidRing { reason: error.to_string() }));
        }
        self.change(request.term, Change::Ring(request.document)).await
    }

    async fn grant(&self, request: GrantRequest) -> Result<(), Problem> {
        let GrantRequest { term, ring_epoch, arcs, epoch } = request;
        self.change(term, Change::Grant { arcs, epoch, ring_epoch }).await
    }

    async fn fence(&self, request: FenceRequest) -> Result<(), Problem> {
        let FenceRequest { term, arcs, epoch } = request;
        self.change(term, Change::Fence { arcs, epoch }).await
    }

    async fn receive(&self, request: ReceiveRequest) -> Result<(), Problem> {
        let ReceiveRequest { term, id, source: peer, arcs, epoch } = request;
        self.change(term, Change::Receive { id, terms: Terms { peer, arcs, epoch } }).await
    }

    async fn give(&self, request: GiveRequest) -> Result<(), Problem> {
        let GiveRequest { term, id, target: peer, arcs, epoch } = request;
        self.change(term, Change::Give { id, terms: Terms { peer, arcs, epoch } }).await
    }

    async fn cancel(&self, request: CancelRequest) -> Result<(), Problem> {
        self.change(request.term, Change::Cancel(request.id)).await
    }

    async fn retire(&self, request: RetireRequest) -> Result<(), Problem> {
        self.change(request.term, Change::Retire(request.ring_epoch)).await
    }

    async fn peers(&self, request: PeersRequest) -> Result<(), Problem> {
        let PeersRequest { term, addresses, max_bytes_per_second } = request;
        self.change(term, Change::Peers(Peers { addresses, max_bytes_per_second })).await
    }

    async fn count(&self, request: CountRequest) -> Result<Count, Problem> {
        let (store, now_ms) = (self.store.clone(), self.clock.expiry_now());
        blocking(move || store.count(&request.arcs, now_ms)).await.map_err(failed)
    }

    fn readiness(&self) -> Result<(), String> {
        self.ownership.readiness()
    }
}
