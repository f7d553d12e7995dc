//! Pure. Fingerprints of states. Two states with the same fingerprint have the same future: what is
//! left out (in which order a node learnt of its handoffs) decides nothing before
//! `handoff::MAX_FINISHED_HANDOFFS` are finished.

use std::hash::{DefaultHasher, Hash, Hasher};

use handoff::invariants::Records;
use handoff::{Decisions, Given, Handoff, Terms};
use node_api::Change;
use ring::{ArcMap, ArcSet, RingDocument};

use crate::network::{Link, Request};
use crate::node::{Node, Store};

/// Whatever has a canonical form.
pub trait Print {
    /// Feeds the canonical form to the hasher.
    fn print<H: Hasher>(&self, to: &mut H);
}

/// The fingerprint of one value.
pub(crate) fn fingerprint(value: &impl Print) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.print(&mut hasher);
    hasher.finish()
}

impl Print for u64 {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.hash(to);
    }
}

impl Print for ArcSet {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.len().hash(to);
        for arc in self.iter() {
            arc.hash(to);
        }
    }
}

impl<V: Print + Clone + PartialEq> Print for ArcMap<V> {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.len().hash(to);
        for (arc, value) in self.iter() {
            arc.hash(to);
            value.print(to);
        }
    }
}

impl Print for Given {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.epoch.hash(to);
        self.target.incarnation.hash(to);
    }
}

impl Print for RingDocument {
    fn print<H: Hasher>(&self, to: &mut H) {
        (self.epoch, self.term, self.phase == ring::Phase::Bootstrapped).hash(to);
        for members in [&self.members, &self.leaving] {
            members.len().hash(to);
            for member in members {
                member.incarnation.hash(to);
            }
        }
        for dead in &self.dead {
            (&dead.incarnation, dead.settled).hash(to);
        }
    }
}

impl Print for Handoff {
    fn print<H: Hasher>(&self, to: &mut H) {
        match self.side {
            handoff::Side::Source(state) => (0, state).hash(to),
            handoff::Side::Target(state) => (1, state).hash(to),
        }
        self.peer.incarnation.hash(to);
        self.arcs.print(to);
        self.epoch.hash(to);
    }
}

impl Print for Terms {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.peer.incarnation.hash(to);
        self.arcs.print(to);
        self.epoch.hash(to);
    }
}

impl Print for Decisions {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.server().incarnation.hash(to);
        (self.term(), self.granted(), self.retired()).hash(to);
        (self.version_floor(), self.expiry_floor_ms()).hash(to);
        if let Some(document) = self.ring() {
            document.print(to);
        }
        self.owned().print(to);
        self.given().print(to);
        self.fences().print(to);
        self.floors().print(to);
        self.handoffs().len().hash(to);
        for (id, handoff) in self.handoffs() {
            id.hash(to);
            handoff.print(to);
        }
        self.trims().len().hash(to);
        for trim in self.trims() {
            (trim.id, trim.kind == handoff::TrimKind::Records, trim.max_version).hash(to);
            trim.arcs.print(to);
        }
    }
}

impl Print for Records {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.len().hash(to);
        for ((point, _), stored) in self {
            (point, stored.version, stored.live).hash(to);
        }
    }
}

impl Print for Store {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.records.print(to);
        self.notes.hash(to);
    }
}

impl Print for Node {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.decisions.print(to);
        self.store.print(to);
        let synced = self.disk == self.store;
        synced.hash(to);
        if !synced {
            self.disk.print(to);
        }
        (self.clock, self.durable, self.up, self.admitted).hash(to);
        for (id, sending) in &self.sending {
            id.hash(to);
            (sending.base, &sending.stream, sending.held).hash(to);
            (sending.end_clock, sending.wants_decision, sending.has_asked).hash(to);
            sending.queue.len().hash(to);
            for (point, stored) in &sending.queue {
                (point, stored.version, stored.live).hash(to);
            }
        }
    }
}

impl Print for Request {
    fn print<H: Hasher>(&self, to: &mut H) {
        (&self.to, self.term).hash(to);
        self.change.print(to);
    }
}

impl Print for Change {
    fn print<H: Hasher>(&self, to: &mut H) {
        self.name().hash(to);
        match self {
            Self::Term => {}
            Self::Ring(document) => document.print(to),
            Self::Grant { arcs, epoch, ring_epoch } => {
                (epoch, ring_epoch).hash(to);
                arcs.print(to);
            }
            Self::Fence { arcs, epoch } => {
                epoch.hash(to);
                arcs.print(to);
            }
            Self::Receive { id, terms } | Self::Give { id, terms } => {
                id.hash(to);
                terms.print(to);
            }
            Self::Cancel { id } => id.hash(to),
            Self::Retire { ring_epoch } => ring_epoch.hash(to),
            Self::Peers(peers) => peers.addresses.hash(to),
        }
    }
}

impl Print for Box<Request> {
    fn print<H: Hasher>(&self, to: &mut H) {
        Request::print(self, to);
    }
}

impl Print for Link {
    fn print<H: Hasher>(&self, to: &mut H) {
        (self.id, self.source, self.target.incarnation).hash(to);
        self.terms.print(to);
        self.frames.len().hash(to);
        for frame in &self.frames {
            frame.hash(to);
        }
        (&self.answers, self.at_source, self.at_target).hash(to);
    }
}
