//! Pure. What all the nodes together say: who owns what, and which handoffs are open.
//!
//! The nodes are not asked at one instant. Between OWNED at a target and GIVEN at its source both
//! claim the arcs, and the higher epoch is right; where the source was asked after and the target
//! before, nobody claims them, and the target's open handoff tells where they are.

use std::collections::BTreeMap;

use handoff::{Epoch, HandoffId, Server};
use node_api::{HandoffStatus, NodeState, Phase, Role};
use ring::{Arc, ArcMap, ArcSet, Member, RingDocument};

/// What one look at one server gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// It answered.
    Reachable(Box<NodeState>),
    /// It did not, and why.
    Unreachable(String),
}

/// What is known of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Its server answers.
    Present,
    /// Its server does not answer, so it may still own anything.
    Away,
    /// The server of that name answers with another volume.
    Gone,
}

/// A claim, comparable: the higher epoch is the later, so the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) epoch: Epoch,
    /// Index into [`View::nodes`].
    pub(crate) node: usize,
}

/// A handoff that is not finished on both sides, as both sides see it.
#[derive(Clone, Debug)]
pub(crate) struct OpenHandoff<'a> {
    pub(crate) source: &'a Server,
    pub(crate) target: &'a Server,
    pub(crate) arcs: &'a ArcSet,
    pub(crate) epoch: Epoch,
    /// What the source says, if it knows the handoff at all.
    pub(crate) at_source: Option<Phase>,
    /// What the target says, if it knows the handoff at all.
    pub(crate) at_target: Option<Phase>,
}

impl OpenHandoff<'_> {
    /// Whether the target is known to own the arcs.
    pub(crate) fn is_decided(&self) -> bool {
        self.at_target == Some(Phase::Owned) || self.at_source == Some(Phase::Given)
    }
}

/// The nodes that answered, put together.
pub(crate) struct View<'a> {
    document: &'a RingDocument,
    /// Those that answered, in the order of their names.
    pub(crate) nodes: Vec<&'a NodeState>,
    /// Who owns what.
    pub(crate) claims: ArcMap<Claim>,
    /// Handoffs that at least one side has not finished.
    pub(crate) open: BTreeMap<HandoffId, OpenHandoff<'a>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        document: &'a RingDocument,
        observed: &'a BTreeMap<String, Observation>,
    ) -> Self {
        let nodes: Vec<&NodeState> = observed
            .values()
            .filter_map(|observation| match observation {
                Observation::Reachable(state) => Some(&**state),
                Observation::Unreachable(_) => None,
            })
            .filter(|state| !is_dead(document, &state.server))
            .collect();
        let claims = (0..).zip(&nodes).flat_map(|(node, state)| {
            state.owned.iter().map(move |(arc, epoch)| (arc, Claim { epoch: *epoch, node }))
        });
        let claims = ArcMap::of_greatest(claims.collect());
        let open = open_handoffs(&nodes);
        Self { document, nodes, claims, open }
    }

    /// The node of that name, on whatever volume.
    pub(crate) fn node(&self, name: &str) -> Option<&'a NodeState> {
        self.nodes.iter().copied().find(|state| state.server.name == name)
    }

    pub(crate) fn presence(&self, server: &Server) -> Presence {
        match self.node(&server.name) {
            None => Presence::Away,
            Some(state) if state.server == *server => Presence::Present,
            Some(_) => Presence::Gone,
        }
    }

    pub(crate) fn is_dead(&self, server: &Server) -> bool {
        is_dead(self.document, server)
    }

    /// Whether a loss has been accepted and not yet been made good.
    pub(crate) fn has_unsettled_dead(&self) -> bool {
        self.document.dead.iter().any(|dead| !dead.settled)
    }

    /// Every volume that may own something: members, and former ones that have not retired.
    pub(crate) fn possible_owners(&self) -> impl Iterator<Item = Server> {
        self.document.listed().filter_map(|member| {
            let incarnation = member.incarnation.parse().ok()?;
            Some(Server { name: member.name.clone(), incarnation })
        })
    }

    /// The owner of every owned point, by name.
    pub(crate) fn ownership(&self) -> ArcMap<String> {
        self.claims
            .iter()
            .filter_map(|(arc, claim)| Some((arc, self.nodes.get(claim.node)?.server.name.clone())))
            .collect()
    }

    /// What this server owns.
    pub(crate) fn owned_by(&self, server: &Server) -> ArcSet {
        self.claims.arcs_where(|claim| {
            self.nodes.get(claim.node).is_some_and(|state| state.server == *server)
        })
    }

    /// Whether the source of a handoff would still take it up. A RECEIVE that came late may name an
    /// epoch that the source has since used for another handoff of these arcs; that it refuses.
    pub(crate) fn may_give(&self, handoff: &OpenHandoff<'_>) -> bool {
        let Some(source) = self.node(&handoff.source.name) else { return false };
        let owned = source.owned.restrict(handoff.arcs);
        let is_above = owned.iter().all(|(_, epoch)| *epoch < handoff.epoch);
        let mut later = source.handoffs.iter().filter(|one| one.epoch >= handoff.epoch);
        is_above && later.all(|one| one.arcs.intersection(handoff.arcs).is_empty())
    }

    /// Arcs under an open handoff, whoever owns them. One that its source has dropped binds only
    /// its target.
    pub(crate) fn busy(&self) -> ArcSet {
        let binding = self.open.values().filter(|handoff| {
            handoff.at_source != Some(Phase::Dropped)
                || matches!(handoff.at_target, Some(Phase::Receiving | Phase::Owned))
        });
        binding.flat_map(|handoff| handoff.arcs.iter()).collect()
    }

    /// Points that no node that answered owns, and that are not on their way to one either.
    pub(crate) fn unowned(&self) -> ArcSet {
        let on_their_way = self.open.values().filter(|handoff| {
            self.presence(handoff.source) != Presence::Gone
                && self.presence(handoff.target) == Presence::Present
                && handoff.at_target.is_some()
        });
        let covered: ArcSet = on_their_way.flat_map(|handoff| handoff.arcs.iter()).collect();
        self.claims.arcs().union(&covered).complement()
    }

    /// Where each of these points went last by the records of those who gave them.
    pub(crate) fn last_given(&self, arcs: &ArcSet) -> ArcMap<(Epoch, &'a Server)> {
        let given = self.nodes.iter().flat_map(|state| state.given.iter());
        let given: Vec<(Arc, (Epoch, &Server))> =
            given.map(|(arc, given)| (arc, (given.epoch, &given.target))).collect();
        ArcMap::of_greatest(given).restrict(arcs)
    }

    /// An epoch above every one that any node has told of. Where there is none, nodes refuse it.
    pub(crate) fn next_epoch(&self) -> Epoch {
        let of_node = |state: &NodeState| {
            let owned = state.owned.iter().map(|(_, epoch)| *epoch);
            let given = state.given.iter().map(|(_, given)| given.epoch);
            let fences = state.fences.iter().map(|(_, epoch)| *epoch);
            let handoffs = state.handoffs.iter().map(|handoff| handoff.epoch);
            let all = owned.chain(given).chain(fences).chain(handoffs);
            all.fold(state.highest_epoch, Epoch::max)
        };
        let highest = self.nodes.iter().map(|state| of_node(state)).max().unwrap_or(0);
        highest.max(self.document.epoch).saturating_add(1)
    }
}

