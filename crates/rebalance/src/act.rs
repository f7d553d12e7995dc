//! Shell. Carries out the actions of a plan, all at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use node_api::{
    CancelRequest, ClientError, FenceRequest, GiveRequest, GrantRequest, NodeClient, PeersRequest,
    ReceiveRequest, RetireRequest, RingRequest, ServerAddresses, TermRequest,
};
use ring::RingDocument;
use tokio::task::JoinSet;

use crate::plan::{Action, Handoff};

/// What actions are carried out with.
pub(crate) struct Actor {
    pub(crate) client: NodeClient,
    pub(crate) term: u64,
    pub(crate) document: RingDocument,
    pub(crate) addresses: BTreeMap<String, ServerAddresses>,
    pub(crate) peers: PeersRequest,
}

/// What came between a plan and its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trouble {
    /// For people.
    pub(crate) text: String,
    /// Whether it is in the course of things and needs nobody's attention.
    pub(crate) is_expected: bool,
}

/// Carries out all; returns what went wrong.
pub(crate) async fn act(actor: Actor, actions: Vec<Action>) -> Vec<Trouble> {
    let actor = Arc::new(actor);
    let mut running = JoinSet::new();
    for action in actions {
        let actor = Arc::clone(&actor);
        // A leaver deletes what it gave away first.
        let is_expected = matches!(action, Action::Retire { .. });
        running.spawn(async move {
            let result = actor.carry_out(action).await;
            result.map_err(|text| Trouble { text, is_expected })
        });
    }
    let mut problems = Vec::new();
    while let Some(result) = running.join_next().await {
        match result {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => problems.push(problem),
            Err(error) => {
                problems.push(Trouble { text: error.to_string(), is_expected: false });
            }
        }
    }
    problems.sort_unstable();
    problems
}

impl Actor {
    async fn carry_out(&self, action: Action) -> Result<(), String> {
        let (server, what) = describe(&action);
        let result = match action {
            Action::Start(handoff) => return self.start(handoff).await,
            action => self.ask(action).await,
        };
        result.map_err(|error| format!("{server}: cannot {what}: {error}"))
    }

    async fn ask(&self, action: Action) -> Result<(), ClientError> {
        let (client, term) = (&self.client, self.term);
        match action {
            Action::SetTerm { server } => {
                client.term(self.http(&server), &TermRequest { term }).await
            }
            Action::RecordRing { server } => {
                let document = self.document.clone();
                client.record_ring(self.http(&server), &RingRequest { term, document }).await
            }
            Action::PushPeers { server } => client.peers(self.http(&server), &self.peers).await,
            Action::Grant { server, arcs, epoch, ring_epoch } => {
                let request = GrantRequest { term, ring_epoch, arcs, epoch };
                client.grant(self.http(&server), &request).await
            }
            Action::Fence { server, arcs, epoch } => {
                client.fence(self.http(&server), &FenceRequest { term, arcs, epoch }).await
            }
            Action::Start(handoff) | Action::Give(handoff) => self.give(handoff).await,
            Action::Cancel { server, id } => {
                client.cancel(self.http(&server), &CancelRequest { term, id }).await
            }
            Action::Retire { server } => {
                let ring_epoch = self.document.epoch;
                client.retire(self.http(&server), &RetireRequest { term, ring_epoch }).await
            }
        }
    }

    /// RECEIVE first: a source gives only what its target has accepted.
    async fn start(&self, handoff: Handoff) -> Result<(), String> {
        let (source, target) = (handoff.source.name.clone(), handoff.target.name.clone());
        let request = ReceiveRequest {
            term: self.term,
            id: handoff.id,
            source: handoff.source.clone(),
            arcs: handoff.arcs.clone(),
            epoch: handoff.epoch,
        };
        let received = self.client.receive(self.http(&target), &request).await;
        received.map_err(|error| format!("{target}: cannot receive from {source}: {error}"))?;
        let given = self.give(handoff).await;
        given.map_err(|error| format!("{source}: cannot give to {target}: {error}"))
    }

    async fn give(&self, handoff: Handoff) -> Result<(), ClientError> {
        let request = GiveRequest {
            term: self.term,
            id: handoff.id,
            target: handoff.target,
            arcs: handoff.arcs,
            epoch: handoff.epoch,
        };
        self.client.give(self.http(&handoff.source.name), &request).await
    }

    fn http(&self, server: &str) -> &str {
        self.addresses.get(server).map_or("", |addresses| &addresses.http)
    }
}

/// Whom an action is for, and what it is to people.
fn describe(action: &Action) -> (String, &'static str) {
    match action {
        Action::SetTerm { server } => (server.clone(), "record the coordinator's term"),
        Action::RecordRing { server } => (server.clone(), "record the ring document"),
        Action::PushPeers { server } => (server.clone(), "learn the other servers' addresses"),
        Action::Grant { server, .. } => (server.clone(), "take a grant"),
        Action::Fence { server, .. } => (server.clone(), "record a fence"),
        Action::Start(handoff) => (handoff.target.name.clone(), "receive"),
        Action::Give(handoff) => (handoff.source.name.clone(), "give"),
        Action::Cancel { server, .. } => (server.clone(), "cancel a handoff"),
        Action::Retire { server } => (server.clone(), "retire yet"),
    }
}
