//! Pure. Coordinators: they look at the nodes, plan with the planner of `rebalance`, ask, and
//! commit ring documents once every living member has recorded them. A coordinator that was
//! replaced goes on until it notices.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use handoff::{HandoffId, Server, invariants};
use node_api::{Change, NodeState, Peers};
use rebalance::{Observation, Plan, PlanInput, PlanState, must_record, plan};
use ring::RingDocument;

use crate::action::Action;
use crate::mutant::Mutant;
use crate::network::Request;
use crate::node::{Node, Outcome};
use crate::print::Print;
use crate::scenario::{CLUSTER, Planning, Scenario, Wish, server};
use crate::world::World;

/// The most coordinators that are at work at a time.
const MAX_COORDINATORS: usize = 2;

/// One coordinator, as far as it keeps anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinator {
    /// Its term.
    pub term: u64,
    /// The committed document that it knows.
    pub document: RingDocument,
    /// What it is having recorded.
    pub proposal: Option<RingDocument>,
}

impl Coordinator {
    pub(crate) fn new(document: RingDocument) -> Self {
        Self { term: document.term, document, proposal: None }
    }

    pub(crate) fn print<H: Hasher>(&self, to: &mut H) {
        self.term.hash(to);
        self.document.print(to);
        self.proposal.is_some().hash(to);
        if let Some(proposal) = &self.proposal {
            proposal.print(to);
        }
    }
}

impl World {
    pub(crate) fn coordination(&self, scenario: &Scenario, wishes: &[Wish], to: &mut Vec<Action>) {
        let (limits, spent) = (&scenario.limits, &self.spent);
        for index in 0..self.coordinators.len() {
            if spent.rounds < limits.rounds {
                to.push(Action::Round(index));
            }
            if self.is_recorded(index) {
                to.push(Action::Commit(index));
            }
        }
        if spent.takeovers < limits.takeovers {
            to.push(Action::TakeOver);
        }
        if self.wish + 1 < wishes.len() {
            to.push(Action::Wish);
        }
        for node in 0..scenario.n_nodes {
            if spent.removals < limits.removals && self.may_remove(wishes, node) {
                to.push(Action::Remove(node));
            }
        }
    }

    pub(crate) fn is_accepted(&self, server: &Server) -> bool {
        let incarnation = server.incarnation.to_string();
        self.accepted.contains(server) || self.document.is_dead(&server.name, &incarnation)
    }

    /// Whether a server may be removed: it has retired, and nobody wants it or lists it.
    fn may_remove(&self, wishes: &[Wish], index: usize) -> bool {
        let node = &self.nodes[index];
        let is_wanted = wishes[self.wish].members.contains(&index);
        let name = &node.decisions.server().name;
        node.up && node.decisions.retired().is_some() && !is_wanted && !self.document.lists(name)
    }

    /// Whether every living member has recorded what the coordinator proposes.
    pub(crate) fn is_recorded(&self, index: usize) -> bool {
        let coordinator = &self.coordinators[index];
        let Some(next) = &coordinator.proposal else { return false };
        must_record(Some(&coordinator.document), next).iter().all(|server| {
            let mut nodes = self.nodes.iter();
            nodes.any(|node| {
                node.decisions.server() == server && node.decisions.ring() == Some(next)
            })
        })
    }

    pub(crate) fn coordinate(
        &mut self,
        scenario: &Scenario,
        planted: Option<Mutant>,
        action: &Action,
    ) -> Outcome {
        match *action {
            Action::Round(index) => {
                self.spent.rounds += 1;
                self.round(scenario, planted, index);
            }
            Action::Commit(index) => self.commit(index),
            Action::TakeOver => {
                self.spent.takeovers += 1;
                self.take_over(scenario);
            }
            Action::Wish => self.wish += 1,
            Action::LoseVolume(index) => {
                self.spent.volume_losses += 1;
                self.lose_volume(scenario, index);
            }
            Action::AcceptLoss(index) => {
                let lost = self.nodes[index].decisions.server().clone();
                self.accepted.insert(lost);
            }
            Action::Remove(index) => {
                self.spent.removals += 1;
                let decisions = &self.nodes[index].decisions;
                invariants::last_out(decisions)?;
                self.stop(scenario, index, true);
                self.n_volumes += 1;
                let mut empty = Node::new(index, new_volume(index, self.n_volumes));
                empty.up = false;
                empty.admitted = false;
                self.replace(index, empty);
            }
            _ => {}
        }
        Ok(())
    }

