//! Shell. The test as the coordinator of some servers: makes a ring of them, and publishes it.

use anyhow::Context;
use node_api::Change;
use ring::{Placement, Ring, RingDocument};

use super::publisher::Publisher;
use crate::server::{CLUSTER, Server};

/// There is only one coordinator here.
pub const TERM: u64 = 1;
/// Tokens of each server: some arcs each, as in a real ring.
const VIRTUAL_NODES: u16 = 8;

/// See the module.
pub struct Coordinator {
    publisher: Publisher,
    document: Option<RingDocument>,
}

impl Coordinator {
    /// Listens; there is no ring yet.
    ///
    /// # Errors
    /// No port.
    pub async fn start() -> anyhow::Result<Self> {
        Ok(Self { publisher: Publisher::start().await?, document: None })
    }

    /// Where servers read the ring document, `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.publisher.address()
    }

    /// Makes a ring of servers that run and are new, or have been through a part of this before
    /// they crashed. They serve afterwards.
    ///
    /// # Errors
    /// A server does not take part.
    pub async fn bootstrap(&mut self, servers: &mut [&mut Server]) -> anyhow::Result<()> {
        let mut members = Vec::new();
        // The second document is committed once every grant is on record.
        let mut is_begun = false;
        for server in servers.iter_mut() {
            let state = server.wait_answers().await?;
            is_begun |= state.ring_epoch > 1;
            members.push((state.server.name, state.server.incarnation.to_string()));
        }
        let names = members.iter().map(|(name, incarnation)| (&**name, &**incarnation));
        let first = RingDocument::bootstrap(CLUSTER, Placement::Balanced, VIRTUAL_NODES, names)?;
        let owners = Ring::from_document(&first)?.assignment();
        for server in servers.iter().filter(|_| !is_begun) {
            let arcs = owners.arcs_where(|owner| owner == server.name());
            server.change(TERM, Change::Ring(first.clone())).await?;
            server.change(TERM, Change::Grant { arcs, epoch: 1, ring_epoch: 1 }).await?;
        }
        self.document = Some(first);
        let shared: Vec<&Server> = servers.iter().map(|server| &**server).collect();
        let next = self.document.as_ref().context("no ring")?.bootstrapped();
        self.commit(next, &shared).await?;
        for server in servers.iter_mut() {
            server.wait_serves().await?;
        }
        Ok(())
    }

    /// Commits the next epoch of the ring: a decision of every server.
    ///
    /// # Errors
    /// A server does not take it.
    pub async fn next_ring(&mut self, servers: &[&Server]) -> anyhow::Result<()> {
        let document = self.document.as_ref().context("no ring")?;
        let next = RingDocument { epoch: document.epoch + 1, ..document.clone() };
        self.commit(next, servers).await
    }

    /// Goes on with the ring of another one.
    ///
    /// # Errors
    /// That one has none.
    pub fn adopt(&mut self, other: &Self) -> anyhow::Result<()> {
        self.document.clone_from(&other.document);
        self.publisher.publish(self.document.as_ref().context("no ring")?)
    }

    async fn commit(&mut self, next: RingDocument, servers: &[&Server]) -> anyhow::Result<()> {
        self.document = Some(next.clone());
        for server in servers {
            server.change(TERM, Change::Ring(next.clone())).await?;
        }
        self.publisher.publish(&next)
    }
}
