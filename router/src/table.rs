//! Pure. The routing table: who serves which point, merged from what the servers say of
//! themselves. Of two claims to a point the higher epoch is the later one. A table is only a
//! hint; a server decides itself whether it may answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc as Shared;

use handoff::{Epoch, Incarnation};
use node_api::{Membership, NodeView};
use ring::{Arc, ArcMap, Point, Ring};

/// The most bits of a point that the index looks at.
const INDEX_BITS_MAX: u32 = 16;

/// A server's place in [`Table::nodes`].
pub(crate) type NodeIndex = u32;

/// A server as a router reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name in the ring.
    pub(crate) name: Shared<str>,
    /// Its RESP address.
    pub(crate) address: Shared<str>,
    /// Its volume, where it is known.
    pub(crate) incarnation: Option<Incarnation>,
}

/// Who serves a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The server of the newest claim.
    Claimed {
        /// Which server.
        node: NodeIndex,
        /// Since which epoch.
        epoch: Epoch,
        /// Whether it holds commands until a handoff is decided.
        frozen: bool,
    },
    /// Nobody claims it. By the ring document it is this server's, which may not know it yet.
    Unknown {
        /// The server that the ring document names, if it is there.
        expected: Option<NodeIndex>,
    },
}

/// Neighbouring points with the same owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Which points.
    pub(crate) arc: Arc,
    /// Who serves them.
    pub(crate) owner: Owner,
}

/// Who serves which point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// The cluster, as in the ring document; empty before the first membership.
    pub(crate) cluster: Shared<str>,
    /// The epoch of the ring document.
    pub(crate) ring_epoch: Epoch,
    /// The servers, by name.
    pub(crate) nodes: Vec<Node>,
    /// The whole ring, in point order.
    segments: Vec<Segment>,
    /// For each value of the top bits of a point the segment of the first such point.
    index: Vec<u32>,
    index_bits: u32,
}

impl Default for Table {
    fn default() -> Self {
        let unknown = Segment { arc: Arc::FULL, owner: Owner::Unknown { expected: None } };
        Self::from_segments("".into(), 0, Vec::new(), vec![unknown])
    }
}

impl Table {
    /// Merges what is known. Views of servers that are not in the membership are ignored, as they
    /// cannot be reached; so are views of incarnations that are dead or were replaced. A server
    /// that is in no ring and serves nothing is left alone: it has only begun, or is about to end.
    pub(crate) fn build(membership: &Membership, views: &BTreeMap<String, NodeView>) -> Self {
        let document = &membership.document;
        let node = |(name, addresses): (&String, &node_api::ServerAddresses)| {
            let mut listed = document.member(name).into_iter().chain(&document.leaving);
            let of_document = listed.find(|member| member.name == *name);
            let of_document = of_document.and_then(|member| member.incarnation.parse().ok());
            let of_view = views.get(name).map(|view| view.server.incarnation);
            Node {
                name: name.as_str().into(),
                address: addresses.resp.as_str().into(),
                incarnation: of_document.or(of_view),
            }
        };
        let takes_part = |name: &str| {
            document.lists(name) || views.get(name).is_some_and(|view| !view.arcs.is_empty())
        };
        let servers = membership.servers.iter().filter(|(name, _)| takes_part(name));
        let nodes: Vec<Node> = servers.map(node).collect();
        let valid = nodes.iter().zip(0..).filter_map(|(node, index)| {
            let view = views.get(&*node.name)?;
            let incarnation = view.server.incarnation;
            let dead = document.is_dead(&node.name, &incarnation.to_string());
            (!dead && node.incarnation == Some(incarnation)).then_some((index, view))
        });
        let claims: Vec<ClaimOf> = valid
            .flat_map(|(node, view)| {
                view.arcs.iter().map(move |(arc, claim)| ClaimOf {
                    arc,
                    epoch: claim.epoch,
                    node,
                    frozen: claim.frozen,
                })
            })
            .collect();
        let expected =
            || Ring::from_document(document).map(|ring| ring.assignment()).unwrap_or_default();
        let segments = fill(merge(&claims), expected, &nodes);
        Self::from_segments(document.cluster.as_str().into(), document.epoch, nodes, segments)
    }

    /// `segments` cover the ring in point order.
    pub(crate) fn from_segments(
        cluster: Shared<str>,
        ring_epoch: Epoch,
        nodes: Vec<Node>,
        segments: Vec<Segment>,
    ) -> Self {
        debug_assert!(segments.first().is_some_and(|first| first.arc.start() == Point::MIN));
        debug_assert!(segments.last().is_some_and(|last| last.arc.last() == Point::MAX));
        let bits = (usize::BITS - segments.len().leading_zeros()).saturating_add(1);
        let index_bits = bits.clamp(4, INDEX_BITS_MAX);
        let index = (0..1_u128 << index_bits)
            .map(|top| {
                let point = Point(top << (128 - index_bits));
                let after = segments.partition_point(|segment| segment.arc.start() <= point);
                u32::try_from(after.saturating_sub(1)).unwrap_or(u32::MAX)
            })
            .collect();
        Self { cluster, ring_epoch, nodes, segments, index, index_bits }
    }

