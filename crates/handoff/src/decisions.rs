//! Pure. Everything that one node has durably decided, and what follows from it.
//!
//! The fields change only by the rules in `requests.rs` and `outcome.rs`; each change raises the
//! `changed` bit, which the shell honours: it makes the whole durable before it performs an
//! effect or answers.

use std::collections::BTreeMap;

use ring::{Arc, ArcMap, ArcSet, RingDocument};
use serde::{Deserialize, Serialize};

use crate::record::{Given, Handoff, Side, Trim};
use crate::rule::Rule;
use crate::source::SourceState;
use crate::target::TargetState;
use crate::{ClusterId, Epoch, HandoffId, Server, Version};

/// How many finished handoffs are remembered. Forgetting one is safe: the floor of its arcs
/// refuses its epoch, so it can start here neither as a source nor as a target again.
pub const MAX_FINISHED_HANDOFFS: usize = 64;

/// The durable record of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    pub(crate) cluster: ClusterId,
    pub(crate) server: Server,
    pub(crate) term: u64,
    pub(crate) ring: Option<RingDocument>,
    pub(crate) owned: ArcMap<Epoch>,
    pub(crate) given: ArcMap<Given>,
    pub(crate) fences: ArcMap<Epoch>,
    /// The highest epoch that each point ever had on this disk, in any role.
    pub(crate) floors: ArcMap<Epoch>,
    pub(crate) handoffs: BTreeMap<HandoffId, Handoff>,
    pub(crate) next_order: u64,
    pub(crate) trims: Vec<Trim>,
    pub(crate) granted: Option<ArcSet>,
    pub(crate) retired: Option<Epoch>,
    /// The version clock stays above this: versions that came with arcs.
    pub(crate) version_floor: Version,
    /// The expiry clock is at least this: wall clocks that came with arcs.
    pub(crate) expiry_floor_ms: u64,
    #[serde(skip)]
    changed: bool,
}

impl Decisions {
    /// A volume that is used for the first time.
    #[must_use]
    pub fn new(cluster: ClusterId, server: Server) -> Self {
        Self {
            cluster,
            server,
            term: 0,
            ring: None,
            owned: ArcMap::default(),
            given: ArcMap::default(),
            fences: ArcMap::default(),
            floors: ArcMap::default(),
            handoffs: BTreeMap::new(),
            next_order: 0,
            trims: Vec::new(),
            granted: None,
            retired: None,
            version_floor: 0,
            expiry_floor_ms: 0,
            changed: true,
        }
    }

