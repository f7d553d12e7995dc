//! Shell. The handle to a running coordinator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use handoff::Server;
use node_api::{Membership, NodeClient, ServerAddresses};
use shell::clock::SystemClock;
use tokio::sync::watch;

use crate::config::CoordinatorConfig;
use crate::count::Counts;
use crate::driver::{Driver, Facts};
use crate::status::{Change, ChangeError, ClusterState, Preview, ServerRole, Status};
use crate::store::{RingStore, RingStoreError};
use crate::wish::Wish;

/// Every server whose process exists, and where it is reached now. Whoever starts and stops the
/// servers keeps the sending side, and changes it when a server has another address.
pub type Directory = watch::Receiver<BTreeMap<String, ServerAddresses>>;

/// A running coordinator. Clones are handles to the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Coordinator {
    shared: Arc<Shared>,
    _alive: Arc<watch::Sender<()>>,
}

/// What handles and the driver share.
pub(crate) struct Shared {
    pub(crate) config: CoordinatorConfig,
    pub(crate) client: NodeClient,
    pub(crate) wish: watch::Sender<Wish>,
    pub(crate) status: watch::Sender<Arc<Status>>,
    pub(crate) membership: watch::Sender<Option<Arc<Membership>>>,
    pub(crate) wanted: watch::Sender<BTreeSet<String>>,
    pub(crate) removable: watch::Sender<BTreeSet<String>>,
    pub(crate) facts: Mutex<Arc<Facts>>,
    pub(crate) counts: Mutex<Counts>,
    pub(crate) counting: tokio::sync::Mutex<()>,
    pub(crate) planning: tokio::sync::Mutex<()>,
    pub(crate) clock: SystemClock,
}

impl Coordinator {
    /// Reads the ring document and begins to work, on the current tokio runtime.
    ///
    /// # Errors
    /// Where the ring document cannot be read, or belongs to another cluster.
    pub async fn start<S: RingStore>(
        config: CoordinatorConfig,
        store: S,
        directory: Directory,
    ) -> Result<Self, RingStoreError> {
        let document = store.load().await?;
        let own = config.cluster.to_string();
        if let Some(other) = document.as_ref().filter(|document| document.cluster != own) {
            return Err(RingStoreError::OtherCluster { found: other.cluster.clone(), own });
        }
        let members = match &document {
            Some(document) => document.members.iter().map(|one| one.name.clone()).collect(),
            None => config.initial_members.clone(),
        };
        let leavers = document.iter().flat_map(|document| &document.leaving);
        let wish = Wish {
            members,
            leavers: leavers.map(|one| one.name.clone()).collect(),
            ..Wish::default()
        };
        let membership = document.as_ref().map(|document| {
            let (document, servers) = (document.clone(), directory.borrow().clone());
            Arc::new(Membership { generation: 1, document, servers })
        });
        let shared = Arc::new(Shared {
            client: NodeClient::new(config.request_timeout).with_token(config.token.as_ref()),
            config,
            wanted: watch::Sender::new(wish.servers()),
            wish: watch::Sender::new(wish),
            status: watch::Sender::new(Arc::default()),
            membership: watch::Sender::new(membership),
            removable: watch::Sender::new(BTreeSet::new()),
            facts: Mutex::default(),
            counts: Mutex::default(),
            counting: tokio::sync::Mutex::default(),
            planning: tokio::sync::Mutex::default(),
            clock: SystemClock::new(),
        });
        let alive = watch::Sender::new(());
        let driver = Driver::new(Arc::clone(&shared), store, document, directory);
        tokio::spawn(driver.run(alive.subscribe()));
        Ok(Self { shared, _alive: Arc::new(alive) })
    }

    /// Asks for one more server: the named one; without a name the one that left last, while it
    /// still exists, else a new one.
    pub fn add_server(&self, name: Option<&str>) -> Result<Change, ChangeError> {
        self.change(|wish| wish.add(name, &self.shared.config.name_prefix))
    }

    /// Asks the named server to leave; without a name the newest.
    pub fn remove_server(&self, name: Option<&str>) -> Result<Change, ChangeError> {
        self.change(|wish| wish.remove(name))
    }

    /// Asks for so many servers; the newest leave.
    pub fn set_replicas(&self, replicas: usize) -> Result<Change, ChangeError> {
        self.change(|wish| wish.scale(replicas, &self.shared.config.name_prefix))
    }

