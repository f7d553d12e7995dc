//! Shell. Has every cluster looked at when anything of it has changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use crd::KvClusterStatus;
use futures_util::{StreamExt, future, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Resource as _, ResourceExt};
use shell::drain::DrainToken;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::apply::{Applier, FIELD_MANAGER};
use crate::config::Config;
use crate::coordinators::{Coordinators, Key};
use crate::metrics::{Metrics, OutcomeLabels};
use crate::news::News;
use crate::reconcile::{ReconcileError, reconcile};
use crate::tell::End;
use crate::watches::{Cluster, Watched, api};

/// Clusters that may wait to be looked at because their coordinator has news.
const NEWS_MAX: usize = 1_024;
/// Changes that come within this time are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// How many clusters are looked at at a time.
const CONCURRENCY: u16 = 8;
/// Pause after a failure: at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// What reconciling needs.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) config: Arc<Config>,
    pub(crate) watched: Watched,
    pub(crate) coordinators: Coordinators,
    pub(crate) applier: Applier,
    pub(crate) metrics: Arc<Metrics>,
    recorder: Recorder,
    /// What was told last of each cluster; what is watched may lag behind.
    told: Mutex<BTreeMap<Key, KvClusterStatus>>,
    /// The change of each cluster's ring of which the end was told last.
    told_ends: Mutex<BTreeMap<Key, End>>,
    failures: Mutex<BTreeMap<Key, u32>>,
}

/// Reconciles the clusters of all namespaces that it shall care for, until it is time to finish.
pub(crate) async fn run(
    client: Client,
    config: Config,
    metrics: Arc<Metrics>,
    drain: DrainToken,
) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let scopes: Vec<Option<String>> = if config.namespaces.is_empty() {
        vec![None]
    } else {
        config.namespaces.iter().cloned().map(Some).collect()
    };
    let reporter =
        Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(config.identity.clone()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let mut scopes: JoinSet<()> = scopes
        .into_iter()
        .map(|scope| {
            let (watched, triggers) = Watched::new(&client, scope.as_deref());
            let (news, told) = mpsc::channel(NEWS_MAX);
            let context = Context {
                client: client.clone(),
                config: Arc::clone(&config),
                watched,
                coordinators: Coordinators::new(client.clone(), news),
                applier: Applier::new(client.clone()),
                metrics: Arc::clone(&metrics),
                recorder: recorder.clone(),
                told: Mutex::default(),
                told_ends: Mutex::default(),
                failures: Mutex::default(),
            };
            let clusters = api::<Cluster>(client.clone(), scope.as_deref());
            let triggers = stream::select(triggers, received(told));
            run_scope(
                Arc::new(context),
                Controller::new(clusters, watcher::Config::default()).reconcile_on(triggers),
                drain.clone(),
            )
        })
        .collect();
    while let Some(ended) = scopes.join_next().await {
        ended.context("a controller failed")?;
    }
    Ok(())
}

async fn run_scope(context: Arc<Context>, controller: Controller<Cluster>, drain: DrainToken) {
    let config = controller::Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY);
    controller
        .with_config(config)
        .graceful_shutdown_on(async move { drain.signaled().await })
        .run(reconcile, error_policy, Arc::clone(&context))
        .for_each(|result| {
            context.settle(result);
            future::ready(())
        })
        .await;
}

fn received<T>(mut receiver: mpsc::Receiver<T>) -> impl stream::Stream<Item = T> {
    stream::poll_fn(move |context| receiver.poll_recv(context))
}

type Outcome<E> = Result<(ObjectRef<Cluster>, Action), controller::Error<ReconcileError, E>>;

#[expect(clippy::needless_pass_by_value, reason = "the controller passes it so")]
fn error_policy(cluster: Arc<Cluster>, _: &ReconcileError, context: Arc<Context>) -> Action {
    let key = key(&cluster);
    let mut failures = lock(&context.failures);
    let count = failures.entry(key).or_default();
    let pause = BACKOFF.0.saturating_mul(1 << (*count).min(10)).min(BACKOFF.1);
    *count = count.saturating_add(1);
    Action::requeue(pause)
}

/// Namespace and name.
pub(crate) fn key(cluster: &Cluster) -> Key {
    (cluster.namespace().unwrap_or_default(), cluster.name_any())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    fn settle<E: std::fmt::Display>(&self, outcome: Outcome<E>) {
        let labels = |outcome| OutcomeLabels { outcome };
        let outcome = match outcome {
            Ok((cluster, _)) => {
                let key = (cluster.namespace.unwrap_or_default(), cluster.name);
                lock(&self.failures).remove(&key);
                labels("done")
            }
            Err(controller::Error::ObjectNotFound(cluster)) => {
                let key = (cluster.namespace.unwrap_or_default(), cluster.name);
                self.forget(&key);
                labels("gone")
            }
            Err(controller::Error::ReconcilerFailed(error, cluster)) => {
                tracing::warn!(%cluster, %error, "a cluster could not be brought to its form");
                labels("failed")
            }
            Err(error) => {
                tracing::warn!(%error, "the controller was interrupted");
                labels("interrupted")
            }
        };
        self.metrics.reconciles.get_or_create(&outcome).inc();
    }

    /// The cluster is gone, or on its way out.
    pub(crate) fn forget(&self, key: &Key) {
        self.coordinators.stop(key);
        self.applier.forget(&key.0, &key.1);
        lock(&self.told).remove(key);
        lock(&self.told_ends).remove(key);
        lock(&self.failures).remove(key);
    }

    /// What was told last of the cluster.
    pub(crate) fn told(&self, key: &Key) -> Option<KvClusterStatus> {
        lock(&self.told).get(key).cloned()
    }

    pub(crate) fn remember_told(&self, key: &Key, status: KvClusterStatus) {
        lock(&self.told).insert(key.clone(), status);
    }

    /// The change of the ring of which the end was told last.
    pub(crate) fn told_end(&self, key: &Key) -> Option<End> {
        lock(&self.told_ends).get(key).copied()
    }

    pub(crate) fn remember_told_end(&self, key: &Key, end: End) {
        lock(&self.told_ends).insert(key.clone(), end);
    }

    /// Tells what happened, as an event of the cluster.
    pub(crate) async fn publish(&self, cluster: &Cluster, news: News) {
        let (namespace, name) = key(cluster);
        let pod = news.server.map(|server| ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(namespace.clone()),
            name: Some(server),
            ..ObjectReference::default()
        });
        let event = Event {
            type_: if news.is_warning { EventType::Warning } else { EventType::Normal },
            reason: news.reason.to_owned(),
            note: Some(news.note.chars().take(1_000).collect()),
            action: news.action,
            secondary: pod,
        };
        tracing::info!(namespace, name, reason = news.reason, "{}", news.note);
        if let Err(error) = self.recorder.publish(&event, &cluster.object_ref(&())).await {
            tracing::debug!(%error, "cannot publish an event");
        }
    }
}
