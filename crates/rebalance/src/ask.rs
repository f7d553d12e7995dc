//! Pure. What an action asks, of which volume: whatever else is at its address by then refuses it.

use handoff::{MAX_TERM, Server, Terms};
use node_api::{Change, Peers};
use ring::RingDocument;

use crate::plan::{Action, Handoff};

impl Action {
    /// What is asked of whom, by the coordinator that knows this document and these addresses. For
    /// a new handoff that is RECEIVE; [`Handoff::give`] comes once it is accepted.
    #[must_use]
    pub fn ask(self, document: &RingDocument, peers: &Peers) -> (Server, Change) {
        match self {
            Self::SetTerm { server } => (server, Change::Term),
            Self::RecordRing { server } => (server, Change::Ring(document.clone())),
            Self::PushPeers { server } => (server, Change::Peers(peers.clone())),
            Self::Grant { server, arcs, epoch, ring_epoch } => {
                (server, Change::Grant { arcs, epoch, ring_epoch })
            }
            Self::Fence { server, arcs, epoch } => (server, Change::Fence { arcs, epoch }),
            Self::Start(handoff) => handoff.receive(),
            Self::Give(handoff) => handoff.give(),
            Self::Cancel { server, id } => (server, Change::Cancel { id }),
            Self::Retire { server } => (server, Change::Retire { ring_epoch: document.epoch }),
        }
    }
}

impl Handoff {
    /// What is asked of its target.
    #[must_use]
    pub fn receive(&self) -> (Server, Change) {
        let terms = self.terms(&self.source);
        (self.target.clone(), Change::Receive { id: self.id, terms })
    }

    /// What is asked of its source, once its target has accepted it.
    #[must_use]
    pub fn give(&self) -> (Server, Change) {
        let terms = self.terms(&self.target);
        (self.source.clone(), Change::Give { id: self.id, terms })
    }

    fn terms(&self, peer: &Server) -> Terms {
        Terms { peer: peer.clone(), arcs: self.arcs.clone(), epoch: self.epoch }
    }
}

/// The term above one that has been seen, if there is one.
pub(crate) fn term_above(seen: u64) -> Result<u64, String> {
    if seen < MAX_TERM {
        return Ok(seen + 1);
    }
    Err(format!(
        "a server or the ring document has term {seen}, and the highest is {MAX_TERM}: it has been \
         made up; copy the data to a new cluster"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_end_at_the_highest() {
        assert_eq!(term_above(0), Ok(1));
        assert_eq!(term_above(MAX_TERM - 1), Ok(MAX_TERM));
        for seen in [MAX_TERM, MAX_TERM + 1, u64::MAX] {
            assert!(term_above(seen).unwrap_err().contains(&seen.to_string()));
        }
    }
}
