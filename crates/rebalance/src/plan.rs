//! Pure. From what the nodes say to what is to be done next.
//!
//! A plan is made from facts alone and holds for one round; its actions are independent of each
//! other and may be repeated. What a node has not recorded yet (term, ring document, addresses)
//! comes first: only then it takes part in handoffs.

use std::collections::{BTreeMap, BTreeSet};

use handoff::{Epoch, HandoffId, Server};
use node_api::{NodeState, Phase as Step};
use planted::Bug;
use ring::{ArcMap, ArcSet, Member, Phase, RingDocument};

use crate::loss::{self, Losses};
use crate::status::Lost;
use crate::view::{Observation, OpenHandoff, Presence, View, gone_back, is_dead, is_volume};

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The committed ring document.
    pub document: &'a RingDocument,
    /// Its ring: who shall own what.
    pub assignment: &'a ArcMap<String>,
    /// The coordinator's term.
    pub term: u64,
    /// What each server answered.
    pub observed: &'a BTreeMap<String, Observation>,
    /// Servers that are, or shall be, members: a node that is in no document yet is left alone.
    pub wanted: &'a BTreeSet<String>,
    /// Where handoff streams reach each server.
    pub peers: &'a BTreeMap<String, String>,
    /// Bound on the bytes a second that each source streams.
    pub max_bytes_per_second: Option<u64>,
    /// How many handoffs may run at once.
    pub parallel_handoffs: usize,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to ask of nodes, in any order or all at once.
    pub actions: Vec<Action>,
    /// A ring document to commit next.
    pub commit: Option<RingDocument>,
    /// Where the cluster stands.
    pub state: PlanState,
    /// What is waited for or cannot go on.
    pub reasons: Vec<String>,
    /// Volumes that are gone.
    pub lost: Vec<Lost>,
}

/// Where the cluster stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanState {
    /// The first owners are being recorded.
    Bootstrapping,
    /// Ownership equals the ring document, and nothing is left to do.
    Converged,
    /// There is something to do, or to wait for that is on its way.
    Moving,
    /// Nothing can be done until something else happens; the reasons say what.
    Blocked,
    /// A volume is gone.
    Lost,
    /// A node has seen a higher term than this coordinator's.
    Superseded {
        /// That term.
        term: u64,
    },
}

/// A handoff to begin, or to begin at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// Its name.
    pub id: HandoffId,
    /// Who gives.
    pub source: Server,
    /// Who receives.
    pub target: Server,
    /// What.
    pub arcs: ArcSet,
    /// At which epoch the target will own it.
    pub epoch: Epoch,
}

/// One thing to ask of one volume (of two for a new handoff), as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Record the coordinator's term.
    SetTerm {
        /// Which volume.
        server: Server,
    },
    /// Record the committed ring document.
    RecordRing {
        /// Which volume.
        server: Server,
    },
    /// Learn where the other servers are.
    PushPeers {
        /// Which volume.
        server: Server,
    },
    /// Own empty arcs.
    Grant {
        /// Which volume.
        server: Server,
        /// What.
        arcs: ArcSet,
        /// Since when.
        epoch: Epoch,
        /// The epoch of the ring document that it follows from.
        ring_epoch: Epoch,
    },
    /// Refuse arcs below an epoch.
    Fence {
        /// Which volume.
        server: Server,
        /// What.
        arcs: ArcSet,
        /// Below which epoch.
        epoch: Epoch,
    },
    /// Begin a handoff: RECEIVE at its target, and once that is accepted GIVE at its source.
    Start(Handoff),
    /// GIVE at the source of a handoff that its target has accepted.
    Give(Handoff),
    /// Give up a handoff, or have it decided.
    Cancel {
        /// Which volume.
        server: Server,
        /// Which handoff.
        id: HandoffId,
    },
    /// Own nothing from now on.
    Retire {
        /// Which volume.
        server: Server,
    },
}

