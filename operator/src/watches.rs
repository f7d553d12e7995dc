//! Shell. What the operator watches, kept in memory: everything that carries the label of a
//! cluster. A change of any of it has its cluster looked at.

use crd::KvCluster;
use crd::names::CLUSTER_LABEL;
use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{StreamExt, future};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};

use crate::apply::Object;

/// The custom resource; one that cannot be read does not keep the others from being read.
pub(crate) type Cluster = DeserializeGuard<KvCluster>;

/// Clusters that are to be looked at.
pub(crate) type Triggers = SelectAll<BoxStream<'static, ObjectRef<Cluster>>>;

/// Everything of all clusters in one scope.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) stateful_sets: Store<StatefulSet>,
    pub(crate) deployments: Store<Deployment>,
    pub(crate) services: Store<Service>,
    pub(crate) accounts: Store<ServiceAccount>,
    pub(crate) roles: Store<Role>,
    pub(crate) bindings: Store<RoleBinding>,
    pub(crate) budgets: Store<PodDisruptionBudget>,
    pub(crate) policies: Store<NetworkPolicy>,
    pub(crate) secrets: Store<Secret>,
    pub(crate) pods: Store<Pod>,
    pub(crate) claims: Store<PersistentVolumeClaim>,
}

impl Watched {
    /// Begins to watch; the streams have to be polled for the stores to be filled.
    pub(crate) fn new(client: &Client, namespace: Option<&str>) -> (Self, Triggers) {
        let mut triggers = Triggers::new();
        let watched = Self {
            stateful_sets: watch(client, namespace, &mut triggers),
            deployments: watch(client, namespace, &mut triggers),
            services: watch(client, namespace, &mut triggers),
            accounts: watch(client, namespace, &mut triggers),
            roles: watch(client, namespace, &mut triggers),
            bindings: watch(client, namespace, &mut triggers),
            budgets: watch(client, namespace, &mut triggers),
            policies: watch(client, namespace, &mut triggers),
            secrets: watch(client, namespace, &mut triggers),
            pods: watch(client, namespace, &mut triggers),
            claims: watch(client, namespace, &mut triggers),
        };
        (watched, triggers)
    }

    /// Ends when every store has been filled once.
    pub(crate) async fn is_filled(&self) -> bool {
        let (sets, deployments) = (&self.stateful_sets, &self.deployments);
        let all = tokio::join!(
            sets.wait_until_ready(),
            deployments.wait_until_ready(),
            self.services.wait_until_ready(),
            self.accounts.wait_until_ready(),
            self.roles.wait_until_ready(),
            self.bindings.wait_until_ready(),
            self.budgets.wait_until_ready(),
            self.policies.wait_until_ready(),
            self.secrets.wait_until_ready(),
            self.pods.wait_until_ready(),
            self.claims.wait_until_ready(),
        );
        let (a, b, c, d, e, f, g, h, i, j, k) = all;
        [a, b, c, d, e, f, g, h, i, j, k].iter().all(Result::is_ok)
    }
}

/// All objects of that kind that belong to this cluster.
pub(crate) fn of_cluster<K>(store: &Store<K>, namespace: &str, name: &str) -> Vec<std::sync::Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let mut state = store.state();
    state.retain(|object| {
        object.namespace().as_deref() == Some(namespace)
            && object.labels().get(CLUSTER_LABEL).is_some_and(|label| label == name)
    });
    state
}

pub(crate) fn api<K>(client: Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

fn watch<K: Object>(client: &Client, namespace: Option<&str>, triggers: &mut Triggers) -> Store<K> {
    let (store, writer) = reflector::store();
    let config = watcher::Config::default().labels(CLUSTER_LABEL);
    let stream = watcher(api::<K>(client.clone(), namespace), config)
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects()
        .filter_map(|object| future::ready(object.map_err(log).ok().as_ref().and_then(cluster_of)));
    triggers.push(stream.boxed());
    store
}

#[expect(clippy::needless_pass_by_value, reason = "as an argument of map_err")]
fn log(error: watcher::Error) {
    tracing::warn!(%error, "a watch was interrupted; it is taken up again");
}

fn cluster_of<K: Resource>(object: &K) -> Option<ObjectRef<Cluster>> {
    let name = object.labels().get(CLUSTER_LABEL)?;
    Some(ObjectRef::new(name).within(&object.namespace()?))
}