/// Whether this is the volume of the member.
pub(crate) fn is_volume(state: &NodeState, member: &Member) -> bool {
    member.is(&state.server.name, &state.server.incarnation.to_string())
}

/// What to do about a volume that is in an earlier state of itself: a member has recorded every
/// ring before it was committed. What this one owns may have gone to others since, so it is not
/// made to look up to date.
pub(crate) fn gone_back(document: &RingDocument, state: &NodeState) -> Option<String> {
    let has_gone_back = document.phase == ring::Phase::Bootstrapped
        && state.ring_epoch < document.epoch
        && document.members.iter().any(|member| is_volume(state, member));
    has_gone_back.then(|| {
        format!(
            "the volume of {} has recorded ring epoch {} before and has forgotten it: bring \
             back its latest state, or start {} with an empty volume and accept the loss of {}",
            state.server.name, document.epoch, state.server.name, state.server.incarnation
        )
    })
}

/// Whether this volume has been declared lost.
pub(crate) fn is_dead(document: &RingDocument, server: &Server) -> bool {
    document.is_dead(&server.name, &server.incarnation.to_string())
}

fn open_handoffs<'a>(nodes: &[&'a NodeState]) -> BTreeMap<HandoffId, OpenHandoff<'a>> {
    let mut all: BTreeMap<HandoffId, (OpenHandoff<'a>, bool)> = BTreeMap::new();
    for state in nodes {
        for status in &state.handoffs {
            let (handoff, is_open) =
                all.entry(status.id).or_insert_with(|| (unseen(&state.server, status), false));
            match status.role {
                Role::Source => handoff.at_source = Some(status.phase),
                Role::Target => handoff.at_target = Some(status.phase),
            }
            *is_open |= !status.finished;
        }
    }
    let open = all.into_iter().filter(|(_, (_, is_open))| *is_open);
    open.map(|(id, (handoff, _))| (id, handoff)).collect()
}

fn unseen<'a>(this: &'a Server, status: &'a HandoffStatus) -> OpenHandoff<'a> {
    let (source, target) = match status.role {
        Role::Source => (this, &status.peer),
        Role::Target => (&status.peer, this),
    };
    let (arcs, epoch) = (&status.arcs, status.epoch);
    OpenHandoff { source, target, arcs, epoch, at_source: None, at_target: None }
}
