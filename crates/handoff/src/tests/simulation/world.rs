//! The nodes, what is on its way, and what the clients were told.

use ring::{ArcMap, ArcSet, Point};

use super::network::{Dice, Frame, Message, part_of};
use super::sim_node::{Node, name};
use crate::invariants::{self, Records, Snapshot, Stored};
use crate::{HandoffId, Side, SourceState, TargetState, Terms};

const N_NODES: u128 = 3;
const N_POINTS: u128 = 12;

pub(super) struct World {
    seed: u64,
    dice: Dice,
    nodes: Vec<Node>,
    network: Vec<(String, Message)>,
    acknowledged: Records,
    next_id: u128,
    before: Vec<(crate::Decisions, Records)>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let share = N_POINTS / N_NODES;
        let nodes = (0..N_NODES)
            .map(|number| {
                let own = super::super::arcs(number * share, (number + 1) * share - 1);
                Node::new(super::super::owner(number, &own))
            })
            .collect();
        Self {
            seed,
            dice: Dice::new(seed),
            nodes,
            network: Vec::new(),
            acknowledged: Records::new(),
            next_id: 1,
            before: Vec::new(),
        }
    }

    pub(super) fn random_event(&mut self) {
        let node = self.dice.below(self.nodes.len());
        match self.dice.below(100) {
            0..25 => self.deliver_random(),
            25..28 => self.lose_random(),
            28..46 => {
                let point = self.dice.below(N_POINTS as usize) as u128;
                let live = self.dice.chance(65);
                if self.nodes[node].up {
                    self.nodes[node].write(point, live);
                }
            }
            46..54 => self.sync(node),
            54..72 => self.on_handoff(node, Node::stream),
            72..76 => self.on_handoff(node, Node::sync_target),
            76..81 => self.freeze(node),
            81..85 => self.plan(),
            85..87 => self.cancel(),
            87..89 => self.on_handoff(node, |node, id| node.send(id, Frame::DecideNow)),
            89..92 => self.reconnect(node),
            92..94 => self.nodes[node].crash(),
            94..98 => {
                if !self.nodes[node].up {
                    self.nodes[node].restart();
                }
            }
            _ => {
                if self.nodes[node].up {
                    self.nodes[node].trim();
                }
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        for node in &mut self.nodes {
            self.network.append(&mut node.out);
        }
    }

    fn deliver_random(&mut self) {
        if self.network.is_empty() {
            return;
        }
        // Mostly in order, as connections are, and often enough not.
        let at = if self.dice.chance(80) { 0 } else { self.dice.below(self.network.len()) };
        let (to, message) =
            if self.dice.chance(10) { self.network[at].clone() } else { self.network.remove(at) };
        self.deliver(&to, message);
    }

    fn deliver(&mut self, to: &str, message: Message) {
        let mut nodes = self.nodes.iter_mut();
        let node = nodes.find(|node| node.disk.decisions.server().name == to).unwrap();
        node.deliver(message);
    }

    fn lose_random(&mut self) {
        if !self.network.is_empty() {
            let at = self.dice.below(self.network.len());
            self.network.remove(at);
        }
    }

    fn sync(&mut self, node: usize) {
        if self.nodes[node].up {
            let acknowledged = self.nodes[node].sync();
            self.acknowledge(acknowledged);
        }
    }

    fn acknowledge(&mut self, writes: Vec<(u128, Stored)>) {
        for (point, stored) in writes {
            let known = self.acknowledged.entry(name(point)).or_insert(stored);
            if known.version < stored.version {
                *known = stored;
            }
        }
    }

    fn random_handoff(&mut self, node: usize) -> Option<HandoffId> {
        let handoffs = self.nodes[node].disk.decisions.handoffs();
        let open: Vec<_> =
            handoffs.iter().filter(|(_, h)| !h.side.is_finished()).map(|(id, _)| *id).collect();
        (!open.is_empty()).then(|| open[self.dice.below(open.len())])
    }

    fn on_handoff(&mut self, node: usize, act: impl Fn(&mut Node, HandoffId)) {
        if self.nodes[node].up
            && let Some(id) = self.random_handoff(node)
        {
            act(&mut self.nodes[node], id);
        }
    }

    fn freeze(&mut self, node: usize) {
        if self.nodes[node].up
            && let Some(id) = self.random_handoff(node)
        {
            let acknowledged = self.nodes[node].end(id);
            self.acknowledge(acknowledged);
        }
    }

    fn reconnect(&mut self, node: usize) {
        self.on_handoff(node, |node, id| match node.disk.decisions.handoffs()[&id].source() {
            Some(SourceState::Copying) => node.connect(id),
            Some(_) => node.source(id, crate::SourceEvent::Resume, u64::MAX),
            None => {}
        });
    }

    fn plan(&mut self) {
        let source = self.dice.below(self.nodes.len());
        let target = self.dice.below(self.nodes.len());
        let owned = self.nodes[source].disk.decisions.owned().arcs();
        if source == target || owned.is_empty() {
            return;
        }
        let arcs = part_of(&owned, &mut self.dice);
        self.start(source, target, arcs);
    }

    fn start(&mut self, source: usize, target: usize, arcs: ArcSet) {
        let highest = self.nodes.iter().map(|node| node.disk.decisions.highest_epoch()).max();
        let epoch = highest.unwrap() + 1;
        let id = HandoffId(self.next_id);
        self.next_id += 1;
        let server = |node: usize| self.nodes[node].disk.decisions.server().clone();
        let receive = Terms { peer: server(source), arcs: arcs.clone(), epoch };
        let give = Terms { peer: server(target), arcs, epoch };
        let messages = [
            (server(target).name, Message::Receive(id, receive)),
            (server(source).name, Message::Give(id, give)),
        ];
        self.network.extend(messages);
    }

    fn cancel(&mut self) {
        let node = self.dice.below(self.nodes.len());
        if let Some(id) = self.random_handoff(node) {
            let name = self.nodes[node].disk.decisions.server().name.clone();
            self.network.push((name, Message::Cancel(id)));
        }
    }

    /// Every invariant, now.
    pub(super) fn check(&mut self) {
        let serving: Vec<(ArcSet, Records)> =
            self.nodes.iter().map(|node| (node.serving(), node.visible())).collect();
        let snapshots: Vec<Snapshot<'_>> = self
            .nodes
            .iter()
            .zip(&serving)
            .map(|(node, (serving, records))| Snapshot {
                decisions: &node.disk.decisions,
                serving,
                records,
            })
            .collect();
        let all = super::super::arcs(0, N_POINTS - 1);
        let mut verdicts = vec![
            invariants::one_owner(&snapshots),
            invariants::no_orphan(&snapshots, &all),
            invariants::no_lost_ack(&snapshots, &self.acknowledged),
            invariants::no_resurrection(&snapshots, &self.acknowledged),
        ];
        for (target, (before, _)) in snapshots.iter().zip(&self.before) {
            for source in &snapshots {
                verdicts.push(invariants::no_serve_before_data(source, before, target));
            }
        }
        for snapshot in &snapshots {
            verdicts.push(invariants::one_handoff(snapshot.decisions));
        }
        for ((before, records), node) in self.before.iter().zip(&self.nodes) {
            let decisions = &node.disk.decisions;
            let (serving, none) = (ArcSet::default(), ArcSet::default());
            let old = Snapshot { decisions: before, serving: &serving, records };
            let new = Snapshot { decisions, serving: &none, records: &node.disk.records };
            verdicts.push(invariants::epoch_monotone(before, decisions));
            verdicts.push(invariants::no_delete_before_owned(&old, &new));
        }
        for verdict in verdicts {
            assert!(verdict.is_ok(), "seed {}: {}", self.seed, verdict.unwrap_err());
        }
        self.before = self
            .nodes
            .iter()
            .map(|node| {
                let mut records = node.disk.records.clone();
                records.retain(|name, stored| node.records.get(name) == Some(stored));
                (node.disk.decisions.clone(), records)
            })
            .collect();
    }

    /// Without faults every handoff ends, and the ring that the nodes agreed on is clean.
    pub(super) fn settle(&mut self) {
        for node in &mut self.nodes {
            if !node.up {
                node.restart();
            }
        }
        for round in 0..400 {
            self.collect();
            if self.network.is_empty() && self.is_quiet() {
                break;
            }
            for (to, message) in std::mem::take(&mut self.network) {
                self.deliver(&to, message);
                self.check();
            }
            for node in 0..self.nodes.len() {
                self.sync(node);
                self.step_handoffs(node, round % 8 == 0);
                self.nodes[node].trim();
                self.check();
            }
        }
        self.check_done();
    }

    fn is_quiet(&self) -> bool {
        self.nodes.iter().all(|node| {
            let mut handoffs = node.disk.decisions.handoffs().values();
            handoffs.all(|handoff| handoff.side.is_finished())
                && node.disk.decisions.trims().is_empty()
                && node.unacknowledged.is_empty()
        })
    }

    fn step_handoffs(&mut self, node: usize, reconnect: bool) {
        let handoffs = self.nodes[node].disk.decisions.handoffs().clone();
        for (id, handoff) in handoffs {
            let live = &mut self.nodes[node];
            match handoff.side {
                Side::Source(state) if !state.is_finished() => {
                    if reconnect {
                        live.source(id, crate::SourceEvent::Resume, u64::MAX);
                    }
                    let acknowledged = live.end(id);
                    self.acknowledge(acknowledged);
                }
                // Nobody will ever give by it: the planner cancels it.
                Side::Target(TargetState::Receiving) if !self.given_by_somebody(id) => {
                    let name = self.nodes[node].disk.decisions.server().name.clone();
                    self.network.push((name, Message::Cancel(id)));
                }
                Side::Source(_) | Side::Target(_) => {}
            }
        }
    }

    fn given_by_somebody(&self, id: HandoffId) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| {
            let known = node.disk.decisions.handoffs().get(&id);
            known.is_some_and(|handoff| handoff.source().is_some())
        })
    }

    fn check_done(&self) {
        let mut ring = ArcMap::default();
        for node in &self.nodes {
            for (arc, _) in node.disk.decisions.owned().iter() {
                ring.insert(arc, node.disk.decisions.server().name.clone());
            }
        }
        let serving: Vec<ArcSet> = self.nodes.iter().map(Node::serving).collect();
        let snapshots: Vec<Snapshot<'_>> = self
            .nodes
            .iter()
            .zip(&serving)
            .map(|(node, serving)| Snapshot {
                decisions: &node.disk.decisions,
                serving,
                records: &node.disk.records,
            })
            .collect();
        let done = invariants::eventually_done(&snapshots, &ring);
        assert!(done.is_ok(), "seed {}: {}", self.seed, done.unwrap_err());
        for point in 0..N_POINTS {
            let owner = snapshots.iter().find(|node| node.serving.contains(Point(point)));
            assert!(owner.is_some(), "seed {}: nobody serves {point}", self.seed);
        }
    }
}
