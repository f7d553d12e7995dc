//! Shell. The coordinators of all clusters: one runs for each, for as long as the operator leads.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use handoff::ClusterId;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use node_api::{Secret, ServerAddresses};
use rebalance::{ClusterState, Coordinator, CoordinatorConfig, RingStoreError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::ring_store::ResourceRingStore;
use crate::watches::Cluster;

/// Time between two looks at the nodes while nothing moves.
const POLL_IDLE: Duration = Duration::from_secs(2);
/// Progress is told at most so often, since each telling may write a status.
const TELL_EVERY: Duration = Duration::from_millis(1_000);

/// Namespace and name of a cluster.
pub(crate) type Key = (String, String);

/// What a coordinator is made with; with another one it is made anew.
#[derive(Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) uid: String,
    pub(crate) cluster: ClusterId,
    pub(crate) placement: ring::Placement,
    pub(crate) virtual_nodes: u16,
    pub(crate) parallel_handoffs: usize,
    pub(crate) max_bytes_per_second: Option<u64>,
    pub(crate) token: Option<Secret>,
}

struct Running {
    settings: Settings,
    coordinator: Coordinator,
    directory: watch::Sender<BTreeMap<String, ServerAddresses>>,
    tell: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tell.abort();
    }
}

/// All running coordinators.
pub(crate) struct Coordinators {
    client: Client,
    /// Clusters to be looked at, because their coordinator has news.
    news: mpsc::Sender<ObjectRef<Cluster>>,
    running: Mutex<BTreeMap<Key, Running>>,
}

impl Coordinators {
    pub(crate) fn new(client: Client, news: mpsc::Sender<ObjectRef<Cluster>>) -> Self {
        Self { client, news, running: Mutex::default() }
    }

    /// The coordinator of this cluster, started if it does not run with these settings, told where
    /// the servers are.
    pub(crate) async fn ensure(
        &self,
        key: &Key,
        settings: &Settings,
        initial_members: Vec<String>,
        addresses: BTreeMap<String, ServerAddresses>,
    ) -> Result<Coordinator, RingStoreError> {
        if let Some(running) = self.running().get(key).filter(|one| one.is_usable(settings)) {
            running.relocate(addresses);
            return Ok(running.coordinator.clone());
        }
        self.stop(key);
        let (namespace, name) = key;
        let store = ResourceRingStore::new(self.client.clone(), namespace, name, &settings.uid);
        let directory = watch::Sender::new(addresses);
        let config = CoordinatorConfig {
            name_prefix: name.clone(),
            placement: settings.placement,
            virtual_nodes: settings.virtual_nodes,
            parallel_handoffs: settings.parallel_handoffs,
            max_bytes_per_second: settings.max_bytes_per_second,
            poll_idle: POLL_IDLE,
            token: settings.token.clone(),
            ..CoordinatorConfig::new(settings.cluster, initial_members)
        };
        let coordinator = Coordinator::start(config, store, directory.subscribe()).await?;
        let cluster = ObjectRef::new(name).within(namespace);
        let tell = tokio::spawn(tell(coordinator.watch_status(), cluster, self.news.clone()));
        let running = Running {
            settings: settings.clone(),
            coordinator: coordinator.clone(),
            directory,
            tell,
        };
        self.running().insert(key.clone(), running);
        Ok(coordinator)
    }

    /// Whether its coordinator knows a ring document.
    pub(crate) fn has_ring(&self, key: &Key) -> bool {
        let running = self.running();
        running.get(key).is_some_and(|one| one.coordinator.watch_membership().borrow().is_some())
    }

    /// Tells its coordinator, if it has one, where the servers are.
    pub(crate) fn relocate(&self, key: &Key, addresses: BTreeMap<String, ServerAddresses>) {
        if let Some(running) = self.running().get(key) {
            running.relocate(addresses);
        }
    }

    /// Ends the coordinator of this cluster, if it has one.
    pub(crate) fn stop(&self, key: &Key) {
        self.running().remove(key);
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<Key, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn relocate(&self, addresses: BTreeMap<String, ServerAddresses>) {
        self.directory.send_if_modified(|known| {
            let changed = *known != addresses;
            *known = addresses;
            changed
        });
    }

    fn is_usable(&self, settings: &Settings) -> bool {
        self.settings == *settings && self.coordinator.status().state != ClusterState::Superseded
    }
}

/// Has the cluster looked at when its coordinator has news.
async fn tell<T>(
    mut status: watch::Receiver<T>,
    cluster: ObjectRef<Cluster>,
    news: mpsc::Sender<ObjectRef<Cluster>>,
) {
    while status.changed().await.is_ok() {
        if news.send(cluster.clone()).await.is_err() {
            return;
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}