    /// The segment that holds the point.
    pub(crate) fn segment(&self, point: Point) -> &Segment {
        let top = (point.0 >> (128 - self.index_bits)) as usize;
        let first = self.index.get(top).map_or(0, |at| *at as usize);
        let end = self.index.get(top + 1).map_or(self.segments.len(), |at| *at as usize + 1);
        let among = self.segments.get(first..end).unwrap_or_default();
        let after = among.partition_point(|segment| segment.arc.start() <= point);
        let found = among.get(after.saturating_sub(1));
        found.unwrap_or_else(|| unreachable!("the segments of a table cover the ring"))
    }

    /// The segments in point order.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The server at that place.
    pub(crate) fn node(&self, index: NodeIndex) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    /// Whether commands go the same ways by both.
    pub(crate) fn routes_as(&self, other: &Self) -> bool {
        self.cluster == other.cluster
            && self.nodes == other.nodes
            && self.segments == other.segments
    }

    /// How many segments hold their commands until a handoff is decided.
    pub(crate) fn frozen_segments(&self) -> usize {
        let frozen =
            |segment: &&Segment| matches!(segment.owner, Owner::Claimed { frozen: true, .. });
        self.segments.iter().filter(frozen).count()
    }

    /// Whether every point has an owner.
    pub(crate) fn is_complete(&self) -> bool {
        self.segments.iter().all(|segment| matches!(segment.owner, Owner::Claimed { .. }))
    }
}

#[derive(Clone, Copy, Debug)]
struct ClaimOf {
    arc: Arc,
    epoch: Epoch,
    node: NodeIndex,
    frozen: bool,
}

/// A claimed part: who, since when, frozen or not.
type Claimed = (NodeIndex, Epoch, bool);

/// The newest claim of every claimed point, in point order. Of claims of one epoch, which only a
/// bug could bring, the first server by name wins, so that all routers agree.
fn merge(claims: &[ClaimOf]) -> Vec<(Arc, Claimed)> {
    let mut by_start: Vec<&ClaimOf> = claims.iter().collect();
    by_start.sort_unstable_by_key(|claim| claim.arc.start());
    let mut ends: BTreeSet<Point> = BTreeSet::new();
    for claim in claims {
        ends.insert(claim.arc.start());
        ends.extend(claim.arc.last().next());
    }
    let mut active = BinaryHeap::new();
    let mut waiting = by_start.into_iter().peekable();
    let mut parts = Vec::with_capacity(ends.len());
    let mut bounds = ends.iter().copied().peekable();
    while let Some(start) = bounds.next() {
        while let Some(claim) = waiting.next_if(|claim| claim.arc.start() <= start) {
            active.push((claim.epoch, Reverse(claim.node), claim.arc.last(), claim.frozen));
        }
        while active.peek().is_some_and(|(_, _, last, _)| *last < start) {
            active.pop();
        }
        let last = bounds.peek().and_then(|next| next.previous()).unwrap_or(Point::MAX);
        if let Some((epoch, Reverse(node), _, frozen)) = active.peek()
            && let Some(arc) = Arc::new(start, last)
        {
            parts.push((arc, (*node, *epoch, *frozen)));
        }
    }
    parts
}

/// Joins neighbours and fills what nobody claims with the server that the document names;
/// `expected` is asked only where something is not claimed.
fn fill(
    claimed: Vec<(Arc, Claimed)>,
    expected: impl Fn() -> ArcMap<String>,
    nodes: &[Node],
) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::with_capacity(claimed.len());
    let mut push = |arc: Arc, owner: Owner| match segments.last_mut() {
        Some(last) if last.owner == owner => {
            if let Some(joined) = Arc::new(last.arc.start(), arc.last()) {
                last.arc = joined;
            }
        }
        _ => segments.push(Segment { arc, owner }),
    };
    let index_of = |name: &String| {
        let at = nodes.binary_search_by(|node| (*node.name).cmp(name.as_str())).ok()?;
        NodeIndex::try_from(at).ok()
    };
    let expected = std::cell::LazyCell::new(expected);
    let gap = |arc: Arc, push: &mut dyn FnMut(Arc, Owner)| {
        let mut from = Some(arc.start());
        while let Some(start) = from {
            let entry = expected.entry(start);
            let last = entry.map_or(arc.last(), |(entry, _)| entry.last().min(arc.last()));
            let node = entry.and_then(|(_, name)| index_of(name));
            if let Some(part) = Arc::new(start, last) {
                push(part, Owner::Unknown { expected: node });
            }
            from = last.next().filter(|next| *next <= arc.last());
        }
    };
    let mut from = Some(Point::MIN);
    for (arc, (node, epoch, frozen)) in claimed {
        if let Some(hole) =
            from.zip(arc.start().previous()).and_then(|(start, last)| Arc::new(start, last))
        {
            gap(hole, &mut push);
        }
        push(arc, Owner::Claimed { node, epoch, frozen });
        from = arc.last().next();
    }
    if let Some(hole) = from.and_then(|start| Arc::new(start, Point::MAX)) {
        gap(hole, &mut push);
    }
    segments
}

#[cfg(test)]
mod tests;
