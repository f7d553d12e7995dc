//! Pure. Whether a node may serve at all, after its own live read of the committed ring document.

use ring::{Phase, RingDocument};

use crate::decisions::{Decisions, lists_dead};
use crate::rule::Rule;
use crate::{Epoch, Server};

/// Why a node may not serve yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant says it in its message")]
pub enum NotAdmitted {
    #[error("the ring document cannot be read: {reason}")]
    Unread { reason: String },
    #[error("the ring document is of cluster {asked}; this volume belongs to {own}")]
    OtherCluster { asked: String, own: String },
    #[error("the cluster is being set up: not every member has taken its first arcs")]
    Bootstrapping,
    #[error(
        "this volume (incarnation {}) is declared dead; it never serves again",
        .server.incarnation
    )]
    Dead { server: Server },
    #[error("ring epoch {committed} is committed, {recorded} is recorded on this volume")]
    Behind { committed: Epoch, recorded: Epoch },
    #[error("the ring lists {name} with another volume, incarnation {listed}")]
    OtherIncarnation { name: String, listed: String },
}

impl Decisions {
    /// Whether this node may serve what it owns, by its own live read of the committed ring.
    ///
    /// # Errors
    /// The volume is dead, rolled back or another one, or the first ring is not complete.
    pub fn admit(&self, committed: &RingDocument) -> Result<(), NotAdmitted> {
        let own = self.cluster.to_string();
        if committed.cluster != own {
            return Err(NotAdmitted::OtherCluster { asked: committed.cluster.clone(), own });
        }
        let dead = lists_dead(committed, &self.server);
        if (dead || self.knows_dead(&self.server)) && Rule::DeadNotAdmitted.holds() {
            return Err(NotAdmitted::Dead { server: self.server.clone() });
        }
        if committed.phase != Phase::Bootstrapped && Rule::BootstrappingNotAdmitted.holds() {
            return Err(NotAdmitted::Bootstrapping);
        }
        let recorded = self.ring_epoch();
        if recorded < committed.epoch && Rule::BehindNotAdmitted.holds() {
            return Err(NotAdmitted::Behind { committed: committed.epoch, recorded });
        }
        let incarnation = self.server.incarnation.to_string();
        let mut members = committed.members.iter();
        let member = members.find(|member| member.name == self.server.name);
        match member {
            Some(member) if member.incarnation != incarnation => {
                Err(NotAdmitted::OtherIncarnation {
                    name: member.name.clone(),
                    listed: member.incarnation.clone(),
                })
            }
            Some(_) | None => Ok(()),
        }
    }
}
