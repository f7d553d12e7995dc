//! Pure. What can happen next in a world, and what it is.

use handoff::{HandoffId, Side, SourceState, Terms};
use node_api::Change;
use ring::{ArcSet, Point};

use crate::clients::Doing;
use crate::mutant::Mutant;
use crate::network::{Request, TargetEnd};
use crate::node::{Node, Outcome, name};
use crate::scenario::{Operation, Planning, Scenario};
use crate::world::World;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are what each variant names")]
pub enum Action {
    /// A client's command is executed.
    Execute { client: usize, node: usize, point: Point, operation: Operation },
    /// A node's store is synced.
    Sync(usize),
    /// A process ends, and what was not synced goes if the power does.
    Crash { node: usize, loses_power: bool },
    /// A process starts.
    Restart(usize),
    /// A node that is not admitted reads the ring document again.
    ReadRing(usize),
    /// A request arrives: the n-th that was ever sent.
    Deliver(usize),
    /// A target takes the next frame of the n-th connection.
    Take(usize),
    /// A source hears the next answer on the n-th connection.
    Hear(usize),
    /// A source connects again.
    Connect(usize, HandoffId),
    /// A source reads the next piece of its scan, and sends it where it does not read ahead.
    Read(usize, HandoffId),
    /// A source sends the piece that it has read.
    Send(usize, HandoffId),
    /// A source sends captured writes.
    Drain(usize, HandoffId),
    /// A source freezes.
    Freeze(usize, HandoffId),
    /// A freeze is in force, and END is sent.
    Hold(usize, HandoffId),
    /// A pause gets too long.
    PauseLimit(usize, HandoffId),
    /// A node is asked to give a handoff up.
    Cancel(usize, HandoffId),
    /// A node deletes what is to be deleted.
    Trim(usize),
    /// A handoff is planned by nobody sensible.
    Start { source: usize, target: usize, arcs: ArcSet },
    /// A coordinator looks at the nodes, plans and asks.
    Round(usize),
    /// A coordinator commits the document that it has proposed.
    Commit(usize),
    /// A new coordinator takes a term.
    TakeOver,
    /// People wish for the next thing.
    Wish,
    /// A volume is lost; its server starts on an empty one.
    LoseVolume(usize),
    /// People declare lost what was on it, while no process runs on it.
    AcceptLoss(usize),
    /// A process starts on a volume that was lost.
    Return(usize),
    /// A server that has retired is removed, with its volume.
    Remove(usize),
}