/// What to do next. `draw` gives the name of a new handoff, a new one at each call.
pub fn plan(input: &PlanInput<'_>, draw: &mut dyn FnMut() -> HandoffId) -> Plan {
    let view = View::new(input.document, input.observed);
    let mut planner = Planner {
        input,
        view,
        actions: Vec::new(),
        commit: None,
        reasons: Vec::new(),
        unready: BTreeSet::new(),
    };
    let seen = planner.view.nodes.iter().map(|state| state.term).max().unwrap_or(0);
    if seen > input.term {
        return planner.finish(PlanState::Superseded { term: seen }, Vec::new());
    }
    planner.explain_absence();
    planner.prepare_nodes();
    match input.document.phase {
        Phase::Bootstrapping => {
            planner.bootstrap();
            planner.finish(PlanState::Bootstrapping, Vec::new())
        }
        Phase::Bootstrapped => {
            let losses = loss::find(&planner.view, input.assignment);
            planner.settle_losses(&losses);
            planner.steer_open_handoffs();
            planner.start_handoffs(draw);
            planner.retire_leavers();
            let state = planner.state(&losses);
            planner.reasons.extend(losses.reasons);
            planner.finish(state, losses.lost)
        }
    }
}

struct Planner<'a> {
    input: &'a PlanInput<'a>,
    view: View<'a>,
    actions: Vec<Action>,
    commit: Option<RingDocument>,
    reasons: Vec<String>,
    /// Nodes that have something to record before they take part in handoffs.
    unready: BTreeSet<&'a str>,
}

impl<'a> Planner<'a> {
    fn finish(self, state: PlanState, lost: Vec<Lost>) -> Plan {
        let (actions, commit) = (self.actions, self.commit);
        Plan { actions, commit, state, reasons: self.reasons, lost }
    }

    fn explain_absence(&mut self) {
        let document = self.input.document;
        for member in document.listed() {
            let name = &member.name;
            match self.input.observed.get(name) {
                Some(Observation::Reachable(_)) => {}
                Some(Observation::Unreachable(why)) => {
                    self.reasons.push(format!("{name} does not answer: {why}"));
                }
                None => self.reasons.push(format!("{name} is not running")),
            }
        }
    }

    /// Term, ring document and addresses, at every node that lacks one of them.
    fn prepare_nodes(&mut self) {
        let (input, document) = (self.input, self.input.document);
        for state in self.view.nodes.clone() {
            let server = || state.server.clone();
            let mut wanting = Vec::new();
            // A retired node that is listed again reads the ring again when it is told of it.
            let relisted =
                state.retired.is_some() && document.members.iter().any(|one| is_volume(state, one));
            // A retired node that is in no ring any more is about to end.
            if state.retired.is_some()
                && !self.is_listed(state)
                && !input.wanted.contains(&state.server.name)
            {
                continue;
            }
            if let Some(problem) = gone_back(document, state) {
                self.reasons.push(problem);
                self.unready.insert(&state.server.name);
                continue;
            }
            if state.ring_epoch < document.epoch || relisted {
                wanting.push(Action::RecordRing { server: server() });
            } else if state.term < input.term {
                wanting.push(Action::SetTerm { server: server() });
            }
            if state.peers != *input.peers
                || state.max_bytes_per_second != input.max_bytes_per_second
            {
                wanting.push(Action::PushPeers { server: server() });
            }
            if state.ring_epoch > document.epoch {
                // It recorded a document that was never committed: one above it settles that.
                let epoch = self.commit.as_ref().map_or(0, |next| next.epoch);
                let epoch = epoch.max(state.ring_epoch.saturating_add(1));
                self.commit = Some(RingDocument { epoch, ..document.clone() });
            }
            if !wanting.is_empty() || state.ring_epoch > document.epoch {
                self.unready.insert(&state.server.name);
                self.actions.extend(wanting);
            }
            if !state.admitted && document.phase == Phase::Bootstrapped && self.is_listed(state) {
                let why = state.admission_error.as_deref().unwrap_or("it is being admitted");
                self.reasons.push(format!("{} does not serve yet: {why}", state.server.name));
            }
        }
    }

    /// The first grants, each once in the life of a node.
    fn bootstrap(&mut self) {
        let document = self.input.document;
        let mut recorded = 0;
        for member in &document.members {
            let Some(state) = self.view.node(&member.name) else { continue };
            if !is_volume(state, member) {
                self.reasons.push(format!(
                    "{} has another volume than at the beginning of the first ring: give it back \
                     its volume, or remove the ring document and all volumes to begin anew",
                    member.name
                ));
            } else if state.granted {
                recorded += 1;
            } else if !self.unready.contains(&*member.name) {
                let (server, ring_epoch) = (state.server.clone(), document.epoch);
                let arcs = self.input.assignment.arcs_where(|owner| *owner == member.name);
                self.actions.push(Action::Grant { server, arcs, epoch: 1, ring_epoch });
            }
        }
        if recorded == document.members.len() && self.commit.is_none() {
            self.commit = Some(document.bootstrapped());
        }
    }

