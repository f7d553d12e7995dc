//! Pure. What happens once faults have stopped: one fair schedule, in which whoever can go on does,
//! until nothing is left to do. Every reachable world must end well by it (EventuallyDone).

use handoff::invariants::{self, Snapshot, Violation};
use handoff::{Side, SourceState, TargetState};
use ring::{ArcMap, ArcSet};

use crate::action::Action;
use crate::network::TargetEnd;
use crate::scenario::{Planning, Scenario, server};
use crate::world::World;

/// More steps than any world needs to come to rest.
pub const MAX_STEPS: usize = 2_000;

impl World {
    /// The next step of the fair schedule; `None` where everything rests.
    #[must_use]
    pub fn next_fair(&self, scenario: &Scenario) -> Option<Action> {
        self.next_of_processes(scenario)
            .or_else(|| self.next_of_links())
            .or_else(|| self.next_of_handoffs())
            .or_else(|| self.next_of_stores())
            .or_else(|| self.next_of_orphans(scenario))
    }

    /// Volumes that are lost to the cluster stay away.
    fn next_of_processes(&self, scenario: &Scenario) -> Option<Action> {
        let mut nodes = self.nodes.iter().take(scenario.n_nodes).enumerate();
        let down = nodes.find(|(_, node)| !node.up);
        let waiting = || {
            let mut nodes = self.nodes.iter().take(scenario.n_nodes).enumerate();
            nodes.find(|(_, node)| !node.admitted && node.decisions.admit(&self.document).is_ok())
        };
        down.map(|(index, _)| Action::Restart(index))
            .or_else(|| waiting().map(|(index, _)| Action::ReadRing(index)))
    }

    fn next_of_links(&self) -> Option<Action> {
        for (index, link) in self.links.0.iter().enumerate() {
            let freezes = self.nodes[link.source]
                .sending
                .get(&link.id)
                .is_some_and(|sending| !sending.held && sending.end_clock.is_none());
            let is_frozen = self.nodes[link.source]
                .decisions
                .handoffs()
                .get(&link.id)
                .and_then(|one| one.source())
                == Some(SourceState::Frozen);
            if link.at_source && !link.answers.is_empty() && !(is_frozen && freezes) {
                return Some(Action::Hear(index));
            }
            if link.at_target != TargetEnd::Closed && !link.frames.is_empty() {
                return Some(Action::Take(index));
            }
        }
        None
    }

    fn next_of_handoffs(&self) -> Option<Action> {
        for (index, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.up) {
            for (id, handoff) in node.decisions.handoffs() {
                let Some(state) = handoff.source().filter(|state| !state.is_finished()) else {
                    continue;
                };
                let sending = node.sending.get(id);
                if state == SourceState::Frozen && sending.is_some_and(|one| !one.held) {
                    return Some(Action::Hold(index, *id));
                }
                let mut links = self.links.0.iter();
                let link = links.find(|one| one.at_source && one.source == index && one.id == *id);
                // To a volume that is gone it connects for ever, which changes nothing.
                let is_there = self
                    .by_name(&handoff.peer.name)
                    .is_some_and(|node| *self.nodes[node].decisions.server() == handoff.peer);
                if link.is_none_or(|link| link.is_dead()) && is_there {
                    return Some(Action::Connect(index, *id));
                }
                let Some((sending, stream)) =
                    sending.and_then(|one| Some((one, one.stream.as_ref()?)))
                else {
                    continue;
                };
                if stream.ahead.is_some() {
                    return Some(Action::Send(index, *id));
                }
                if !stream.done {
                    return Some(Action::Read(index, *id));
                }
                if state == SourceState::Copying {
                    let is_durable =
                        sending.queue.first().is_some_and(|(_, one)| one.version <= node.durable);
                    let next = if is_durable {
                        Action::Drain(index, *id)
                    } else {
                        Action::Freeze(index, *id)
                    };
                    return Some(next);
                }
            }
        }
        None
    }

