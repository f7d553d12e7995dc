//! Pure. The small worlds that are explored: who owns what, who may do what how often.

use handoff::{ClusterId, Decisions, Incarnation, Server};
use ring::{Arc, ArcMap, ArcSet, DOCUMENT_FORMAT, Member, Phase, Placement, Point, RingDocument};

/// The cluster of all of them.
pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);

/// A server on its n-th volume.
#[must_use]
pub fn server(node: usize, volume: usize) -> Server {
    let incarnation = Incarnation(0x100 * (volume as u128 + 1) + node as u128);
    Server { name: format!("kv-{node}"), incarnation }
}

/// The arc of these points.
#[must_use]
pub fn arcs(start: u128, last: u128) -> ArcSet {
    Arc::new(Point(start), Point(last)).into_iter().collect()
}

/// The ring document with these members, each on its first volume.
#[must_use]
pub fn document(epoch: u64, phase: Phase, members: &[usize]) -> RingDocument {
    let member = |node: &usize| Member {
        name: server(*node, 0).name,
        incarnation: server(*node, 0).incarnation.to_string(),
        salts: Vec::new(),
    };
    RingDocument {
        format: DOCUMENT_FORMAT,
        cluster: CLUSTER.to_string(),
        epoch,
        term: 1,
        phase,
        placement: Placement::Classic,
        virtual_nodes: 1,
        members: members.iter().map(member).collect(),
        leaving: Vec::new(),
        dead: Vec::new(),
    }
}

/// How often each thing may happen in one execution. What is not limited follows from these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Clients, of which each does one thing after the other.
    pub clients: u8,
    /// What each client does at most.
    pub operations: u8,
    /// Handoffs that are planned.
    pub handoffs: u8,
    /// Losses of power, of each node at most one.
    pub power_losses: u8,
    /// Deaths of a process that leave what was written, of each node at most one.
    pub kills: u8,
    /// Connections that break though both ends are there.
    pub breaks: u8,
    /// Requests to give a handoff up.
    pub cancels: u8,
    /// Pauses that get too long.
    pub pauses: u8,
    /// Rounds of coordinators.
    pub rounds: u8,
    /// Coordinators that take over.
    pub takeovers: u8,
    /// Volumes that are lost.
    pub volume_losses: u8,
    /// Starts of a process on a volume that was lost to the cluster.
    pub returns: u8,
    /// Servers that are removed once they may be.
    pub removals: u8,
}

/// Who plans handoffs.
#[derive(Clone, Debug, PartialEq)]
pub enum Planning {
    /// Nobody sensible: any part of the ring from whoever owns it to anybody, at any time, with an
    /// epoch above all that is recorded at that instant. What it sends may come much later.
    Adversary,
    /// The planner of `rebalance`, towards the ring document; what is wished for, in order.
    Planner(Vec<Wish>),
}

/// What people ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The members of the ring.
    pub members: Vec<usize>,
}

/// One small world.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is there for.
    pub about: &'static str,
    /// How many nodes there are.
    pub n_nodes: usize,
    /// Who owns what at the beginning; nobody owns anything where that is still to be granted.
    pub owned: Vec<(ArcSet, usize)>,
    /// Who shall own what: for each arc the nodes in order of preference.
    pub preferred: Vec<(ArcSet, Vec<usize>)>,
    /// The members at the beginning.
    pub members: Vec<usize>,
    /// Points that hold a key.
    pub keys: Vec<Point>,
    /// Keys that are there at the beginning.
    pub present: Vec<Point>,
    /// What a handoff may move.
    pub pieces: Vec<ArcSet>,
    /// The only handoffs that are planned, in this order; anything where it is empty.
    pub script: Vec<(usize, usize, ArcSet)>,
    /// Who plans.
    pub planning: Planning,
    /// What clients do.
    pub operations: Vec<Operation>,
    /// Whether every world must end well once faults stop.
    pub must_settle: bool,
    /// Whether a second judge looks at the history of each key (`stateright`'s).
    pub judges_histories: bool,
    /// Records in one piece of a scan.
    pub chunk: usize,
    /// Whether the scan reads a piece before there is room for it.
    pub reads_ahead: bool,
    /// Frames on a connection at most, but for what ends a stream.
    pub window: usize,
    /// Closed connections of each handoff whose frames may still come.
    pub stale: usize,
    /// Whether time passes between the record of a freeze and its being in force.
    pub freeze_lags: bool,
    /// How often what may happen.
    pub limits: Limits,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Looks.
    Read,
    /// Writes a value.
    Write,
    /// Removes what is there.
    Remove,
}

impl Scenario {
    /// Nothing happens in it yet.
    #[must_use]
    pub fn empty(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            n_nodes: 3,
            owned: Vec::new(),
            preferred: Vec::new(),
            members: vec![0, 1, 2],
            keys: Vec::new(),
            present: Vec::new(),
            pieces: Vec::new(),
            script: Vec::new(),
            planning: Planning::Adversary,
            operations: vec![Operation::Write, Operation::Remove],
            must_settle: true,
            judges_histories: false,
            chunk: usize::MAX,
            reads_ahead: false,
            window: 2,
            stale: 0,
            freeze_lags: false,
            limits: Limits::default(),
        }
    }

    /// The ring document at the beginning.
    #[must_use]
    pub fn document(&self) -> RingDocument {
        document(2, Phase::Bootstrapped, &self.members)
    }

    /// The record of a node at the beginning.
    #[must_use]
    pub fn decisions(&self, node: usize) -> Decisions {
        let mut decisions = Decisions::new(CLUSTER, server(node, 0));
        let owned = self.owned.iter().filter(|(_, owner)| *owner == node);
        let owned: ArcSet = owned.flat_map(|(arcs, _)| arcs.iter()).collect();
        let all: Vec<usize> = (0..self.n_nodes).collect();
        let recorded = decisions.record_ring(document(1, Phase::Bootstrapping, &all));
        debug_assert!(recorded.is_ok());
        if !owned.is_empty() {
            let granted = decisions.accept_grant(&owned, 1, decisions.ring_epoch());
            debug_assert!(granted.is_ok());
        }
        let recorded = decisions.record_ring(self.document());
        debug_assert!(recorded.is_ok());
        decisions
    }

    /// Everything that somebody shall own.
    #[must_use]
    pub fn all(&self) -> ArcSet {
        self.owned.iter().flat_map(|(arcs, _)| arcs.iter()).collect()
    }

    /// Who shall own what by this ring document.
    #[must_use]
    pub fn assignment(&self, document: &RingDocument) -> ArcMap<String> {
        let mut assignment = ArcMap::default();
        for (arcs, preferred) in &self.preferred {
            let mut names = preferred.iter().map(|node| server(*node, 0).name);
            let Some(owner) = names.find(|name| document.member(name).is_some()) else { continue };
            for arc in arcs.iter() {
                assignment.insert(arc, owner.clone());
            }
        }
        assignment
    }
}
