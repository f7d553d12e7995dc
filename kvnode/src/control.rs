//! Shell. The control thread: ownership, handoffs, administration over HTTP.

use std::path::Path;
use std::sync::Arc as Shared;
use std::time::Duration;

use anyhow::Context as _;
use kubernetes::LazyClient;
use node_api::Peers;
use prometheus_client::registry::Registry;
use shell::clock::SystemClock;
use shell::drain::{self, DrainToken};
use shell::net::Listening;
use shell::rng::OsRng;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::admin::{self, MetricsText};
use crate::app::RunError;
use crate::config::{self, Config};
use crate::executor::{ControlSender, Identity};
use crate::handoff::{Context, Drivers, HandoffMetrics, Running, Throttle, listen, run_trims};
use crate::metrics::Metrics;
use crate::ownership::{
    self, ActorParts, Administrator, CoordinatorRingSource, FileRingSource, KubernetesRingSource,
    Ownership, Record, RingSource, VolumeLock,
};
use crate::store::{HybridClock, OpenError, Store};

/// How much of the time for an orderly end is kept for what comes after the handoffs.
const AFTER_HANDOFFS: Duration = Duration::from_secs(1);

/// A data directory that is this server's, with everything in it opened.
pub(crate) struct Opened {
    /// Who this node is.
    pub(crate) identity: Identity,
    pub(crate) store: Store,
    pub(crate) clock: HybridClock,
    record: Record,
    /// Held until the store is closed.
    pub(crate) lock: Shared<VolumeLock>,
}

/// What the control thread works with, beside the opened directory.
pub(crate) struct ControlParts {
    pub(crate) config: Config,
    /// Not blocking.
    pub(crate) http: Listening,
    /// Not blocking.
    pub(crate) peer: Listening,
    /// To the data thread.
    pub(crate) requests: ControlSender,
    /// For /metrics.
    pub(crate) registry: Registry,
    /// What clients do.
    pub(crate) clients: Shared<Metrics>,
}

/// Locks and opens the data directory, in the order that keeps a second process out.
pub(crate) fn open(config: &Config) -> Result<Opened, RunError> {
    let wall = Shared::new(SystemClock::new());
    open_parts(
        config,
        |dir| Store::open(dir, config.store),
        |path, store| HybridClock::open(path, wall, || store.max_version()),
    )
}

/// As [`open`], with other ways to open the store and the clock.
pub(crate) fn open_parts(
    config: &Config,
    open_store: impl FnOnce(&Path) -> Result<Store, OpenError>,
    open_clock: impl FnOnce(&Path, &Store) -> Result<HybridClock, OpenError>,
) -> Result<Opened, RunError> {
    let dir = &config.data_dir;
    let refused = |error: ownership::VolumeError| RunError::Refused(error.into());
    let lock = Shared::new(VolumeLock::take(dir).map_err(refused)?);
    let store = open_store(&dir.join("store"))?;
    let record =
        Record::open(dir, config.cluster, &config.name, &store, &OsRng).map_err(refused)?;
    let clock = open_clock(&dir.join("clock"), &store)?;
    let identity = Identity { cluster: config.cluster, server: record.server().clone() };
    Ok(Opened { identity, store, clock, record, lock })
}

/// Runs until it is time to drain.
pub(crate) async fn run(
    opened: Opened,
    parts: ControlParts,
    drain: DrainToken,
) -> anyhow::Result<()> {
    let Opened { identity, store, clock, record, lock: _lock } = opened;
    let ControlParts { config, http, peer, requests, mut registry, clients } = parts;
    let metrics = Shared::new(HandoffMetrics::register(&mut registry));
    let ring = ring_source(&config.ring_source);
    let read_ring = Shared::new(Notify::new());
    // Handoffs have a drain of their own: what they still have to decide needs the actor.
    let (handoffs, handoff_token) = drain::channel();
    let (peers, known_peers) = watch::channel(Peers::default());
    let make_context = |ownership: &Ownership| {
        let time = SystemClock::new();
        Shared::new(Context {
            ownership: ownership.clone(),
            cluster: identity.cluster,
            server: identity.server.clone(),
            token: config.access.token.clone(),
            store: store.clone(),
            clock: clock.clone(),
            control: requests.clone(),
            peers: known_peers,
            throttle: Throttle::new(time, clients),
            metrics,
            limits: config.handoff,
            time,
            drain: handoff_token,
            running: Running::default(),
        })
    };
    let mut context = None;
    let parts = ActorParts {
        record,
        store: store.clone(),
        clock: clock.clone(),
        control: requests.clone(),
        peers,
        read_ring: Shared::clone(&read_ring),
    };
    let (ownership, actor) = ownership::start(parts, |ownership| {
        let made = context.insert(make_context(ownership));
        Drivers::new(Shared::clone(made), Shared::clone(&ring))
    })
    .await;
    let context = context.context("the actor has no drivers")?;

    let peer = shell::net::TcpListener::from_std(peer).context("the handoff port")?;
    let mut tasks = JoinSet::new();
    tasks.spawn(listen(Shared::clone(&context), peer));
    tasks.spawn(run_trims(Shared::clone(&context)));
    tasks.spawn(ownership::run_admission(ownership.clone(), ring, read_ring, drain.clone()));
    let http = shell::net::TcpListener::from_std(http).context("the HTTP port")?;
    let administrator = Shared::new(Administrator { ownership: ownership.clone(), store, clock });
    let (metrics, token) = (metrics_text(registry), config.access.token.clone());
    let serving = tokio::spawn(admin::serve(http, administrator, metrics, token, drain.clone()));

    drain.signaled().await;
    handoffs.start();
    end_handoffs(&context.running, tasks, config.drain_wait).await;
    ownership.stop().await;
    actor.await.context("the ownership actor")?;
    serving.abort();
    Ok(())
}

/// The handoffs, and the tasks around them, have been told to end. They need the actor for that.
async fn end_handoffs(running: &Running, tasks: JoinSet<()>, drain_wait: Duration) {
    let n_left = running.end(drain_wait.saturating_sub(AFTER_HANDOFFS)).await;
    if n_left > 0 {
        tracing::warn!(n_left, "handoffs were not decided in time; they go on after a restart");
    }
    if tokio::time::timeout(AFTER_HANDOFFS / 2, tasks.join_all()).await.is_err() {
        tracing::warn!("work in the background did not end in time; it goes on after a restart");
    }
}

fn ring_source(source: &config::RingSource) -> Shared<dyn RingSource> {
    match source {
        config::RingSource::Coordinator(url) => Shared::new(CoordinatorRingSource::new(url)),
        config::RingSource::Kubernetes(cluster) => {
            Shared::new(KubernetesRingSource::new(cluster.clone(), LazyClient::default()))
        }
        config::RingSource::File(path) => Shared::new(FileRingSource::new(path.clone())),
    }
}

fn metrics_text(registry: Registry) -> MetricsText {
    Shared::new(move || {
        let mut text = String::new();
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &registry) {
            tracing::warn!(%error, "cannot write the metrics");
        }
        text
    })
}
