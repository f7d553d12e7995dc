//! Pure. What is on its way. Requests of coordinators may be lost, doubled, overtaken and come
//! arbitrarily late: whatever was sent can be delivered at any time, any number of times. The
//! connection of a handoff keeps its order, and may break after any frame in either direction; what
//! a source had sent on an older one can still come after a newer one was opened.

use handoff::invariants::Stored;
use handoff::{Cursor, HandoffId, Head, Server, SourceState, TargetEvent, Terms, Version};
use node_api::Change;
use ring::Point;

/// A request that was sent. It goes to an address, so to whatever volume is there by then; its head
/// names the one that it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The volume that it is for; its name is the address.
    pub to: Server,
    /// The term of the coordinator that sent it.
    pub term: u64,
    /// What it asks.
    pub change: Change,
    /// What the coordinator asks of another node once this is accepted: GIVE comes after RECEIVE.
    pub and_then: Option<Box<Request>>,
}

impl Request {
    pub(crate) fn new(term: u64, (to, change): (Server, Change)) -> Self {
        Self { to, term, change, and_then: None }
    }

    pub(crate) const fn head(&self) -> Head {
        Head { term: self.term, incarnation: self.to.incarnation }
    }
}

/// What a source says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// The first on each connection: how the source stands.
    Hello(Standing),
    /// Records, and what has been sent all of with them.
    Piece(Vec<(Point, Stored)>, Option<Cursor>),
    /// The stream is complete up to this cursor.
    End(Cursor, Version),
    /// Decide at once.
    DecideNow,
    /// GIVEN is recorded.
    Given,
    /// DROPPED is recorded.
    Dropped,
}

/// How a source stands when it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It copies.
    Copying,
    /// Its arcs are frozen.
    Frozen,
    /// It knows that the target owns the arcs.
    Given,
    /// It has dropped the handoff.
    Dropped,
}

impl Standing {
    pub(crate) const fn of(state: SourceState) -> Self {
        match state {
            SourceState::Copying => Self::Copying,
            SourceState::Frozen => Self::Frozen,
            SourceState::Given | SourceState::GivenSettled => Self::Given,
            SourceState::Dropped | SourceState::DroppedSettled => Self::Dropped,
        }
    }

    pub(crate) const fn event(self) -> TargetEvent {
        match self {
            Self::Copying => TargetEvent::Hello,
            Self::Frozen => TargetEvent::Decide,
            Self::Given => TargetEvent::Given,
            Self::Dropped => TargetEvent::Dropped,
        }
    }
}

/// What a target answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It owns the arcs by this handoff.
    Yes,
    /// It never will.
    No,
    /// It has this much on disk.
    NotYet(Cursor),
    /// It has recorded what it was told.
    Settled,
}

/// How the target's end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetEnd {
    /// The greeting is on its way.
    Pending,
    /// The target takes frames from it.
    Current,
    /// Nothing is taken from it any more.
    Closed,
}

/// One connection of a source to its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Of which handoff.
    pub id: HandoffId,
    /// The source, an index into the nodes.
    pub source: usize,
    /// The target, as the source knows it.
    pub target: Server,
    /// The terms as the greeting names them to the target.
    pub terms: Terms,
    /// Sent and not taken.
    pub frames: Vec<Frame>,
    /// Answered and not heard.
    pub answers: Vec<Answer>,
    /// Whether the source still listens.
    pub at_source: bool,
    /// The other end.
    pub at_target: TargetEnd,
}

impl Link {
    /// Whether the source would find out that nothing more comes.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.at_target == TargetEnd::Closed && self.answers.is_empty()
    }

    /// The target reads no more of it.
    pub(crate) fn close_target(&mut self) {
        self.at_target = TargetEnd::Closed;
        self.frames.clear();
    }
}

/// All connections, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Links(pub Vec<Link>);

impl Links {
    /// The connection on which the source of the handoff listens.
    pub(crate) fn of_source(&mut self, source: usize, id: HandoffId) -> Option<&mut Link> {
        let mut links = self.0.iter_mut();
        links.find(|link| link.at_source && link.source == source && link.id == id)
    }

    /// The connection from which the target takes frames.
    pub(crate) fn of_target(&mut self, target: &Server, id: HandoffId) -> Option<&mut Link> {
        let mut links = self.0.iter_mut();
        let current = |link: &&mut Link| link.at_target == TargetEnd::Current;
        links.find(|link| link.id == id && link.target == *target && current(link))
    }

    pub(crate) fn close_source(&mut self, source: usize, id: HandoffId) {
        for link in self.0.iter_mut().filter(|link| link.source == source && link.id == id) {
            link.at_source = false;
            link.answers.clear();
        }
    }

    /// Both ends at a node that stops.
    pub(crate) fn close_all(&mut self, node: usize, server: &Server) {
        for link in &mut self.0 {
            if link.source == node {
                link.at_source = false;
                link.answers.clear();
            }
            if link.target == *server {
                link.close_target();
            }
        }
    }

    /// Forgets what nobody will read. Of closed connections with unread frames so many are kept
    /// for each handoff; what was on others is lost.
    pub(crate) fn forget_read(&mut self, n_stale: usize) {
        self.0.retain(|link| {
            let is_unread = link.at_target != TargetEnd::Closed && !link.frames.is_empty();
            link.at_source || is_unread
        });
        let mut seen: Vec<HandoffId> = Vec::new();
        let mut index = self.0.len();
        while index > 0 {
            index -= 1;
            let link = &self.0[index];
            if link.at_source {
                continue;
            }
            let id = link.id;
            if seen.iter().filter(|known| **known == id).count() >= n_stale {
                self.0.remove(index);
            } else {
                seen.push(id);
            }
        }
    }
}
