//! Shell. Commits ring documents: what the plan or the wish asks for, once every living member has
//! recorded it.

use std::collections::BTreeMap;
use std::time::Duration;

use handoff::Server;
use node_api::{Change, NodeState, Request, ServerAddresses};
use ring::{Ring, RingDocument};
use shell::clock::Clock;

use crate::change::{
    moves_to, must_record, next_document, reachable, receivers_without_space, with_accepted_losses,
};
use crate::count::{Precision, count_moves};
use crate::driver::{Driver, assignment_of};
use crate::plan::{Plan, PlanState};
use crate::store::{RingStore, RingStoreError};
use crate::view::{Observation, gone_back};
use crate::wish::Wish;

/// How long a change that was refused for lack of space waits until it is counted again.
const RECOUNT_AFTER: Duration = Duration::from_secs(5);

impl<S: RingStore> Driver<S> {
    /// Commits what the plan or else the wish asks for; says whether it did, and what is
    /// waited for.
    pub(crate) async fn commit_next(
        &mut self,
        plan: &Plan,
        wish: &Wish,
        addresses: &BTreeMap<String, ServerAddresses>,
        observed: &BTreeMap<String, Observation>,
    ) -> (bool, Vec<String>) {
        let Some(document) = self.document.clone() else { return (false, Vec::new()) };
        let next = match &plan.commit {
            // An accepted loss comes with it: its volume can record nothing any more.
            Some(next) => match with_accepted_losses(next, wish, observed) {
                Ok(next) => next,
                Err(error) => return (false, vec![error.to_string()]),
            },
            None if plan.state == PlanState::Bootstrapping => return (false, Vec::new()),
            None => match next_document(&document, wish, observed) {
                Ok(None) => {
                    self.refused = None;
                    return (false, Vec::new());
                }
                Err(waiting) => return (false, waiting),
                Ok(Some(next)) => {
                    if let Err(refused) = self.check_space(&next, addresses, observed).await {
                        return (false, refused);
                    }
                    next
                }
            },
        };
        match self.commit(next, addresses, observed).await {
            Ok(()) => {
                let dead = self.document.clone();
                self.shared.wish.send_if_modified(|wish| {
                    let before = wish.accepted.len();
                    wish.accepted.retain(|server| {
                        let incarnation = server.incarnation.to_string();
                        !dead.as_ref().is_some_and(|one| one.is_dead(&server.name, &incarnation))
                    });
                    before != wish.accepted.len()
                });
                (true, Vec::new())
            }
            Err(reasons) => (false, reasons),
        }
    }

    /// Every receiver must have the space for what it would receive.
    async fn check_space(
        &mut self,
        next: &RingDocument,
        addresses: &BTreeMap<String, ServerAddresses>,
        observed: &BTreeMap<String, Observation>,
    ) -> Result<(), Vec<String>> {
        let members: Vec<String> = next.members.iter().map(|one| one.name.clone()).collect();
        let now = self.shared.clock.monotonic();
        if let Some((of, since, reasons)) = &self.refused
            && *of == members
            && now.saturating_sub(*since) < RECOUNT_AFTER
        {
            return Err(reasons.clone());
        }
        let ring = Ring::from_document(next).map_err(|error| vec![error.to_string()])?;
        let moves = moves_to(next, observed, &ring);
        let mut wishes = self.shared.wish.subscribe();
        let client = &self.shared.client;
        let counted = tokio::select! {
            counted = count_moves(client, addresses, moves, Precision::Estimate) => counted,
            _ = wishes.wait_for(|wish| *wish != self.wish) => {
                Err("something else is wished for by now".to_owned())
            }
        };
        let counted = counted.map_err(|problem| vec![problem])?;
        let reasons = receivers_without_space(&counted, observed);
        if reasons.is_empty() {
            self.refused = None;
            return Ok(());
        }
        self.refused = Some((members, now, reasons.clone()));
        Err(reasons)
    }

    /// Commits a document: first every living member records it, then it takes the place of the
    /// one before.
    async fn commit(
        &mut self,
        mut next: RingDocument,
        addresses: &BTreeMap<String, ServerAddresses>,
        observed: &BTreeMap<String, Observation>,
    ) -> Result<(), Vec<String>> {
        let before = self.document.as_ref();
        let states = || observed.keys().filter_map(|name| reachable(observed, name));
        let recorded = states().map(|state: &NodeState| state.ring_epoch).max().unwrap_or(0);
        let committed = before.map_or(0, |document| document.epoch);
        next.epoch = recorded.max(committed).saturating_add(1);
        next.term = self.term;
        let mut missing = Vec::new();
        let mut recorders = Vec::new();
        for server in must_record(before, &next) {
            match recorder(before, &server, addresses, observed) {
                Ok(at) => recorders.push((server, at)),
                Err(problem) => missing.push(problem),
            }
        }
        // Nobody records what is known to stay uncommitted.
        if !missing.is_empty() {
            return Err(missing);
        }
        for (server, at) in recorders {
            let (term, incarnation) = (self.term, server.incarnation);
            let request = Request { term, incarnation, change: Change::Ring(next.clone()) };
            if let Err(error) = self.shared.client.change(&at.http, &request).await {
                missing.push(format!("{} cannot record the next ring: {error}", server.name));
            }
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        let (epoch, members) = (next.epoch, next.members.len());
        self.swap(next).await.map_err(|error| vec![error.to_string()])?;
        tracing::info!(epoch, members, "committed a ring document");
        Ok(())
    }

    pub(crate) async fn swap(&mut self, next: RingDocument) -> Result<(), RingStoreError> {
        let swapped = self.store.compare_and_swap(self.document.as_ref(), &next).await;
        self.is_outrun |= matches!(swapped, Err(RingStoreError::Conflict));
        swapped?;
        let old_ring = self.document.as_ref().map(|old| &old.members);
        if old_ring != Some(&next.members) {
            self.assignment = assignment_of(Some(&next));
        }
        self.document = Some(next);
        Ok(())
    }
}

/// Where the server is reached, if the volume that must record the next ring is there.
fn recorder<'a>(
    committed: Option<&RingDocument>,
    server: &Server,
    addresses: &'a BTreeMap<String, ServerAddresses>,
    observed: &BTreeMap<String, Observation>,
) -> Result<&'a ServerAddresses, String> {
    let name = &server.name;
    let (Some(state), Some(at)) = (reachable(observed, name), addresses.get(name)) else {
        return Err(format!("{name} must record the next ring and does not answer"));
    };
    if state.server != *server {
        return Err(format!(
            "{name} must record the next ring and has another volume: bring back its volume, or \
             accept the loss of {}",
            server.incarnation
        ));
    }
    committed.and_then(|document| gone_back(document, state)).map_or(Ok(at), Err)
}
