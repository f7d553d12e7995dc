//! Shell. Carries out the actions of a plan, all at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use handoff::Server;
use node_api::{Change, ClientError, NodeClient, Peers, Request, ServerAddresses};
use ring::RingDocument;
use tokio::task::JoinSet;

use crate::plan::{Action, Handoff};

/// What actions are carried out with.
pub(crate) struct Actor {
    pub(crate) client: NodeClient,
    pub(crate) term: u64,
    pub(crate) document: RingDocument,
    pub(crate) addresses: BTreeMap<String, ServerAddresses>,
    pub(crate) peers: Peers,
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
        let what = describe(&action);
        let handoff = match &action {
            Action::Start(handoff) => Some(handoff.clone()),
            _ => None,
        };
        let (server, change) = action.ask(&self.document, &self.peers);
        let asked = self.ask(&server, change).await;
        asked.map_err(|error| format!("{}: cannot {what}: {error}", server.name))?;
        // RECEIVE comes first: a source gives only what its target has accepted.
        let Some(handoff) = handoff else { return Ok(()) };
        let (source, give) = handoff.give();
        let given = self.ask(&source, give).await;
        given.map_err(|error| {
            format!("{}: cannot give to {}: {error}", source.name, handoff.target.name)
        })
    }

    async fn ask(&self, server: &Server, change: Change) -> Result<(), ClientError> {
        let address = self.addresses.get(&server.name).map_or("", |addresses| &addresses.http);
        let request = Request { term: self.term, incarnation: server.incarnation, change };
        self.client.change(address, &request).await
    }
}

/// What an action is to people.
fn describe(action: &Action) -> String {
    match action {
        Action::SetTerm { .. } => "record the coordinator's term".to_owned(),
        Action::RecordRing { .. } => "record the ring document".to_owned(),
        Action::PushPeers { .. } => "learn the other servers' addresses".to_owned(),
        Action::Grant { .. } => "take a grant".to_owned(),
        Action::Fence { .. } => "record a fence".to_owned(),
        Action::Start(Handoff { source, .. }) => format!("receive from {}", source.name),
        Action::Give(Handoff { target, .. }) => format!("give to {}", target.name),
        Action::Cancel { .. } => "cancel a handoff".to_owned(),
        Action::Retire { .. } => "retire yet".to_owned(),
    }
}
