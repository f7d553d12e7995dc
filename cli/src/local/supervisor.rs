//! Shell. The life of a local cluster: everything started, watched, and stopped in order.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rebalance::{ChangeError, ClusterState, Coordinator, CoordinatorConfig, FileRingStore, Status};
use shell::clock::{Clock, SystemClock};
use shell::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::cluster_file::ClusterFile;
use super::data_dir::DataDir;
use super::fleet::{Fleet, Meeting};
use super::http::{self, Api};
use super::keeper::Keeper;
use super::{ready, scheduling};
use crate::bars::{Console, ProgressView};
use crate::cluster_client::ClusterClient;
use crate::failure::Failure;
use crate::reasons::{self, Reasons};

/// How long the router may take to end before it is killed.
const ROUTER_GRACE: Duration = Duration::from_secs(12);
/// How often it is looked whether all servers are ready, and how far a change is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After how long a user is told what a start waits for, and how often what has changed in that.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the cluster until it is asked to stop.
pub(super) async fn run(
    data: DataDir,
    cluster: ClusterFile,
    public: SocketAddr,
    reached_at: IpAddr,
    console: Console,
) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("listen on the loopback address")?;
    let address = listener.local_addr().context("find the coordinator's address")?;
    let coordinator_url = format!("http://{}", SocketAddr::new(reached_at, address.port()));

    let store = FileRingStore::new(data.ring_document());
    let config = coordinator_config(&cluster);
    let wanted = cluster.wanted.clone();
    let resp = SocketAddr::new(public.ip(), cluster.resp_port);
    let meeting = Meeting { reached_at, coordinator_url: coordinator_url.clone() };
    let fleet = Arc::new(Fleet::new(data, cluster, console.clone(), meeting));
    let coordinator = Coordinator::start(config, store, fleet.watch_addresses())
        .await
        .map_err(|error| Failure::storage(error.into()))?;
    resume_change(&coordinator, &wanted)?;

    let api = Api { coordinator: coordinator.clone(), fleet: Arc::clone(&fleet) };
    let http = tokio::spawn(async move { axum::serve(listener, http::routes(api)).await });
    fleet.start_known()?;
    let arguments = router_arguments(resp, public, &coordinator_url);
    let router = Keeper::start(
        "router",
        &fleet.data().log("router"),
        Box::new(move || Ok(arguments.clone())),
        console.clone(),
    )?;

    let mut tasks = JoinSet::new();
    tasks.spawn(start_wanted(coordinator.clone(), Arc::clone(&fleet)));
    tasks.spawn(remove_retired(coordinator.clone(), Arc::clone(&fleet)));
    let url = ready::url(public);
    tasks.spawn(watch(coordinator.clone(), console.clone(), url));
    let announcing = announce(&coordinator, &fleet, resp, public, &console);
    let reason = tokio::select! {
        reason = shell::signal::shutdown(false) => reason,
        result = announcing => {
            result?;
            shell::signal::shutdown(false).await
        }
    };
    reason.context("wait for a signal")?;

    tasks.shutdown().await;
    stop(router, &fleet, &console).await;
    http.abort();
    Ok(())
}

fn coordinator_config(cluster: &ClusterFile) -> CoordinatorConfig {
    CoordinatorConfig {
        placement: cluster.placement,
        virtual_nodes: cluster.virtual_nodes,
        max_bytes_per_second: cluster.max_bytes_per_second,
        ..CoordinatorConfig::new(cluster.cluster, cluster.wanted.clone())
    }
}

/// Takes up a change that was accepted, and that the ring document does not yet say.
fn resume_change(coordinator: &Coordinator, wanted: &[String]) -> Result<(), Failure> {
    let settled = |result: Result<_, ChangeError>| match result {
        Ok(_) | Err(ChangeError::AlreadyMember(_) | ChangeError::UnknownServer { .. }) => Ok(()),
        Err(error) => Err(Failure::other(error)),
    };
    for name in wanted {
        settled(coordinator.add_server(Some(name)))?;
    }
    let planned = coordinator.watch_wanted().borrow().clone();
    for name in planned.iter().filter(|name| !wanted.contains(name)) {
        settled(coordinator.remove_server(Some(name)))?;
    }
    Ok(())
}