    /// Asks for exactly these servers, at least one. Servers that are being removed stay out until
    /// they are gone.
    pub fn set_members(&self, members: &[String]) -> Result<Change, ChangeError> {
        self.change(|wish| wish.set(members))
    }

    /// Accepts that this volume, which is reported lost, is lost for good with its data.
    pub fn accept_data_loss(&self, server: Server) -> Result<(), ChangeError> {
        let reported = self.status().lost.iter().any(|lost| lost.server == server);
        if !reported {
            let incarnation = server.incarnation.to_string();
            return Err(ChangeError::NotLost { name: server.name, incarnation });
        }
        self.shared.wish.send_modify(|wish| {
            wish.accepted.insert(server);
        });
        Ok(())
    }

    /// What scaling to so many servers would do and what would stand in its way. It counts keys
    /// on the nodes, so it may take a while.
    pub async fn preview(&self, replicas: usize) -> Result<Preview, ChangeError> {
        crate::count::preview(&self.shared, replicas).await
    }

    /// How things stand; keys and bytes of the servers as of the last count.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.shared.status.borrow())
    }

    /// How things stand, with keys and bytes of the servers not older than that.
    pub async fn status_counted(&self, max_age: Duration) -> Arc<Status> {
        crate::count::count_servers(&self.shared, max_age).await;
        self.status()
    }

    /// How things stand, with each change.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Arc<Status>> {
        self.shared.status.subscribe()
    }

    /// What routers and nodes must know; `None` before there is a ring document.
    #[must_use]
    pub fn watch_membership(&self) -> watch::Receiver<Option<Arc<Membership>>> {
        self.shared.membership.subscribe()
    }

    /// The servers that shall exist, leavers that may still own something included: a process has
    /// to be started for each that the directory does not have.
    #[must_use]
    pub fn watch_wanted(&self) -> watch::Receiver<BTreeSet<String>> {
        self.shared.wanted.subscribe()
    }

    /// Servers that have retired and are not in the committed ring: their process and volume may
    /// be removed, after [`Coordinator::claim_removal`].
    #[must_use]
    pub fn watch_removable(&self) -> watch::Receiver<BTreeSet<String>> {
        self.shared.removable.subscribe()
    }

    /// Says that a removable server is now being removed, so that it is not taken back. False
    /// where it is wanted again, or claimed already. The claim ends when the directory has the
    /// server no more.
    #[must_use]
    pub fn claim_removal(&self, name: &str) -> bool {
        let mut claimed = false;
        self.shared.wish.send_modify(|wish| {
            let removable = self.shared.removable.borrow().contains(name);
            let wanted = wish.members.iter().any(|member| member == name);
            claimed = removable && !wanted && !wish.departing.contains(name);
            if claimed {
                wish.leavers.retain(|leaver| leaver != name);
                wish.departing.insert(name.to_owned());
            }
        });
        self.shared.publish_wanted();
        claimed
    }

    /// Ends when ownership equals the ring document and the document is what is wanted.
    pub async fn converged(&self) -> Arc<Status> {
        let mut status = self.shared.status.subscribe();
        let reached = status.wait_for(|status| {
            let wanted: BTreeSet<String> =
                self.shared.wish.borrow().members.iter().cloned().collect();
            let members = status.servers.iter().filter(|one| one.role == ServerRole::Member);
            status.state == ClusterState::Converged
                && members.map(|one| one.name.clone()).collect::<BTreeSet<_>>() == wanted
        });
        reached.await.map(|status| Arc::clone(&status)).unwrap_or_default()
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Wish) -> Result<Change, ChangeError>,
    ) -> Result<Change, ChangeError> {
        let mut result = Err(ChangeError::Starting);
        self.shared.wish.send_if_modified(|wish| {
            let mut next = wish.clone();
            result = change(&mut next);
            let changed = result.is_ok() && next != *wish;
            if changed {
                *wish = next;
            }
            changed
        });
        self.shared.publish_wanted();
        result
    }
}

impl Shared {
    pub(crate) fn publish_wanted(&self) {
        let wanted = self.wish.borrow().servers();
        self.wanted.send_if_modified(|old| {
            let changed = *old != wanted;
            *old = wanted;
            changed
        });
    }

    pub(crate) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_facts(&self, facts: Facts) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(facts);
    }
}

#[cfg(test)]
mod tests;