    /// Whether something was decided since the last call. The shell makes it durable then.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(crate) const fn touch(&mut self) {
        self.changed = true;
    }

    /// The cluster whose volume this is.
    #[must_use]
    pub const fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// This server.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// The highest coordinator term seen.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.term
    }

    /// The ring document that is recorded.
    #[must_use]
    pub const fn ring(&self) -> Option<&RingDocument> {
        self.ring.as_ref()
    }

    /// Its epoch, 0 before the first.
    #[must_use]
    pub fn ring_epoch(&self) -> Epoch {
        self.ring.as_ref().map_or(0, |document| document.epoch)
    }

    /// What this node owns, and since which epoch. Frozen arcs are owned.
    #[must_use]
    pub const fn owned(&self) -> &ArcMap<Epoch> {
        &self.owned
    }

    /// What it gave away and has not got back.
    #[must_use]
    pub const fn given(&self) -> &ArcMap<Given> {
        &self.given
    }

    /// What it refuses below an epoch.
    #[must_use]
    pub const fn fences(&self) -> &ArcMap<Epoch> {
        &self.fences
    }

    /// The highest epoch that each point ever had here.
    #[must_use]
    pub const fn floors(&self) -> &ArcMap<Epoch> {
        &self.floors
    }

    /// The handoffs that are not finished, and the latest finished ones.
    #[must_use]
    pub const fn handoffs(&self) -> &BTreeMap<HandoffId, Handoff> {
        &self.handoffs
    }

    /// What is still to be deleted.
    #[must_use]
    pub fn trims(&self) -> &[Trim] {
        &self.trims
    }

    /// Whether it has taken the one bootstrap grant of its life.
    #[must_use]
    pub const fn granted(&self) -> bool {
        self.granted.is_some()
    }

    /// The ring epoch at which it retired.
    #[must_use]
    pub const fn retired(&self) -> Option<Epoch> {
        self.retired
    }

    /// The version clock must stay above this.
    #[must_use]
    pub const fn version_floor(&self) -> Version {
        self.version_floor
    }

    /// The expiry clock must be at least this.
    #[must_use]
    pub const fn expiry_floor_ms(&self) -> u64 {
        self.expiry_floor_ms
    }

    /// The highest epoch of anything on this disk.
    #[must_use]
    pub fn highest_epoch(&self) -> Epoch {
        let maps = [&self.owned, &self.fences, &self.floors];
        maps.into_iter().flat_map(ArcMap::iter).map(|(_, epoch)| *epoch).max().unwrap_or(0)
    }

    /// Owned arcs on which commands are held.
    #[must_use]
    pub fn frozen(&self) -> ArcSet {
        self.arcs_of(|side| matches!(side, Side::Source(SourceState::Frozen)))
    }

    /// Owned arcs in which every removal must leave a tombstone, and no tombstone may go: a stream
    /// that is resumed, frozen or not, sends those that the target has not confirmed.
    #[must_use]
    pub fn captured(&self) -> ArcSet {
        self.arcs_of(|side| matches!(side, Side::Source(state) if state.is_open()))
    }

    /// What this node serves once it is admitted: owned and not frozen.
    #[must_use]
    pub fn serving(&self) -> ArcSet {
        self.owned.arcs().subtract(&self.frozen())
    }

    /// Whether the recorded ring document lists this server's incarnation as a member.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.ring.as_ref().is_some_and(|document| lists(document, &self.server))
    }

    /// Whether the recorded ring document says that the server is dead.
    #[must_use]
    pub fn knows_dead(&self, server: &Server) -> bool {
        self.ring.as_ref().is_some_and(|document| lists_dead(document, server))
    }

    fn arcs_of(&self, fits: impl Fn(Side) -> bool) -> ArcSet {
        let fitting = self.handoffs.values().filter(|handoff| fits(handoff.side));
        fitting.flat_map(|handoff| handoff.arcs.iter()).collect()
    }

    /// The open handoff over any of the arcs.
    pub(crate) fn open_over(&self, arcs: &ArcSet) -> Option<HandoffId> {
        let binds = |handoff: &Handoff| match handoff.side {
            Side::Target(TargetState::Owned) => Rule::SettledBeforeNext.holds(),
            side => side.is_open() && Rule::OneOpenHandoff.holds(),
        };
        let mut open = self.handoffs.iter().filter(|(_, handoff)| binds(handoff));
        open.find(|(_, handoff)| overlap(&handoff.arcs, arcs)).map(|(id, _)| *id)
    }

    pub(crate) fn n_open(&self) -> usize {
        self.handoffs.values().filter(|handoff| handoff.side.is_open()).count()
    }

    /// The highest epoch that any point of the arcs ever had on this disk.
    pub(crate) fn highest_over(&self, arcs: &ArcSet) -> Epoch {
        let maps = [&self.owned, &self.floors];
        maps.into_iter().map(|map| highest_in(map, arcs)).max().unwrap_or(0)
    }

    /// Remembers that the arcs had this epoch here. A floor never falls.
    pub(crate) fn raise_floor(&mut self, arcs: &ArcSet, epoch: Epoch) {
        raise(&mut self.floors, arcs, epoch);
    }

    pub(crate) fn add_handoff(&mut self, id: HandoffId, side: Side, terms: &Terms) {
        self.raise_floor(&terms.arcs, terms.epoch);
        let handoff = Handoff {
            side,
            peer: terms.peer.clone(),
            arcs: terms.arcs.clone(),
            epoch: terms.epoch,
            order: self.next_order,
            moved: crate::Moved::default(),
        };
        self.next_order += 1;
        self.handoffs.insert(id, handoff);
        self.forget_finished();
        self.touch();
    }

    /// Keeps the latest finished handoffs; those that still bind somebody are never forgotten.
    pub(crate) fn forget_finished(&mut self) {
        let finished = self.handoffs.iter().filter(|(_, handoff)| handoff.side.is_finished());
        let mut finished: Vec<(u64, HandoffId)> =
            finished.map(|(id, handoff)| (handoff.order, *id)).collect();
        finished.sort_unstable();
        let n_excess = finished.len().saturating_sub(MAX_FINISHED_HANDOFFS);
        for (_, id) in finished.into_iter().take(n_excess) {
            self.handoffs.remove(&id);
        }
    }

    /// Arcs that come back are not trimmed any more.
    pub(crate) fn stop_trims(&mut self, arcs: &ArcSet) {
        for trim in &mut self.trims {
            trim.arcs = trim.arcs.subtract(arcs);
        }
        self.trims.retain(|trim| !trim.arcs.is_empty());
    }
}

/// What both sides of a handoff agree on, besides its name. The source repeats it in its
/// greeting, so that a target can refuse for ever a handoff that it never heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The other side.
    pub peer: Server,
    /// What moves.
    pub arcs: ArcSet,
    /// The epoch at which the target will own it.
    pub epoch: Epoch,
}

impl Handoff {
    /// Whether this is the handoff of these terms, on this kind of side.
    pub(crate) fn agrees(&self, terms: &Terms) -> bool {
        self.peer == terms.peer && self.arcs == terms.arcs && self.epoch == terms.epoch
    }

    /// The state, if this node is the source.
    #[must_use]
    pub const fn source(&self) -> Option<SourceState> {
        match self.side {
            Side::Source(state) => Some(state),
            Side::Target(_) => None,
        }
    }

    /// The state, if this node is the target.
    #[must_use]
    pub const fn target(&self) -> Option<TargetState> {
        match self.side {
            Side::Target(state) => Some(state),
            Side::Source(_) => None,
        }
    }
}

pub(crate) fn lists(document: &RingDocument, server: &Server) -> bool {
    let incarnation = server.incarnation.to_string();
    document.members.iter().any(|member| member.is(&server.name, &incarnation))
}

pub(crate) fn lists_dead(document: &RingDocument, server: &Server) -> bool {
    let incarnation = server.incarnation.to_string();
    document.dead.iter().any(|dead| dead.name == server.name && dead.incarnation == incarnation)
}

pub(crate) fn overlap(left: &ArcSet, right: &ArcSet) -> bool {
    !left.intersection(right).is_empty()
}

pub(crate) fn first_arc(arcs: &ArcSet) -> Option<Arc> {
    arcs.iter().next()
}

pub(crate) fn highest_in(map: &ArcMap<Epoch>, arcs: &ArcSet) -> Epoch {
    map.restrict(arcs).iter().map(|(_, epoch)| *epoch).max().unwrap_or(0)
}

/// Raises every point of the arcs to at least this epoch.
pub(crate) fn raise(map: &mut ArcMap<Epoch>, arcs: &ArcSet, epoch: Epoch) {
    let higher = map.restrict(arcs).arcs_where(|at| *at >= epoch);
    for arc in arcs.subtract(&higher).iter() {
        map.insert(arc, epoch);
    }
}