impl World {
    /// Everything that can happen now.
    #[must_use]
    pub fn actions(&self, scenario: &Scenario) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.violation.is_some() {
            return actions;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            self.faults_at(scenario, index, node, &mut actions);
            if node.up {
                actions.extend((!node.admitted).then_some(Action::ReadRing(index)));
                self.commands_at(scenario, index, node, &mut actions);
                self.handoffs_at(scenario, index, node, &mut actions);
                actions.extend(node.is_dirty().then_some(Action::Sync(index)));
                actions.extend(node.next_trim().map(|_| Action::Trim(index)));
            }
        }
        for (index, link) in self.links.0.iter().enumerate() {
            if link.at_source && !link.answers.is_empty() && !self.is_freezing(link.source, link.id)
            {
                actions.push(Action::Hear(index));
            }
            let is_up = self.by_name(&link.target.name).is_some_and(|node| self.nodes[node].up);
            if is_up && link.at_target != TargetEnd::Closed && !link.frames.is_empty() {
                actions.push(Action::Take(index));
            }
        }
        for (index, request) in self.requests.iter().enumerate() {
            if self.by_name(&request.to.name).is_some_and(|node| self.nodes[node].up) {
                actions.push(Action::Deliver(index));
            }
        }
        match &scenario.planning {
            Planning::Adversary => self.starts(scenario, &mut actions),
            Planning::Planner(wishes) => self.coordination(scenario, wishes, &mut actions),
        }
        actions
    }

    /// The node that has this name now.
    pub(crate) fn by_name(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.decisions.server().name == name)
    }

    /// Between the record of a freeze and its being in force the source does nothing else for it.
    fn is_freezing(&self, node: usize, id: HandoffId) -> bool {
        let node = &self.nodes[node];
        let is_frozen = node.decisions.handoffs().get(&id).and_then(|one| one.source())
            == Some(SourceState::Frozen);
        is_frozen && node.sending.get(&id).is_some_and(|sending| !sending.held)
    }

    fn faults_at(&self, scenario: &Scenario, index: usize, node: &Node, to: &mut Vec<Action>) {
        let (limits, spent) = (&scenario.limits, &self.spent);
        if index >= scenario.n_nodes {
            // People who declare a volume lost see to it that no process runs on it meanwhile.
            let is_declared = self.accepted.contains(node.decisions.server());
            if spent.returns < limits.returns && !node.up && !is_declared {
                to.push(Action::Return(index));
            }
            if !self.is_accepted(node.decisions.server()) && !node.up {
                to.push(Action::AcceptLoss(index));
            }
            return;
        }
        if !node.up {
            to.push(Action::Restart(index));
        } else if spent.crashed & (1 << index) == 0 {
            for (loses_power, spent, limit) in [
                (true, spent.power_losses, limits.power_losses),
                (false, spent.kills, limits.kills),
            ] {
                if spent < limit {
                    to.push(Action::Crash { node: index, loses_power });
                }
            }
        }
        if spent.volume_losses < limits.volume_losses {
            to.push(Action::LoseVolume(index));
        }
    }

    fn commands_at(&self, scenario: &Scenario, index: usize, node: &Node, to: &mut Vec<Action>) {
        let mut idle = self.clients.iter();
        let Some(client) = idle.position(|one| one.doing.is_none() && one.left > 0) else { return };
        let serving = node.serving();
        for point in scenario.keys.iter().filter(|point| serving.contains(**point)) {
            let found = node.store.records.get(&name(*point));
            for operation in &scenario.operations {
                let does_something = match operation {
                    Operation::Write => true,
                    Operation::Remove => found.is_some_and(|found| found.live),
                    // Where nobody asks for histories, only what is new to clients matters.
                    Operation::Read => {
                        let known = self.ledger.get(&name(*point));
                        let is_new = found.is_some_and(|found| {
                            known.is_none_or(|known| known.version < found.version)
                        });
                        scenario.judges_histories || is_new
                    }
                };
                if does_something {
                    let (node, point, operation) = (index, *point, *operation);
                    to.push(Action::Execute { client, node, point, operation });
                }
            }
        }
    }

    fn handoffs_at(&self, scenario: &Scenario, index: usize, node: &Node, to: &mut Vec<Action>) {
        let (limits, spent) = (&scenario.limits, &self.spent);
        for (id, handoff) in node.decisions.handoffs() {
            let may_cancel =
                matches!(scenario.planning, Planning::Adversary) && spent.cancels < limits.cancels;
            let is_undecided = handoff.side.is_open() && node.decisions.check_cancel(*id).is_ok();
            if may_cancel && is_undecided && !self.is_freezing(index, *id) {
                to.push(Action::Cancel(index, *id));
            }
            let Side::Source(state) = handoff.side else { continue };
            if state.is_finished() {
                continue;
            }
            if self.is_freezing(index, *id) {
                to.push(Action::Hold(index, *id));
                continue;
            }
            let link = self
                .links
                .0
                .iter()
                .find(|link| link.at_source && link.source == index && link.id == *id);
            if link.is_none_or(|link| link.is_dead()) || spent.breaks < limits.breaks {
                to.push(Action::Connect(index, *id));
            }
            let Some(sending) = node.sending.get(id) else { continue };
            let has_room = link.is_some_and(|link| {
                link.at_target == TargetEnd::Current && link.frames.len() < scenario.window
            });
            if let Some(stream) = &sending.stream {
                if has_room && stream.ahead.is_some() {
                    to.push(Action::Send(index, *id));
                } else if has_room && !stream.done {
                    to.push(Action::Read(index, *id));
                }
                let is_durable =
                    sending.queue.first().is_some_and(|(_, one)| one.version <= node.durable);
                if has_room && is_durable && state == SourceState::Copying {
                    to.push(Action::Drain(index, *id));
                }
                if stream.done && state == SourceState::Copying {
                    to.push(Action::Freeze(index, *id));
                }
            }
            let is_late = state == SourceState::Frozen && !sending.has_asked;
            if is_late && spent.pauses < limits.pauses {
                to.push(Action::PauseLimit(index, *id));
            }
        }
    }

    fn starts(&self, scenario: &Scenario, to: &mut Vec<Action>) {
        if self.spent.handoffs >= scenario.limits.handoffs {
            return;
        }
        if let Some((source, target, arcs)) = scenario.script.get(usize::from(self.spent.handoffs))
        {
            let (source, target, arcs) = (*source, *target, arcs.clone());
            return to.push(Action::Start { source, target, arcs });
        }
        if !scenario.script.is_empty() {
            return;
        }
        for (source, node) in self.nodes.iter().enumerate() {
            let owned = node.decisions.owned().arcs();
            for arcs in scenario.pieces.iter().filter(|arcs| owned.covers(arcs)) {
                for target in (0..self.nodes.len()).filter(|target| *target != source) {
                    to.push(Action::Start { source, target, arcs: arcs.clone() });
                }
            }
        }
    }

    pub(crate) fn act(
        &mut self,
        scenario: &Scenario,
        planted: Option<Mutant>,
        action: &Action,
    ) -> Outcome {
        match action {
            Action::Execute { client, node, point, operation } => {
                self.execute(planted, *client, *node, *point, *operation)
            }
            Action::Sync(node) => self.at(*node, planted, |shell| {
                shell.node.sync();
                Ok(())
            }),
            Action::Crash { node, loses_power } => self.crash(scenario, *node, *loses_power),
            Action::Restart(node) => self.at(*node, planted, |shell| shell.restart()),
            Action::ReadRing(node) => self.at(*node, planted, |shell| {
                shell.read_ring();
                Ok(())
            }),
            Action::Return(node) => {
                self.spent.returns += 1;
                self.at(*node, planted, |shell| shell.restart())
            }
            Action::Deliver(index) => {
                let request = Request::clone(&self.requests[*index]);
                self.deliver(planted, &request)
            }
            Action::Take(index) => {
                let to = self.links.0[*index].target.name.clone();
                let Some(node) = self.by_name(&to) else { return Ok(()) };
                self.at(node, planted, |shell| shell.take(*index))
            }
            Action::Hear(index) => {
                let (node, id) = (self.links.0[*index].source, self.links.0[*index].id);
                self.at(node, planted, |shell| shell.hear(id))
            }
            Action::Trim(node) => {
                let Some(trim) = self.nodes[*node].next_trim() else { return Ok(()) };
                self.at(*node, planted, |shell| {
                    shell.trim(&trim);
                    Ok(())
                })
            }
            Action::Start { source, target, arcs } => {
                self.start(*source, *target, arcs);
                Ok(())
            }
            Action::Connect(..)
            | Action::Read(..)
            | Action::Send(..)
            | Action::Drain(..)
            | Action::Freeze(..)
            | Action::Hold(..)
            | Action::PauseLimit(..)
            | Action::Cancel(..) => self.act_on_handoff(scenario, planted, action),
            Action::Round(_)
            | Action::Commit(_)
            | Action::TakeOver
            | Action::Wish
            | Action::LoseVolume(_)
            | Action::AcceptLoss(_)
            | Action::Remove(_) => self.coordinate(scenario, planted, action),
        }
    }

    /// A request arrives; if it is accepted the coordinator goes on to what comes then.
    pub(crate) fn deliver(&mut self, planted: Option<Mutant>, request: &Request) -> Outcome {
        let Some(node) = self.by_name(&request.to.name) else { return Ok(()) };
        self.at(node, planted, |shell| shell.ask(request))?;
        let Change::Receive { id, .. } = &request.change else { return Ok(()) };
        let accepted = self.nodes[node].decisions.handoffs().contains_key(id);
        if let Some(next) = request.and_then.as_ref().filter(|_| accepted) {
            self.add_request(Request::clone(next));
        }
        Ok(())
    }

    fn act_on_handoff(
        &mut self,
        scenario: &Scenario,
        planted: Option<Mutant>,
        action: &Action,
    ) -> Outcome {
        match *action {
            Action::Connect(node, id) => {
                let mut links = self.links.0.iter();
                let live = links.any(|one| {
                    one.at_source && one.source == node && one.id == id && !one.is_dead()
                });
                self.spent.breaks += u8::from(live);
                self.at(node, planted, |shell| {
                    shell.connect(id);
                    Ok(())
                })
            }
            Action::Read(node, id) => self.at(node, planted, |shell| {
                shell.read_piece(id, scenario.chunk);
                if !scenario.reads_ahead {
                    shell.send_piece(id, scenario.chunk);
                }
                Ok(())
            }),
            Action::Send(node, id) => self.at(node, planted, |shell| {
                shell.send_piece(id, scenario.chunk);
                Ok(())
            }),
            Action::Drain(node, id) => self.at(node, planted, |shell| {
                shell.drain(id);
                Ok(())
            }),
            Action::Freeze(node, id) => self.at(node, planted, |shell| {
                shell.freeze(id)?;
                if !scenario.freeze_lags {
                    shell.hold(id);
                }
                Ok(())
            }),
            Action::Hold(node, id) => self.at(node, planted, |shell| {
                shell.hold(id);
                Ok(())
            }),
            Action::PauseLimit(node, id) => {
                self.spent.pauses += 1;
                self.at(node, planted, |shell| shell.pause_limit(id))
            }
            Action::Cancel(node, id) => {
                self.spent.cancels += 1;
                self.at(node, planted, |shell| shell.cancel(id))
            }
            _ => Ok(()),
        }
    }

    fn execute(
        &mut self,
        planted: Option<Mutant>,
        client: usize,
        node: usize,
        point: Point,
        operation: Operation,
    ) -> Outcome {
        let mut owner = Node::clone(&self.nodes[node]);
        let key = name(point);
        let (found, depends) = match operation {
            Operation::Read => {
                let found = owner.store.records.get(&key).copied();
                let is_durable = owner.disk.records.get(&key) == found.as_ref();
                (found, if is_durable { 0 } else { owner.clock })
            }
            Operation::Write | Operation::Remove => {
                let live = operation == Operation::Write;
                let version = owner.write(point, live, planted);
                (Some(handoff::invariants::Stored { version, live }), version)
            }
        };
        let depends = if planted == Some(Mutant::AcknowledgesBeforeSync) { 0 } else { depends };
        let doing = Doing { node, point, operation, found, depends };
        if let Some(histories) = &mut self.histories {
            histories.invoked(&self.clients[client], &doing);
        }
        self.clients[client].left -= 1;
        self.clients[client].doing = Some(doing);
        self.replace(node, owner);
        self.at(node, planted, |_| Ok(()))
    }

    pub(crate) fn crash(
        &mut self,
        scenario: &Scenario,
        index: usize,
        loses_power: bool,
    ) -> Outcome {
        self.spent.crashed |= 1 << index;
        if loses_power {
            self.spent.power_losses += 1;
        } else {
            self.spent.kills += 1;
        }
        self.stop(scenario, index, loses_power);
        Ok(())
    }

    /// A process ends. What survives took effect, though nobody was told.
    pub(crate) fn stop(&mut self, scenario: &Scenario, index: usize, loses_power: bool) {
        let mut node = Node::clone(&self.nodes[index]);
        let server = node.decisions.server().clone();
        node.crash(loses_power);
        self.replace(index, node);
        self.links.close_all(index, &server);
        for client in 0..self.clients.len() {
            let lost = self.clients[client].lost(index, scenario.limits.clients);
            if let Some(lost) = lost.filter(|_| !loses_power) {
                self.note(lost.point, lost.found);
            }
        }
    }

    fn start(&mut self, source: usize, target: usize, arcs: &ArcSet) {
        self.spent.handoffs += 1;
        let highest = self.nodes.iter().map(|node| node.decisions.highest_epoch()).max();
        let epoch = 1 + highest.unwrap_or(0).max(self.document.epoch);
        let id = self.draw();
        let term = self.coordinators.last().map_or(1, |one| one.term);
        let server = |node: usize| self.nodes[node].decisions.server().clone();
        let terms = |peer| Terms { peer, arcs: arcs.clone(), epoch };
        let receive = Change::Receive { id, terms: terms(server(source)) };
        let give = Change::Give { id, terms: terms(server(target)) };
        let (to, from) = (server(target), server(source));
        self.add_request(Request::new(term, (to, receive)));
        self.add_request(Request::new(term, (from, give)));
    }

    pub(crate) fn draw(&mut self) -> HandoffId {
        self.n_ids += 1;
        HandoffId(u128::from(self.n_ids))
    }
}
