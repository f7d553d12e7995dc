//! Pure. The story of a change: its handoffs from the first to the last, summed up.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use handoff::HandoffId;
use node_api::{HandoffStatus, NodeState, Phase, Role};
use ring::ArcSet;

use crate::plan::{Action, Handoff, Plan, PlanState};
use crate::status::{HandoffProgress, HandoffState, PairProgress, Rebalance};

/// The most handoffs of one change that are told one by one; older finished ones are only summed.
pub(crate) const MAX_LISTED_HANDOFFS: usize = 10_000;

/// Follows the handoffs of the change that is under way.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    current: Option<Running>,
    last: Option<Rebalance>,
    /// Members when nothing was to be done the last time.
    settled_members: Option<usize>,
}

#[derive(Debug)]
struct Running {
    since_ms: u64,
    from: usize,
    to: usize,
    epoch: u64,
    handoffs: BTreeMap<HandoffId, (usize, HandoffProgress)>,
}

impl Progress {
    /// Takes in what one round has seen and planned.
    pub(crate) fn observe(
        &mut self,
        now_ms: u64,
        members: usize,
        epoch: u64,
        nodes: &[&NodeState],
        plan: &Plan,
    ) {
        let statuses = || {
            nodes.iter().flat_map(|state| {
                state.handoffs.iter().map(|status| (state.server.name.as_str(), status))
            })
        };
        let started = plan.actions.iter().filter_map(|action| match action {
            Action::Start(handoff) | Action::Give(handoff) => Some(handoff),
            _ => None,
        });
        let works = started.clone().next().is_some() || statuses().any(|(_, one)| !one.finished);
        if self.current.is_none() && works {
            self.current = Some(Running {
                since_ms: now_ms,
                from: self.settled_members.unwrap_or(members),
                to: members,
                epoch,
                handoffs: BTreeMap::new(),
            });
        }
        if let Some(running) = &mut self.current {
            (running.to, running.epoch) = (members, epoch);
            started.for_each(|handoff| running.begin(handoff));
            statuses().for_each(|(server, status)| running.update(server, status));
        }
        if plan.state == PlanState::Converged {
            self.settled_members = Some(members);
            if let Some(running) = self.current.take() {
                self.last = Some(running.summary(now_ms));
            }
        }
    }

    /// The change that is under way.
    pub(crate) fn current(&self, now_ms: u64) -> Option<Rebalance> {
        self.current.as_ref().map(|running| running.summary(now_ms))
    }

    /// The change that ended last.
    pub(crate) fn last(&self) -> Option<&Rebalance> {
        self.last.as_ref()
    }
}

impl Running {
    fn begin(&mut self, handoff: &Handoff) {
        let (source, target) = (&handoff.source.name, &handoff.target.name);
        let number = self.handoffs.len();
        self.handoffs
            .entry(handoff.id)
            .or_insert_with(|| (number, unseen(handoff.id, source, target, &handoff.arcs)));
    }

    /// One side's word on a handoff; those that were over before the change began are not of it.
    fn update(&mut self, server: &str, status: &HandoffStatus) {
        let number = self.handoffs.len();
        let (_, progress) = match self.handoffs.entry(status.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if status.finished => return,
            Entry::Vacant(place) => {
                let (source, target) = match status.role {
                    Role::Source => (server, &*status.peer.name),
                    Role::Target => (&*status.peer.name, server),
                };
                place.insert((number, unseen(status.id, source, target, &status.arcs)))
            }
        };
        progress.state = progress.state.max(state_of(status.phase));
        match status.role {
            Role::Source => {
                progress.keys_total = progress.keys_total.max(status.keys_total);
                progress.bytes_total = progress.bytes_total.max(status.bytes_total);
            }
            Role::Target => {
                progress.keys_moved = progress.keys_moved.max(status.keys_moved);
                progress.bytes_moved = progress.bytes_moved.max(status.bytes_moved);
            }
        }
        if status.error.is_some() || status.finished {
            progress.error.clone_from(&status.error);
        }
        if progress.state == HandoffState::Done {
            progress.keys_total = progress.keys_moved;
            progress.bytes_total = progress.bytes_moved;
        }
    }

    fn summary(&self, now_ms: u64) -> Rebalance {
        let mut numbered: Vec<&(usize, HandoffProgress)> = self.handoffs.values().collect();
        numbered.sort_unstable_by_key(|(number, _)| *number);
        let handoffs: Vec<&HandoffProgress> = numbered.into_iter().map(|(_, one)| one).collect();
        let mut summary = Rebalance {
            from: self.from,
            to: self.to,
            epoch: self.epoch,
            duration_ms: now_ms.saturating_sub(self.since_ms),
            ..Rebalance::default()
        };
        let mut pairs: BTreeMap<(&str, &str), PairProgress> = BTreeMap::new();
        for one in handoffs.iter().filter(|one| one.state != HandoffState::Cancelled) {
            let pair = pairs.entry((&one.source, &one.target)).or_default();
            pair.keys_moved += one.keys_moved;
            pair.keys_total += one.keys_total;
            pair.bytes_moved += one.bytes_moved;
            summary.keys_moved += one.keys_moved;
            summary.keys_total += one.keys_total;
            summary.bytes_moved += one.bytes_moved;
            summary.bytes_total += one.bytes_total;
        }
        summary.pairs = pairs
            .into_iter()
            .map(|((source, target), pair)| PairProgress {
                source: source.to_owned(),
                target: target.to_owned(),
                ..pair
            })
            .collect();
        let first = handoffs.len().saturating_sub(MAX_LISTED_HANDOFFS);
        summary.handoffs = handoffs.into_iter().skip(first).cloned().collect();
        summary
    }
}

fn unseen(id: HandoffId, source: &str, target: &str, arcs: &ArcSet) -> HandoffProgress {
    HandoffProgress {
        id,
        source: source.to_owned(),
        target: target.to_owned(),
        state: HandoffState::Starting,
        arc_share: arcs.share(),
        keys_moved: 0,
        keys_total: 0,
        bytes_moved: 0,
        bytes_total: 0,
        error: None,
    }
}

fn state_of(phase: Phase) -> HandoffState {
    match phase {
        Phase::Receiving | Phase::Copying => HandoffState::Copying,
        Phase::Frozen => HandoffState::Frozen,
        Phase::Owned | Phase::Given => HandoffState::Done,
        Phase::Dropped | Phase::Refused => HandoffState::Cancelled,
    }
}

#[cfg(test)]
mod tests;