fn router_arguments(resp: SocketAddr, http: SocketAddr, coordinator_url: &str) -> Vec<OsString> {
    let (resp, http) = (resp.to_string(), http.to_string());
    let threads = scheduling::router_threads().to_string();
    let places = ["router", "--resp", &resp, "--http", &http, "--coordinator", coordinator_url];
    let more = ["--threads", &threads, "--exit-with-stdin"];
    places.into_iter().chain(more).map(OsString::from).collect()
}

/// Says once that the cluster serves, and until then what is waited for.
async fn announce(
    coordinator: &Coordinator,
    fleet: &Fleet,
    resp: SocketAddr,
    http: SocketAddr,
    console: &Console,
) -> Result<(), Failure> {
    let router = ClusterClient::new(&format!("http://{}", ready::reachable(http)))?;
    let clock = SystemClock::new();
    let (mut told, mut waiting) = (clock.monotonic(), String::new());
    loop {
        let status = coordinator.status();
        let router_ready = router.is_ok("/readyz").await;
        if router_ready && is_serving(&status) {
            Console::print(&ready::text(&status, fleet.data().root(), resp, http));
            return Ok(());
        }
        if clock.monotonic().saturating_sub(told) >= PATIENCE {
            told = clock.monotonic();
            let text = ready::waiting_text(&status, router_ready);
            if text != waiting {
                console.say(&text);
                waiting = text;
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

fn is_serving(status: &Status) -> bool {
    let started = !matches!(status.state, ClusterState::Starting | ClusterState::Bootstrapping);
    started && !status.servers.is_empty() && status.servers.iter().all(|server| server.ready)
}

/// Starts servers as they are asked for.
async fn start_wanted(coordinator: Coordinator, fleet: Arc<Fleet>) {
    let mut wanted = coordinator.watch_wanted();
    loop {
        let names = wanted.borrow_and_update().clone();
        if let Err(error) = fleet.start(&names) {
            tracing::error!(error = format!("{error:#}"), "cannot start a server");
        }
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// Removes servers as they retire.
async fn remove_retired(coordinator: Coordinator, fleet: Arc<Fleet>) {
    let mut removable = coordinator.watch_removable();
    loop {
        let names: BTreeSet<String> = removable.borrow_and_update().clone();
        for name in names {
            if !coordinator.claim_removal(&name) {
                continue;
            }
            if let Err(error) = fleet.remove(&name).await {
                tracing::error!(name, error = format!("{error:#}"), "cannot remove the server");
            }
        }
        if removable.changed().await.is_err() {
            return;
        }
    }
}

/// Shows changes of the ring as they go on, and what they wait for.
async fn watch(coordinator: Coordinator, console: Console, url: String) {
    let mut view = ProgressView::new(console);
    let mut reasons = Reasons::default();
    let clock = SystemClock::new();
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let status = coordinator.status();
        view.show(&status);
        for reason in reasons.observe(clock.monotonic(), &reasons::of(&status, &url)) {
            view.say(&reason);
        }
    }
}

/// The router first, so that no client sees a server go; a second signal ends the waiting, and
/// the processes then end by themselves.
async fn stop(router: Keeper, fleet: &Fleet, console: &Console) {
    console.say("stopping; once more Ctrl-C does not wait for the servers");
    let stopping = async {
        router.stop(ROUTER_GRACE).await;
        fleet.stop().await;
    };
    tokio::select! {
        () = stopping => console.say("stopped; the same command starts it again"),
        _ = shell::signal::shutdown(false) => {}
    }
}
