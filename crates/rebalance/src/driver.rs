//! Shell. Looks at the nodes, plans, acts, and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use handoff::HandoffId;
use node_api::{Membership, Peers, ServerAddresses};
use ring::{ArcMap, Ring, RingDocument};
use shell::clock::Clock;
use shell::rng::{OsRng, Rng};
use tokio::sync::watch;

use crate::act::{Actor, Trouble, act};
use crate::ask::term_above;
use crate::change::{first_document, has_a_past, latest_committable, reachable};
use crate::coordinator::{Directory, Shared};
use crate::observe::observe;
use crate::plan::{Action, Plan, PlanInput, PlanState, plan};
use crate::progress::Progress;
use crate::report::{Seen, cluster_state};
use crate::status::{ClusterState, Status};
use crate::store::RingStore;
use crate::view::Observation;
use crate::wish::Wish;

/// What was seen in the last round.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) document: Option<RingDocument>,
    pub(crate) addresses: BTreeMap<String, ServerAddresses>,
    pub(crate) observed: BTreeMap<String, Observation>,
}

/// When to look again.
enum Next {
    AtOnce,
    After(Duration),
    Never,
}

pub(crate) struct Driver<S> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: S,
    directory: Directory,
    pub(crate) document: Option<RingDocument>,
    pub(crate) assignment: ArcMap<String>,
    /// 0 until it is taken.
    pub(crate) term: u64,
    /// What is wished for in this round.
    pub(crate) wish: Wish,
    progress: Progress,
    last_actions: Vec<Action>,
    /// What the last actions ran into.
    problems: Vec<Trouble>,
    /// The members for which space was lacking, when that was found, and what to tell.
    pub(crate) refused: Option<(Vec<String>, Duration, Vec<String>)>,
    /// The ring document is another than the one that is known here: somebody else has replaced
    /// it, or a replacement of our own took effect without an answer.
    pub(crate) is_outrun: bool,
}