    /// What each server answers that is asked now.
    pub(crate) fn observe(&self, scenario: &Scenario) -> BTreeMap<String, Observation> {
        let nodes = self.nodes.iter().take(scenario.n_nodes);
        let observed = nodes.map(|node| {
            let observation = if node.up {
                Observation::Reachable(Box::new(NodeState::of(&node.decisions, node.admitted)))
            } else {
                Observation::Unreachable("it is down".to_owned())
            };
            (node.decisions.server().name.clone(), observation)
        });
        observed.collect()
    }

    /// One round of a coordinator: look, plan, and propose a document or ask what is planned.
    pub(crate) fn round(&mut self, scenario: &Scenario, planted: Option<Mutant>, index: usize) {
        let Planning::Planner(wishes) = &scenario.planning else { return };
        let mut observed = self.observe(scenario);
        if planted == Some(Mutant::FencesOneOnly) {
            pretend_fenced(&mut observed);
        }
        let wished: BTreeSet<String> =
            wishes[self.wish].members.iter().map(|node| server(*node, 0).name).collect();
        let coordinator = self.coordinators[index].clone();
        let document = &coordinator.document;
        let mut n_ids = self.n_ids;
        let made = self.made(scenario, &coordinator, &observed, &wished, &mut n_ids);
        if let PlanState::Superseded { term } = made.state {
            return self.superseded(index, term);
        }
        let next = made.commit.clone().or_else(|| self.next_document(document, &wished, &observed));
        if let Some(next) = next
            && self.propose(index, next, &observed)
        {
            return;
        }
        self.coordinators[index].proposal = None;
        self.n_ids = n_ids;
        for action in made.actions {
            self.request(index, action);
        }
    }

    fn made(
        &self,
        scenario: &Scenario,
        coordinator: &Coordinator,
        observed: &BTreeMap<String, Observation>,
        wanted: &BTreeSet<String>,
        n_ids: &mut u8,
    ) -> Plan {
        let input = PlanInput {
            document: &coordinator.document,
            assignment: &scenario.assignment(&coordinator.document),
            term: coordinator.term,
            observed,
            wanted,
            peers: &BTreeMap::new(),
            max_bytes_per_second: None,
            parallel_handoffs: usize::MAX,
        };
        plan(&input, &mut || {
            *n_ids += 1;
            HandoffId(u128::from(*n_ids))
        })
    }

    /// What the latest coordinator would do, for people.
    #[must_use]
    pub fn outlook(&self, scenario: &Scenario) -> String {
        let Planning::Planner(wishes) = &scenario.planning else { return String::new() };
        let Some(coordinator) = self.coordinators.last() else { return String::new() };
        let wanted: BTreeSet<String> =
            wishes[self.wish].members.iter().map(|node| server(*node, 0).name).collect();
        let made = self.made(scenario, coordinator, &self.observe(scenario), &wanted, &mut 0);
        format!(
            "{:?}, commits {}, {:?}, {:?}",
            made.state,
            made.commit.is_some(),
            made.actions,
            made.reasons
        )
    }

    /// The document that the wish makes of the committed one.
    fn next_document(
        &self,
        document: &RingDocument,
        wished: &BTreeSet<String>,
        observed: &BTreeMap<String, Observation>,
    ) -> Option<RingDocument> {
        if document.phase == ring::Phase::Bootstrapping {
            return None;
        }
        let mut next = self.with_losses(document.clone(), observed)?;
        for name in wished.iter().filter(|name| document.member(name).is_none()) {
            let Some(Observation::Reachable(state)) = observed.get(name) else { return None };
            let incarnation = state.server.incarnation.to_string();
            next = next.with_member_added(name, &incarnation).ok()?;
        }
        for member in document.members.iter().filter(|one| !wished.contains(&one.name)) {
            if next.member(&member.name).is_some() {
                next = next.with_member_removed(&member.name).ok()?;
            }
        }
        (next != *document).then_some(next)
    }

    fn with_losses(
        &self,
        mut next: RingDocument,
        observed: &BTreeMap<String, Observation>,
    ) -> Option<RingDocument> {
        for lost in &self.accepted {
            let incarnation = lost.incarnation.to_string();
            if next.is_dead(&lost.name, &incarnation) {
                continue;
            }
            let replacement = match observed.get(&lost.name) {
                Some(Observation::Reachable(state)) if state.server != *lost => {
                    Some(state.server.incarnation.to_string())
                }
                _ => None,
            };
            next = next.with_dead(&lost.name, &incarnation, replacement.as_deref()).ok()?;
        }
        Some(next)
    }