    /// After an accepted loss: fences everywhere, then grants to whom the ring names.
    fn settle_losses(&mut self, losses: &Losses) {
        let unsettled = self.input.document.dead.iter().any(|dead| !dead.settled);
        if losses.accepted.is_empty() {
            if unsettled && losses.is_clean() && self.commit.is_none() {
                self.commit = self.input.document.with_dead_settled().ok();
            }
            return;
        }
        let epoch = loss::fence_epoch(&self.view, &losses.accepted);
        let ring_epoch = self.input.document.epoch;
        let mut all_fenced = true;
        let n_fenced = if planted::is(Bug::FenceOnlyFirstNode) { 1 } else { usize::MAX };
        for state in self.view.nodes.iter().take(n_fenced) {
            let fenced = state.fences.arcs_where(|fence| *fence >= epoch);
            // One that has another ring on record may still take a late grant of that one.
            all_fenced &= state.retired.is_some() || state.ring_epoch == ring_epoch;
            if !fenced.covers(&losses.accepted) {
                all_fenced = false;
                if !self.unready.contains(&*state.server.name) {
                    let (server, arcs) = (state.server.clone(), losses.accepted.clone());
                    self.actions.push(Action::Fence { server, arcs, epoch });
                }
            }
        }
        if !all_fenced {
            return;
        }
        for member in &self.input.document.members {
            let arcs = self.input.assignment.arcs_where(|owner| *owner == member.name);
            let arcs = arcs.intersection(&losses.accepted);
            let node = self.view.node(&member.name).filter(|_| self.is_ready(&member.name));
            if let Some(state) = node.filter(|_| !arcs.is_empty()) {
                let server = state.server.clone();
                self.actions.push(Action::Grant { server, arcs, epoch, ring_epoch });
            }
        }
    }

    /// Cancels handoffs that are not wanted any more and adopts those that are.
    fn steer_open_handoffs(&mut self) {
        let mut actions = Vec::new();
        for (id, handoff) in self.view.open.iter().filter(|(_, handoff)| !handoff.is_decided()) {
            let source = self.view.presence(handoff.source);
            let wanted = self.is_wanted(handoff);
            let asks = |server: &Server| Action::Cancel { server: server.clone(), id: *id };
            match (handoff.at_source, handoff.at_target) {
                (Some(Step::Copying | Step::Frozen), target) if source == Presence::Present => {
                    let forgotten =
                        target.is_none() && self.view.presence(handoff.target) == Presence::Present;
                    if (!wanted || forgotten) && self.may_cancel(handoff) {
                        actions.push(asks(handoff.source));
                    }
                }
                // While its source is away, what is wanted waits.
                (None, Some(Step::Receiving)) if !wanted || source == Presence::Present => {
                    actions.push(if wanted && self.view.may_give(handoff) {
                        Action::Give(Handoff {
                            id: *id,
                            source: handoff.source.clone(),
                            target: handoff.target.clone(),
                            arcs: handoff.arcs.clone(),
                            epoch: handoff.epoch,
                        })
                    } else {
                        asks(handoff.target)
                    });
                }
                (Some(Step::Dropped), Some(Step::Receiving)) => {
                    actions.push(asks(handoff.target));
                }
                _ => {}
            }
        }
        actions.retain(|action| match action {
            Action::Cancel { server, .. } => !self.unready.contains(&*server.name),
            Action::Give(handoff) => self.is_ready(&handoff.source.name),
            _ => true,
        });
        self.actions.extend(actions);
    }

    /// A frozen source whose target's volume is gone waits for the user: the target may have
    /// acknowledged writes.
    fn may_cancel(&self, handoff: &OpenHandoff<'_>) -> bool {
        handoff.at_source != Some(Step::Frozen)
            || self.view.presence(handoff.target) != Presence::Gone
            || is_dead(self.input.document, handoff.target)
    }

    /// Whether all its arcs still have to go to its target, from the volume that has them.
    fn is_wanted(&self, handoff: &OpenHandoff<'_>) -> bool {
        let is_member = |server: &Server| {
            let incarnation = server.incarnation.to_string();
            self.input.document.members.iter().any(|member| member.is(&server.name, &incarnation))
        };
        let planned = self.input.assignment.restrict(handoff.arcs);
        let source = self.view.presence(handoff.source);
        is_member(handoff.target)
            && source != Presence::Gone
            && !is_dead(self.input.document, handoff.source)
            && planned.iter().all(|(_, owner)| *owner == handoff.target.name)
            && (source == Presence::Away || self.view.owned_by(handoff.source).covers(handoff.arcs))
    }