impl<S: RingStore> Driver<S> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        store: S,
        document: Option<RingDocument>,
        directory: Directory,
    ) -> Self {
        let assignment = assignment_of(document.as_ref());
        Self {
            shared,
            store,
            directory,
            document,
            assignment,
            term: 0,
            wish: Wish::default(),
            progress: Progress::default(),
            last_actions: Vec::new(),
            problems: Vec::new(),
            refused: None,
            is_outrun: false,
        }
    }

    /// Works until no handle is left.
    pub(crate) async fn run(mut self, mut alive: watch::Receiver<()>) {
        let mut wishes = self.shared.wish.subscribe();
        loop {
            wishes.mark_unchanged();
            let next = tokio::select! {
                // What is cut short is as a crash there.
                gone = alive.changed() => if gone.is_err() { return } else { continue },
                next = self.round() => next,
            };
            let next = if self.is_outrun { self.give_up() } else { next };
            let wait = match next {
                Next::AtOnce => Duration::ZERO,
                Next::After(wait) => wait,
                Next::Never => {
                    while alive.changed().await.is_ok() {}
                    return;
                }
            };
            tokio::select! {
                gone = alive.changed() => if gone.is_err() { return },
                _ = wishes.changed() => {}
                changed = self.directory.changed() => if changed.is_err() {
                    tokio::time::sleep(wait).await;
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn round(&mut self) -> Next {
        let addresses = self.directory.borrow_and_update().clone();
        self.shared.wish.send_if_modified(|wish| {
            let before = wish.departing.len();
            wish.departing.retain(|name| addresses.contains_key(name));
            wish.departing.len() != before
        });
        self.wish = self.shared.wish.borrow().clone();
        self.publish_membership(&addresses);
        let observed = self.look(&addresses).await;
        self.shared.set_facts(Facts {
            document: self.document.clone(),
            addresses: addresses.clone(),
            observed: observed.clone(),
        });
        if let Err(reasons) = self.prepare(&addresses, &observed).await {
            self.report(None, reasons, &addresses, &observed);
            return Next::After(self.shared.config.poll_moving);
        }
        let Some(document) = self.document.clone() else {
            return Next::After(self.shared.config.poll_moving);
        };
        let peers = Peers {
            addresses: addresses.iter().map(|(name, at)| (name.clone(), at.peer.clone())).collect(),
            max_bytes_per_second: self.shared.config.max_bytes_per_second,
        };
        let wish = self.wish.clone();
        let plan = self.plan(&document, &wish, &observed, &peers);
        if let PlanState::Superseded { term } = plan.state {
            return self.superseded(term, plan, &addresses, &observed).await;
        }
        let (committed, waiting) = self.commit_next(&plan, &wish, &addresses, &observed).await;
        if committed {
            return Next::AtOnce;
        }
        self.report(Some(&plan), waiting.clone(), &addresses, &observed);
        self.carry_out(plan, waiting, document, addresses, peers).await
    }

    async fn look(
        &self,
        addresses: &BTreeMap<String, ServerAddresses>,
    ) -> BTreeMap<String, Observation> {
        let members = self.document.iter().flat_map(|document| &document.members);
        let leaving = self.document.iter().flat_map(|document| &document.leaving);
        let listed = members.chain(leaving).map(|member| member.name.clone());
        let names: BTreeSet<String> = listed.chain(addresses.keys().cloned()).collect();
        observe(&self.shared.client, self.shared.config.cluster, names, addresses).await
    }

    /// A ring document and a term of its own: both once in the life of a coordinator.
    async fn prepare(
        &mut self,
        addresses: &BTreeMap<String, ServerAddresses>,
        observed: &BTreeMap<String, Observation>,
    ) -> Result<(), Vec<String>> {
        if self.term > 0 {
            return Ok(());
        }
        let states = || observed.keys().filter_map(|name| reachable(observed, name));
        let seen = states().map(|state| state.term).max().unwrap_or(0);
        let mut next = match &self.document {
            Some(document) => document.clone(),
            None if states().any(has_a_past) => self.rebuild(addresses, observed).await?,
            None => {
                let config = &self.shared.config;
                let members = self.shared.wish.borrow().members.clone();
                first_document(
                    &config.cluster.to_string(),
                    config.placement,
                    config.virtual_nodes,
                    &members,
                    observed,
                )?
            }
        };
        let term = term_above(next.term.max(seen)).map_err(|problem| vec![problem])?;
        next.term = term;
        let was_known = self.document.is_some();
        self.swap(next).await.map_err(|error| vec![error.to_string()])?;
        self.term = term;
        if !was_known {
            let document = self.document.iter();
            let members = document.flat_map(|document| &document.members);
            let members: Vec<String> = members.map(|member| member.name.clone()).collect();
            self.shared.wish.send_modify(|wish| {
                // What was asked for in the meantime comes on top.
                let initial = &self.shared.config.initial_members;
                wish.members.retain(|name| !initial.contains(name) && !members.contains(name));
                wish.members.splice(0..0, members);
            });
            self.wish = self.shared.wish.borrow().clone();
            self.shared.publish_wanted();
        }
        tracing::info!(term, epoch = self.document.as_ref().map(|one| one.epoch), "took a term");
        Ok(())
    }

    /// The ring document is gone while nodes have been in a ring: the latest that all recorded.
    async fn rebuild(
        &self,
        addresses: &BTreeMap<String, ServerAddresses>,
        observed: &BTreeMap<String, Observation>,
    ) -> Result<RingDocument, Vec<String>> {
        let mut recorded = Vec::new();
        for (name, at) in addresses {
            let state = reachable(observed, name).ok_or_else(|| {
                vec![format!("the ring document is lost and {name} does not answer: it is needed")]
            })?;
            if state.ring_epoch == 0 {
                continue;
            }
            let document =
                self.shared.client.ring(&at.http).await.map_err(|error| {
                    vec![format!("{name} cannot tell its ring document: {error}")]
                })?;
            recorded.push(document);
        }
        tracing::warn!("the ring document was lost; it is rebuilt from what the nodes recorded");
        latest_committable(recorded, observed)
            .ok_or_else(|| vec!["the ring document is lost and no node recorded one".to_owned()])
    }

    fn plan(
        &self,
        document: &RingDocument,
        wish: &Wish,
        observed: &BTreeMap<String, Observation>,
        peers: &Peers,
    ) -> Plan {
        let wanted: BTreeSet<String> = wish.members.iter().cloned().collect();
        let input = PlanInput {
            document,
            assignment: &self.assignment,
            term: self.term,
            observed,
            wanted: &wanted,
            peers: &peers.addresses,
            max_bytes_per_second: peers.max_bytes_per_second,
            parallel_handoffs: self.shared.config.parallel_handoffs,
        };
        plan(&input, &mut || HandoffId(OsRng.next_u128()))
    }

    /// A node has seen a higher term. If the document still has this one's term, the node saw
    /// one that never came to be, and a higher one is taken; else another coordinator is at work.
    async fn superseded(
        &mut self,
        term: u64,
        plan: Plan,
        addresses: &BTreeMap<String, ServerAddresses>,
        observed: &BTreeMap<String, Observation>,
    ) -> Next {
        let problem = match self.store.load().await {
            Ok(Some(document)) if document.term == self.term => {
                match self.take_term_above(term, document).await {
                    Ok(()) => return Next::AtOnce,
                    Err(problem) => problem,
                }
            }
            Ok(_) => {
                tracing::warn!(term, "another coordinator has taken over");
                let why = format!("another coordinator has taken over, with term {term}");
                self.report(Some(&plan), vec![why], addresses, observed);
                return Next::Never;
            }
            Err(error) => error.to_string(),
        };
        self.report(Some(&plan), vec![problem], addresses, observed);
        Next::After(self.shared.config.poll_idle)
    }

    async fn take_term_above(&mut self, seen: u64, document: RingDocument) -> Result<(), String> {
        let term = term_above(seen)?;
        let swapped = self.swap(RingDocument { term, ..document }).await;
        swapped.map_err(|error| error.to_string())?;
        self.term = term;
        Ok(())
    }

    async fn carry_out(
        &mut self,
        plan: Plan,
        waiting: Vec<String>,
        document: RingDocument,
        addresses: BTreeMap<String, ServerAddresses>,
        peers: Peers,
    ) -> Next {
        let config = &self.shared.config;
        let idle = plan.state == PlanState::Converged && waiting.is_empty();
        if plan.actions.is_empty() {
            self.last_actions.clear();
            self.problems.clear();
            return Next::After(if idle { config.poll_idle } else { config.poll_moving });
        }
        let client = self.shared.client.clone();
        let actor = Actor { client, term: self.term, document, addresses, peers };
        let problems = act(actor, plan.actions.clone()).await;
        for problem in problems.iter().filter(|problem| !self.problems.contains(problem)) {
            if problem.is_expected {
                tracing::debug!("{}", problem.text);
            } else {
                tracing::warn!("{}", problem.text);
            }
        }
        let starts = plan.actions.iter().any(|action| matches!(action, Action::Start(_)));
        let repeated = plan.actions == self.last_actions;
        let at_once = problems.is_empty() && !starts && !repeated;
        (self.problems, self.last_actions) = (problems, plan.actions);
        if at_once { Next::AtOnce } else { Next::After(config.poll_moving) }
    }

    /// Whoever keeps a coordinator makes a new one, which reads the document anew.
    fn give_up(&self) -> Next {
        tracing::warn!("the ring document has been replaced by another coordinator");
        self.shared.status.send_modify(|status| {
            let reasons = vec![crate::store::RingStoreError::Conflict.to_string()];
            let state = ClusterState::Superseded;
            *status = Arc::new(Status { state, reasons, ..(**status).clone() });
        });
        Next::Never
    }

    fn publish_membership(&self, addresses: &BTreeMap<String, ServerAddresses>) {
        let Some(document) = &self.document else { return };
        self.shared.membership.send_if_modified(|membership| {
            let before = membership.as_ref();
            let generation = 1 + before.map_or(0, |one| one.generation);
            let same =
                before.is_some_and(|one| one.document == *document && one.servers == *addresses);
            if !same {
                let (document, servers) = (document.clone(), addresses.clone());
                *membership = Some(Arc::new(Membership { generation, document, servers }));
            }
            !same
        });
    }

    /// Tells how things stand after a round.
    fn report(
        &mut self,
        plan: Option<&Plan>,
        waiting: Vec<String>,
        addresses: &BTreeMap<String, ServerAddresses>,
        observed: &BTreeMap<String, Observation>,
    ) {
        self.publish_membership(addresses);
        let now_ms = u64::try_from(self.shared.clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        if let (Some(plan), Some(document)) = (plan, &self.document) {
            let states = observed.keys().filter_map(|name| reachable(observed, name));
            let (states, members) = (states.collect::<Vec<_>>(), document.members.len());
            self.progress.observe(now_ms, members, document.epoch, &states, plan);
        }
        let counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.by_server.clone();
        let document = self.document.as_ref();
        let seen = Seen { document, wish: &self.wish, addresses, observed, counts: &counts };
        let is_waiting = !waiting.is_empty();
        let mut reasons = waiting;
        reasons.extend(plan.iter().flat_map(|plan| plan.reasons.clone()));
        reasons.extend(self.problems.iter().map(|problem| problem.text.clone()));
        reasons.dedup();
        let status = Status {
            epoch: self.document.as_ref().map_or(0, |document| document.epoch),
            state: plan.map_or(ClusterState::Starting, |plan| cluster_state(plan, is_waiting)),
            reasons,
            servers: seen.servers(),
            rebalance: self.progress.current(now_ms),
            last_rebalance: self.progress.last().cloned(),
            lost: plan.map(|plan| plan.lost.clone()).unwrap_or_default(),
            wished: self.wish.members.clone(),
        };
        let removable = seen.removable();
        replace_if_other(&self.shared.removable, removable);
        replace_if_other(&self.shared.status, Arc::new(status));
    }
}

fn replace_if_other<T: PartialEq>(channel: &watch::Sender<T>, value: T) {
    channel.send_if_modified(|old| {
        let changed = *old != value;
        *old = value;
        changed
    });
}

pub(crate) fn assignment_of(document: Option<&RingDocument>) -> ArcMap<String> {
    document
        .and_then(|document| Ring::from_document(document).ok())
        .map(|ring| ring.assignment())
        .unwrap_or_default()
}