    /// Has a document recorded by all that must; whether all of them are there to do so.
    fn propose(
        &mut self,
        index: usize,
        next: RingDocument,
        observed: &BTreeMap<String, Observation>,
    ) -> bool {
        let Some(mut next) = self.with_losses(next, observed) else { return false };
        let states = observed.values().filter_map(|one| match one {
            Observation::Reachable(state) => Some(&**state),
            Observation::Unreachable(_) => None,
        });
        let states: Vec<&NodeState> = states.collect();
        let coordinator = &self.coordinators[index];
        let recorded = states.iter().map(|state| state.ring_epoch).max().unwrap_or(0);
        next.epoch = 1 + recorded.max(coordinator.document.epoch);
        next.term = coordinator.term;
        let recorders = must_record(Some(&coordinator.document), &next);
        if !recorders.iter().all(|one| states.iter().any(|state| state.server == *one)) {
            return false;
        }
        let term = coordinator.term;
        for server in recorders {
            self.add_request(Request::new(term, (server, Change::Ring(next.clone()))));
        }
        self.coordinators[index].proposal = Some(next);
        true
    }

    /// A node has seen a higher term: another coordinator's, or one that never came to be.
    fn superseded(&mut self, index: usize, term: u64) {
        if self.document.term == self.coordinators[index].term {
            self.swap(
                index,
                RingDocument { term: term + 1, ..RingDocument::clone(&self.document) },
            );
            if let Some(one) = self.coordinators.get_mut(index) {
                one.term = term + 1;
            }
        } else {
            self.coordinators.remove(index);
        }
    }

    fn commit(&mut self, index: usize) {
        if let Some(next) = self.coordinators[index].proposal.take() {
            self.swap(index, next);
        }
    }

    /// Compare-and-swap; whoever is outrun gives up.
    fn swap(&mut self, index: usize, next: RingDocument) {
        if *self.document == self.coordinators[index].document {
            self.accepted
                .retain(|server| !next.is_dead(&server.name, &server.incarnation.to_string()));
            self.coordinators[index].document = next.clone();
            self.document = crate::world::Printed::new(next);
        } else {
            self.coordinators.remove(index);
        }
    }

    /// A new coordinator: its term is above the document's and those of the nodes that answer.
    pub(crate) fn take_over(&mut self, scenario: &Scenario) {
        let nodes = self.nodes.iter().take(scenario.n_nodes).filter(|node| node.up);
        let seen = nodes.map(|node| node.decisions.term()).max().unwrap_or(0);
        let document = RingDocument::clone(&self.document);
        let term = 1 + document.term.max(seen);
        self.document = crate::world::Printed::new(RingDocument { term, ..document });
        if self.coordinators.len() == MAX_COORDINATORS {
            self.coordinators.remove(0);
        }
        self.coordinators.push(Coordinator::new(RingDocument::clone(&self.document)));
    }

    /// Nobody has to be told where the others are.
    fn request(&mut self, index: usize, action: rebalance::Action) {
        let Coordinator { term, document, .. } = &self.coordinators[index];
        let and_then = match &action {
            rebalance::Action::PushPeers { .. } => return,
            rebalance::Action::Start(handoff) => Some(Request::new(*term, handoff.give())),
            _ => None,
        };
        let mut request = Request::new(*term, action.ask(document, &Peers::default()));
        request.and_then = and_then.map(Box::new);
        self.add_request(request);
    }

    /// The server starts again on an empty volume; the old one comes after all nodes.
    fn lose_volume(&mut self, scenario: &Scenario, index: usize) {
        self.stop(scenario, index, true);
        let mut old = Node::clone(&self.nodes[index]);
        old.index = self.nodes.len();
        self.n_volumes += 1;
        self.nodes.push(crate::world::Printed::new(old));
        let mut new = Node::new(index, new_volume(index, self.n_volumes));
        new.admitted = false;
        self.replace(index, new);
    }
}

fn new_volume(index: usize, volume: usize) -> handoff::Decisions {
    handoff::Decisions::new(CLUSTER, server(index, volume))
}

/// The planted bug: what one node has fenced counts as fenced everywhere.
fn pretend_fenced(observed: &mut BTreeMap<String, Observation>) {
    let fences = observed.values().find_map(|one| match one {
        Observation::Reachable(state) if !state.fences.is_empty() => Some(state.fences.clone()),
        _ => None,
    });
    let Some(fences) = fences else { return };
    for one in observed.values_mut() {
        if let Observation::Reachable(state) = one {
            state.fences = fences.clone();
        }
    }
}
