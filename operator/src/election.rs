//! Shell. One operator acts at a time: the holder of a Lease.
//!
//! A lease alone never protects data, since two processes can believe for a moment that they hold
//! it. The term of the ring document does: nodes refuse whoever has a lower one.

use anyhow::Context as _;
use kube::Client;
use kube_lease_manager::{LeaseCreateMode, LeaseManager, LeaseManagerBuilder};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;

/// The name of the Lease.
const LEASE: &str = "ringkv-operator";
/// After so many seconds without a sign of life of its holder the lease is free.
const DURATION_SECONDS: u64 = 15;
/// So many seconds before that, its holder renews it.
const GRACE_SECONDS: u64 = 5;

/// A candidate for the lead, or the leader.
pub(crate) struct Candidate {
    leads: watch::Receiver<bool>,
    manager: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
}

impl Candidate {
    /// Stands for election.
    pub(crate) async fn new(client: Client, config: &Config) -> anyhow::Result<Self> {
        let manager = LeaseManagerBuilder::new(client, LEASE)
            .with_namespace(&config.own_namespace)
            .with_identity(&config.identity)
            .with_duration(DURATION_SECONDS)
            .with_grace(GRACE_SECONDS)
            .with_create_mode(LeaseCreateMode::AutoCreate)
            .build()
            .await
            .context("stand for election")?;
        let (leads, manager) = manager.watch().await;
        Ok(Self { leads, manager })
    }

    /// Ends when this process leads.
    pub(crate) async fn elected(&mut self) -> anyhow::Result<()> {
        self.leads.wait_for(|leads| *leads).await.context("the election ended by itself")?;
        Ok(())
    }

    /// Ends when this process leads no more.
    pub(crate) async fn deposed(&mut self) {
        let _ = self.leads.wait_for(|leads| !*leads).await;
    }

    /// Gives the lead away, if it has it, so that the next one need not wait.
    pub(crate) async fn resign(self) {
        drop(self.leads);
        match self.manager.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot give the lease away; it runs out"),
            Err(error) => tracing::warn!(%error, "the election ended by itself"),
        }
    }
}