    /// New handoffs for all that is owned by another than the ring names and not on its way.
    fn start_handoffs(&mut self, draw: &mut dyn FnMut() -> HandoffId) {
        let epoch = self.view.next_epoch();
        let mut load: BTreeMap<&str, usize> = BTreeMap::new();
        let running = self.view.open.values().filter(|handoff| !handoff.is_decided());
        let mut room = self.input.parallel_handoffs;
        for handoff in running {
            room = room.saturating_sub(1);
            *load.entry(&handoff.source.name).or_default() += 1;
            *load.entry(&handoff.target.name).or_default() += 1;
        }
        let idle = self.view.busy().complement();
        let ownership = self.view.ownership().restrict(&idle);
        let mut moves = ring::diff(&ownership, self.input.assignment);
        moves.retain(|one| self.is_ready(&one.source) && self.is_ready_member(&one.target));
        while room > 0 && !moves.is_empty() {
            let weight = |one: &ring::Move| {
                let of = |name: &str| load.get(name).copied().unwrap_or(0);
                of(&one.source) + of(&one.target)
            };
            let lightest = (0..moves.len()).min_by_key(|index| weight(&moves[*index]));
            let one = moves.remove(lightest.unwrap_or(0));
            let (Some(source), Some(target)) =
                (self.view.node(&one.source), self.view.node(&one.target))
            else {
                continue;
            };
            *load.entry(&source.server.name).or_default() += 1;
            *load.entry(&target.server.name).or_default() += 1;
            room -= 1;
            self.actions.push(Action::Start(Handoff {
                id: draw(),
                source: source.server.clone(),
                target: target.server.clone(),
                arcs: one.arcs,
                epoch,
            }));
        }
    }

    /// Former members own nothing from now on, once they do; then they leave the document.
    fn retire_leavers(&mut self) {
        for state in self.view.nodes.clone() {
            let (name, incarnation) = (&state.server.name, state.server.incarnation.to_string());
            let listed = |members: &[Member]| members.iter().any(|one| one.is(name, &incarnation));
            let leaving = listed(&self.input.document.leaving);
            if listed(&self.input.document.members)
                || (!leaving && self.input.wanted.contains(name))
                || self.unready.contains(&**name)
            {
                continue;
            }
            if state.retired.is_some() {
                if leaving && self.commit.is_none() {
                    let next = self.input.document.with_leaver_retired(name, &incarnation);
                    self.commit = next.ok();
                }
                continue;
            }
            let takes_part = self
                .view
                .open
                .values()
                .any(|one| *one.source == state.server || *one.target == state.server);
            if state.owned.is_empty() && !takes_part {
                self.actions.push(Action::Retire { server: state.server.clone() });
            }
        }
    }

    fn state(&self, losses: &Losses) -> PlanState {
        if !losses.lost.is_empty() {
            return PlanState::Lost;
        }
        if !self.actions.is_empty() || self.commit.is_some() || !self.view.open.is_empty() {
            return PlanState::Moving;
        }
        let document = self.input.document;
        let all_there = document.members.iter().all(|member| self.is_ready(&member.name));
        if all_there
            && document.leaving.is_empty()
            && self.view.ownership() == *self.input.assignment
        {
            PlanState::Converged
        } else {
            PlanState::Blocked
        }
    }

    /// Whether the node is in the ring document, or on its way out.
    fn is_listed(&self, state: &NodeState) -> bool {
        self.input.document.listed().any(|member| is_volume(state, member))
    }

    /// Whether the node of that name can take part in a handoff.
    fn is_ready(&self, name: &str) -> bool {
        let node = self.view.node(name);
        !self.unready.contains(name)
            && node.is_some_and(|state| state.admitted && self.is_listed(state))
    }

    /// Whether the node of that name can receive.
    fn is_ready_member(&self, name: &str) -> bool {
        let (node, member) = (self.view.node(name), self.input.document.member(name));
        self.is_ready(name)
            && node
                .zip(member)
                .is_some_and(|(state, member)| is_volume(state, member) && state.retired.is_none())
    }
}

#[cfg(test)]
mod tests;
