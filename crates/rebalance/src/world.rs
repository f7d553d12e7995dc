//! Pure. For tests: some nodes with their true rules (the records of `handoff`), whose handoffs go
//! on by random steps, which crash, and which are looked at one after the other.

use std::collections::{BTreeMap, BTreeSet};

use handoff::{
    ClusterId, Decisions, HandoffId, Incarnation, Refusal, Server, SourceEvent, SourceFacts, Terms,
};
use node_api::{Change, NodeState, Peers, Request};
use ring::{ArcMap, ArcSet, Placement, Ring, RingDocument};

use crate::change::{first_document, must_record, next_document, with_accepted_losses};
use crate::plan::{Action, Plan, PlanInput, plan};
use crate::view::{Observation, View, gone_back};
use crate::wish::Wish;

mod exchange;
mod states;

use states::state_of;

pub(crate) const CLUSTER: ClusterId = ClusterId(7);

/// What befalls a node.
pub(crate) enum Fault {
    /// It does not answer.
    Down(String),
    /// It comes back with an empty volume.
    Wiped(String),
}

pub(crate) struct World {
    pub(crate) document: RingDocument,
    pub(crate) assignment: ArcMap<String>,
    pub(crate) nodes: BTreeMap<String, Decisions>,
    pub(crate) down: BTreeSet<String>,
    pub(crate) observed: BTreeMap<String, Observation>,
    pub(crate) wish: Wish,
    pub(crate) commits: usize,
    peers: BTreeMap<String, String>,
    pub(crate) told_peers: BTreeMap<String, BTreeMap<String, String>>,
    /// Arcs that were lost and accepted so: they may be without an owner for a while.
    accepted: ArcSet,
    drawn: u128,
    random: u64,
    pub(crate) disk_free_bytes: u64,
    /// So many counts of keys are not answered.
    pub(crate) counts_lost: usize,
}

impl World {
    pub(crate) const PARALLEL: usize = 4;
    const TERM: u64 = 1;

    /// No ring yet, no nodes.
    pub(crate) fn empty(seed: u64) -> Self {
        Self {
            document: RingDocument::bootstrap(
                &CLUSTER.to_string(),
                Placement::Balanced,
                8,
                [("kv-0", &*"0".repeat(32))],
            )
            .unwrap(),
            assignment: ArcMap::default(),
            nodes: BTreeMap::new(),
            down: BTreeSet::new(),
            observed: BTreeMap::new(),
            wish: Wish::default(),
            commits: 0,
            peers: BTreeMap::new(),
            told_peers: BTreeMap::new(),
            accepted: ArcSet::default(),
            drawn: 0,
            random: seed | 1,
            disk_free_bytes: 1 << 40,
            counts_lost: 0,
        }
    }

    /// Whether this count of keys is not answered.
    pub(crate) fn loses_count(&mut self) -> bool {
        let is_lost = self.counts_lost > 0;
        self.counts_lost -= usize::from(is_lost);
        is_lost
    }

    /// So many nodes and a first document; nothing is granted yet.
    pub(crate) fn new(servers: usize, seed: u64) -> Self {
        let mut world = Self::empty(seed);
        world.wish_members(servers);
        world.observe();
        let members = world.wish.members.clone();
        let cluster = CLUSTER.to_string();
        let document =
            first_document(&cluster, Placement::Balanced, 8, &members, &world.observed).unwrap();
        world.adopt(document);
        world
    }

    /// Wishes for so many servers; those that do not exist are started.
    pub(crate) fn wish_members(&mut self, count: usize) {
        if self.wish.members.is_empty() {
            self.wish.members.push("kv-0".to_owned());
        }
        self.wish.scale(count, "kv").unwrap();
        for name in self.wish.servers() {
            self.start(&name);
        }
    }

    /// Wishes that a server in the middle leaves, if that is possible.
    pub(crate) fn wish_middle_gone(&mut self) {
        let middle = self.wish.members[self.wish.members.len() / 2].clone();
        let _ = self.wish.remove(Some(&middle));
    }

    pub(crate) fn accept(&mut self, server: Server) {
        self.wish.accepted.insert(server);
    }

    pub(crate) fn start(&mut self, name: &str) {
        if !self.nodes.contains_key(name) {
            let incarnation = Incarnation(self.draw());
            let server = Server { name: name.to_owned(), incarnation };
            self.nodes.insert(name.to_owned(), Decisions::new(CLUSTER, server));
            self.peers.insert(name.to_owned(), format!("{name}:1"));
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Down(name) => {
                self.down.insert(name);
            }
            Fault::Wiped(name) => {
                self.accepted = self.accepted.union(&self.nodes[&name].owned().arcs());
                self.nodes.remove(&name);
                self.told_peers.remove(&name);
                self.start(&name);
            }
        }
    }

