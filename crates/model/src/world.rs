//! Pure. The whole small world at one instant, and what each action makes of it.

use std::sync::Arc as Shared;

use handoff::invariants::{Records, Stored, Violation};
use handoff::{HandoffId, Version};
use ring::{ArcSet, Point, RingDocument};

use crate::action::Action;
use crate::clients::Client;
use crate::coordinator::Coordinator;
use crate::history::Histories;
use crate::judge;
use crate::mutant::Mutant;
use crate::network::{Links, Request};
use crate::node::{Node, Outcome, Shell, name};
use crate::print::{Print, fingerprint};
use crate::scenario::Scenario;

/// Something that seldom changes, with its fingerprint.
#[derive(Clone, Debug)]
pub struct Printed<T> {
    value: Shared<T>,
    print: u64,
}

impl<T: Print> Printed<T> {
    pub(crate) fn new(value: T) -> Self {
        let print = fingerprint(&value);
        Self { value: Shared::new(value), print }
    }

    /// Whether it is the same value at the same place.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Shared::ptr_eq(&self.value, &other.value)
    }
}

impl<T> std::ops::Deref for Printed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// How often what has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Spent {
    pub(crate) handoffs: u8,
    pub(crate) power_losses: u8,
    pub(crate) kills: u8,
    /// Which nodes have been down, a bit each.
    pub(crate) crashed: u8,
    pub(crate) breaks: u8,
    pub(crate) cancels: u8,
    pub(crate) pauses: u8,
    pub(crate) rounds: u8,
    pub(crate) takeovers: u8,
    pub(crate) volume_losses: u8,
    pub(crate) returns: u8,
    pub(crate) removals: u8,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct World {
    /// The nodes; volumes that were lost to the cluster come after those that are in it.
    pub nodes: Vec<Printed<Node>>,
    /// Connections.
    pub links: Links,
    /// Every request that was ever sent.
    pub requests: Vec<Printed<Request>>,
    /// Clients.
    pub clients: Vec<Client>,
    /// The newest write of each key that somebody was told of.
    pub ledger: Records,
    /// What the second judge knows.
    pub histories: Option<Histories>,
    /// Coordinators, the latest last.
    pub coordinators: Vec<Coordinator>,
    /// The committed ring document.
    pub document: Printed<RingDocument>,
    /// Which wish holds.
    pub wish: usize,
    /// Losses that people have accepted and no document says yet.
    pub accepted: std::collections::BTreeSet<handoff::Server>,
    /// How many volumes there were after the first ones.
    pub n_volumes: usize,
    /// How many handoffs have been named.
    pub n_ids: u8,
    pub(crate) spent: Spent,
    /// A predicate that does not hold. Nothing happens after that.
    pub violation: Option<Violation>,
}