    fn next_of_stores(&self) -> Option<Action> {
        for (index, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.up) {
            if node.is_dirty() {
                return Some(Action::Sync(index));
            }
            if node.next_trim().is_some() {
                return Some(Action::Trim(index));
            }
        }
        None
    }

    /// Where nobody sensible plans, what nobody will ever give is cancelled, as a planner would.
    fn next_of_orphans(&self, scenario: &Scenario) -> Option<Action> {
        if !matches!(scenario.planning, Planning::Adversary) {
            return None;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            for (id, handoff) in node.decisions.handoffs() {
                let is_orphan = handoff.side == Side::Target(TargetState::Receiving)
                    && !self.knows_as_source(*id);
                if is_orphan {
                    return Some(Action::Cancel(index, *id));
                }
            }
        }
        None
    }

    /// The world as it is when faults stop: people have settled what only they can.
    #[must_use]
    pub fn without_faults(&self, scenario: &Scenario) -> Self {
        let mut world = self.clone();
        for index in scenario.n_nodes..world.nodes.len() {
            if world.nodes[index].up {
                world.stop(scenario, index, true);
            }
            let lost = world.nodes[index].decisions.server().clone();
            if !world.is_accepted(&lost) {
                world.accepted.insert(lost);
            }
        }
        world
    }

    /// One round of the coordinator that is there, all of whose requests arrive.
    ///
    /// # Errors
    /// A node found a contradiction.
    pub fn coordinated(&self, scenario: &Scenario) -> Result<Self, Violation> {
        let mut world = self.clone();
        if world.coordinators.is_empty() {
            world.take_over(scenario);
        }
        let latest = world.coordinators.len() - 1;
        let before = world.requests.clone();
        world.requests.clear();
        world.round(scenario, None, latest);
        while let Some(request) = world.requests.pop() {
            world.deliver(None, &request)?;
        }
        world.requests = before;
        if let Some(latest) = world.coordinators.len().checked_sub(1)
            && world.is_recorded(latest)
        {
            world.coordinate(scenario, None, &Action::Commit(latest))?;
        }
        Ok(world)
    }

    /// Whether everything is as people wish, and nothing is left to do.
    ///
    /// # Errors
    /// EventuallyDone does not hold.
    pub fn is_done(&self, scenario: &Scenario) -> Result<(), Violation> {
        let ring = match &scenario.planning {
            Planning::Planner(wishes) => {
                let members: Vec<String> =
                    self.document.members.iter().map(|m| m.name.clone()).collect();
                let wished = wishes[self.wish].members.iter().map(|node| server(*node, 0).name);
                if let Some(missing) = wished.clone().find(|name| !members.contains(name)) {
                    let detail = format!("{missing} is wished for and not in the ring");
                    return Err(Violation { invariant: "EventuallyDone", detail });
                }
                if members.len() != wished.count() || !self.document.leaving.is_empty() {
                    let detail =
                        format!("{:?}, leaving {:?}", self.document.members, self.document.leaving);
                    return Err(Violation { invariant: "EventuallyDone", detail });
                }
                scenario.assignment(&self.document)
            }
            Planning::Adversary => self.owners(scenario),
        };
        let serving: Vec<ArcSet> = self.nodes.iter().map(|node| node.serving()).collect();
        let snapshots: Vec<Snapshot<'_>> = self
            .nodes
            .iter()
            .zip(&serving)
            .take(scenario.n_nodes)
            .map(|(node, serving)| Snapshot {
                decisions: &node.decisions,
                serving,
                records: &node.disk.records,
            })
            .collect();
        invariants::eventually_done(&snapshots, &ring)?;
        invariants::all_served(&snapshots, &self.owed(scenario))
    }

    fn owners(&self, scenario: &Scenario) -> ArcMap<String> {
        let mut ring = ArcMap::default();
        for node in self.nodes.iter().take(scenario.n_nodes) {
            for (arc, _) in node.decisions.owned().iter() {
                ring.insert(arc, node.decisions.server().name.clone());
            }
        }
        ring
    }
}