    /// Nodes crash and come back; nothing that they recorded is lost.
    pub(crate) fn random_fault(&mut self) {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        let name = names[self.below(names.len())].clone();
        match self.below(4) {
            0 => {
                self.down.insert(name);
            }
            1 | 2 => {
                self.down.remove(&name);
            }
            _ => {}
        }
    }

    pub(crate) fn heal(&mut self) {
        self.down.clear();
    }

    /// Looks at one node after the other, while handoffs go on.
    pub(crate) fn observe(&mut self) {
        self.observed.clear();
        let mut names: Vec<String> = self.nodes.keys().cloned().collect();
        if self.below(2) == 0 {
            names.reverse();
        }
        for name in names {
            let observation = if self.down.contains(&name) {
                Observation::Unreachable("it is down".to_owned())
            } else {
                let state = self.state_of(&name);
                Observation::Reachable(Box::new(state))
            };
            self.observed.insert(name, observation);
            self.progress();
        }
    }

    /// What the node of that name tells.
    pub(crate) fn state_of(&self, name: &str) -> NodeState {
        let peers = self.told_peers.get(name).cloned().unwrap_or_default();
        let disk_free_bytes = self.disk_free_bytes;
        NodeState { disk_free_bytes, ..state_of(&self.nodes[name], &self.document, &peers) }
    }

    /// What the nodes that answered said.
    pub(crate) fn states(&self) -> Vec<NodeState> {
        self.observed
            .values()
            .filter_map(|observation| match observation {
                Observation::Reachable(state) => Some((**state).clone()),
                Observation::Unreachable(_) => None,
            })
            .collect()
    }

    pub(crate) fn plan(&mut self) -> Plan {
        let wanted: BTreeSet<String> = self.wish.members.iter().cloned().collect();
        let input = PlanInput {
            document: &self.document,
            assignment: &self.assignment,
            term: Self::TERM,
            observed: &self.observed,
            wanted: &wanted,
            peers: &self.peers,
            max_bytes_per_second: None,
            parallel_handoffs: Self::PARALLEL,
        };
        let drawn = &mut self.drawn;
        plan(&input, &mut || {
            *drawn += 1;
            HandoffId(*drawn)
        })
    }

    /// Whether the ring document is not yet what is wished for.
    pub(crate) fn wishes_something(&self) -> bool {
        next_document(&self.document, &self.wish, &self.observed) != Ok(None)
    }

    /// The actions, then the commit, as the driver does it; some requests get lost.
    pub(crate) fn carry_out(&mut self, plan: &Plan) {
        for action in &plan.actions {
            if self.below(8) != 0 {
                self.request(action);
            }
        }
        let bootstrapping = self.document.phase == ring::Phase::Bootstrapping;
        let wished = match &plan.commit {
            Some(next) => with_accepted_losses(next, &self.wish, &self.observed).ok(),
            None if bootstrapping => None,
            None => next_document(&self.document, &self.wish, &self.observed).unwrap_or(None),
        };
        if let Some(next) = wished {
            self.commit(next);
        }
    }

    fn commit(&mut self, mut next: RingDocument) {
        let recorded = self.nodes.values().map(Decisions::ring_epoch).max().unwrap_or(0);
        next.epoch = 1 + recorded.max(self.document.epoch);
        let servers = must_record(Some(&self.document), &next);
        let can_record = |server: &Server| {
            let node = &self.nodes[&server.name];
            let gone_back = gone_back(&self.document, &NodeState::of(node, false));
            !self.down.contains(&server.name) && node.server() == server && gone_back.is_none()
        };
        if !servers.iter().all(can_record) {
            return;
        }
        for server in servers {
            self.ask(&server, Change::Ring(next.clone())).unwrap();
            // The coordinator ends before it has committed.
            if self.below(16) == 0 {
                return;
            }
        }
        let document = &next;
        self.wish
            .accepted
            .retain(|server| !document.is_dead(&server.name, &server.incarnation.to_string()));
        self.adopt(next);
    }

    pub(crate) fn adopt(&mut self, next: RingDocument) {
        self.assignment = Ring::from_document(&next).unwrap().assignment();
        self.document = next;
        self.commits += 1;
    }