impl World {
    /// The world at its beginning.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let mut ledger = Records::new();
        let nodes = (0..scenario.n_nodes).map(|index| {
            let mut node = Node::new(index, scenario.decisions(index));
            for point in
                scenario.present.iter().filter(|p| node.decisions.owned().get(**p).is_some())
            {
                node.clock = 1;
                node.store.records.insert(name(*point), Stored { version: 1, live: true });
                ledger.insert(name(*point), Stored { version: 1, live: true });
            }
            node.sync();
            Printed::new(node)
        });
        let nodes: Vec<Printed<Node>> = nodes.collect();
        let document = scenario.document();
        Self {
            nodes,
            links: Links::default(),
            requests: Vec::new(),
            clients: Client::all(scenario),
            histories: scenario.judges_histories.then(|| Histories::new(&ledger)),
            ledger,
            coordinators: vec![Coordinator::new(document.clone())],
            document: Printed::new(document),
            wish: 0,
            accepted: std::collections::BTreeSet::new(),
            n_volumes: 0,
            n_ids: 0,
            spent: Spent::default(),
            violation: None,
        }
    }

    /// What an action makes of the world; `None` where it makes nothing of it.
    #[must_use]
    pub fn after(
        &self,
        scenario: &Scenario,
        planted: Option<Mutant>,
        action: &Action,
    ) -> Option<Self> {
        let mut next = self.clone();
        let outcome = next.act(scenario, planted, action);
        next.links.forget_read(scenario.stale);
        if let Err(violation) = outcome {
            next.violation = Some(violation);
            return Some(next);
        }
        next.violation = judge::first_violation(scenario, self, &next).err();
        (next.violation.is_some() || !next.is_same(self)).then_some(next)
    }

    /// Whether nothing differs but what is counted.
    fn is_same(&self, other: &Self) -> bool {
        let same_nodes = self.nodes.len() == other.nodes.len()
            && self.nodes.iter().zip(&other.nodes).all(|(left, right)| left.print == right.print);
        same_nodes && self.print_beside_nodes() == other.print_beside_nodes()
    }

    fn print_beside_nodes(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        self.print_rest(&mut hasher);
        std::hash::Hasher::finish(&hasher)
    }

    pub(crate) fn add_request(&mut self, request: Request) {
        let request = Printed::new(request);
        if !self.requests.iter().any(|known| known.print == request.print) {
            self.requests.push(request);
        }
    }

    /// Lets a node's shell do something, then tells the clients what is durable.
    pub(crate) fn at(
        &mut self,
        index: usize,
        planted: Option<Mutant>,
        act: impl FnOnce(&mut Shell<'_>) -> Outcome,
    ) -> Outcome {
        let mut node = Node::clone(&self.nodes[index]);
        let committed = Shared::clone(&self.document.value);
        let mut shell =
            Shell { node: &mut node, links: &mut self.links, committed: &committed, planted };
        let outcome = act(&mut shell);
        let durable = node.durable;
        if node != *self.nodes[index].value {
            self.nodes[index] = Printed::new(node);
        }
        self.acknowledge(index, durable);
        outcome
    }

    pub(crate) fn replace(&mut self, index: usize, node: Node) {
        self.nodes[index] = Printed::new(node);
    }

    fn acknowledge(&mut self, node: usize, durable: Version) {
        for index in 0..self.clients.len() {
            let Some(doing) = self.clients[index].answered(node, durable) else { continue };
            self.note(doing.point, doing.found);
            if let Some(histories) = &mut self.histories {
                histories.answered(&self.clients[index], &doing);
            }
        }
    }

    /// Somebody has been told of this write.
    pub(crate) fn note(&mut self, point: Point, found: Option<Stored>) {
        let Some(found) = found else { return };
        let known = self.ledger.entry(name(point)).or_insert(found);
        if known.version < found.version {
            *known = found;
        }
    }

    /// The source of a handoff, if its node knows it.
    pub(crate) fn knows_as_source(&self, id: HandoffId) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| node.decisions.handoffs().get(&id).and_then(|one| one.source()).is_some())
    }

    /// The fingerprint of what the nodes have decided.
    #[must_use]
    pub fn print_of_records(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        for node in &self.nodes {
            node.decisions.print(&mut hasher);
        }
        std::hash::Hasher::finish(&hasher)
    }

    /// What must have an owner.
    #[must_use]
    pub fn owed(&self, scenario: &Scenario) -> ArcSet {
        scenario.all()
    }

    pub(crate) fn print_rest(&self, to: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        self.links.0.len().hash(to);
        for link in &self.links.0 {
            link.print(to);
        }
        let requests = self.requests.iter();
        requests.fold(0_u64, |sum, one| sum.wrapping_add(one.print)).hash(to);
        Client::print_all(&self.clients, self.histories.is_some(), to);
        self.ledger.print(to);
        self.histories.hash(to);
        for coordinator in &self.coordinators {
            coordinator.print(to);
        }
        self.document.print.hash(to);
        self.wish.hash(to);
        self.accepted.hash(to);
        self.violation.as_ref().map(|one| one.invariant).hash(to);
    }
}

impl std::hash::Hash for World {
    fn hash<H: std::hash::Hasher>(&self, to: &mut H) {
        for node in &self.nodes {
            node.print.hash(to);
        }
        self.print_rest(to);
        self.n_ids.hash(to);
        self.spent.hash(to);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) && self.spent == other.spent && self.n_ids == other.n_ids
    }
}