    fn request(&mut self, action: &Action) {
        let peers = Peers { addresses: self.peers.clone(), max_bytes_per_second: None };
        let (server, change) = action.clone().ask(&self.document, &peers);
        if self.down.contains(&server.name) {
            return;
        }
        let asked = self.ask(&server, change);
        match action {
            Action::Start(handoff) if asked.is_ok() && self.below(8) != 0 => {
                self.request(&Action::Give(handoff.clone()));
            }
            // Of these nothing is planned that is refused.
            Action::SetTerm { .. } | Action::RecordRing { .. } | Action::Grant { .. } => {
                assert_eq!(asked, Ok(()), "{action:?}");
            }
            _ => {}
        }
    }

    /// A request for this volume goes to its address, whatever volume is there now.
    pub(crate) fn ask(&mut self, server: &Server, change: Change) -> Result<(), Refusal> {
        let request = Request { term: Self::TERM, incarnation: server.incarnation, change };
        self.answer(&server.name, request)
    }

    /// What the node of that name makes of a request.
    pub(crate) fn answer(&mut self, name: &str, request: Request) -> Result<(), Refusal> {
        let document = self.document.clone();
        let node = self.nodes.get_mut(name).unwrap();
        node.take_head(request.head())?;
        match request.change {
            Change::Term => {}
            Change::Ring(next) => {
                node.record_ring(next)?;
                node.observe_committed(&document);
            }
            Change::Grant { arcs, epoch, ring_epoch } => {
                node.accept_grant(&arcs, epoch, ring_epoch)?;
            }
            Change::Fence { arcs, epoch } => drop(node.fence(&arcs, epoch)?),
            Change::Receive { id, terms } => drop(node.accept_receive(id, &terms)?),
            Change::Give { id, terms } => drop(node.accept_give(id, &terms)?),
            Change::Cancel { id } => {
                node.check_cancel(id)?;
                self.cancel(name, id);
            }
            Change::Retire { ring_epoch } => drop(node.retire(ring_epoch)?),
            Change::Peers(peers) => {
                self.told_peers.insert(name.to_owned(), peers.addresses);
            }
        }
        Ok(())
    }

    fn node_up(&mut self, name: &str) -> Option<&mut Decisions> {
        if self.down.contains(name) { None } else { self.nodes.get_mut(name) }
    }

    /// OneOwner, and that every point has an owner on some disk.
    pub(crate) fn check_invariants(&self) {
        let mut served = ArcSet::default();
        let mut owned = ArcSet::default();
        for node in self.nodes.values() {
            let serving = node.serving();
            assert!(served.intersection(&serving).is_empty(), "two owners");
            served = served.union(&serving);
            owned = owned.union(&node.owned().arcs());
        }
        if self.document.phase == ring::Phase::Bootstrapped {
            assert!(owned.union(&self.accepted).covers(&ArcSet::full()), "an arc without an owner");
        }
    }

    pub(crate) fn ownership(&self) -> ArcMap<String> {
        View::new(&self.document, &self.observed).ownership()
    }

    pub(crate) fn n_open(&self) -> usize {
        View::new(&self.document, &self.observed).open.len()
    }

    /// Rounds until something has been brought about.
    pub(crate) fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..200 {
            self.observe();
            let mut plan = self.plan();
            let starts = plan.actions.iter().any(|one| matches!(one, Action::Start(_)));
            if starts && done(self) {
                return;
            }
            plan.actions.retain(|one| !matches!(one, Action::Start(_)));
            self.carry_out(&plan);
        }
        panic!("it never came to that");
    }

    /// RECEIVE without GIVE for one planned handoff.
    pub(crate) fn receive_only(&mut self) -> bool {
        let Some(handoff) = self.planned_start() else { return false };
        let (target, receive) = handoff.receive();
        self.ask(&target, receive).is_ok()
    }

    /// One planned handoff up to its freeze.
    pub(crate) fn freeze_one(&mut self) -> bool {
        let Some(handoff) = self.planned_start() else { return false };
        for (server, change) in [handoff.receive(), handoff.give()] {
            self.ask(&server, change).unwrap();
        }
        let source = self.nodes.get_mut(&handoff.source.name).unwrap();
        let facts = SourceFacts::default();
        source.source_event(handoff.id, SourceEvent::CaughtUp, &facts).unwrap();
        true
    }

    fn planned_start(&mut self) -> Option<crate::plan::Handoff> {
        self.plan().actions.into_iter().find_map(|action| match action {
            Action::Start(handoff) => Some(handoff),
            _ => None,
        })
    }

    fn draw(&mut self) -> u128 {
        self.drawn += 1;
        self.drawn
    }

    /// A random number below `bound` (xorshift).
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 16).unwrap_or(0) % bound
    }
}

fn terms(peer: &Server, arcs: ArcSet, epoch: handoff::Epoch) -> Terms {
    Terms { peer: peer.clone(), arcs, epoch }
}
