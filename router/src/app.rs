//! Shell. Puts a router together, and takes it down in order.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc as Shared;
use std::thread::JoinHandle;

use anyhow::Context;
use kubernetes::LazyClient;
use shell::clock::{Clock, SystemClock};
use shell::drain::{self, Drain, DrainToken};
use shell::net::{Listening, Sharing, listen};
use shell::rng::{OsRng, Rng};
use shell::signal::Shutdown;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::coordinator::Coordinator;
use crate::data::DataThread;
use crate::http::{self, Administration, Api};
use crate::kubernetes::KubernetesSource;
use crate::membership::CoordinatorSource;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::shard::Shard;
use crate::table::Table;
use crate::{Config, Source};

/// HTTP requests that wait for a data thread.
const REQUESTS_MAX: usize = 1_024;

/// A running router.
#[derive(Debug)]
pub struct Router {
    resp_address: SocketAddr,
    http_address: SocketAddr,
    leave: Drain,
    drain: Drain,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Router {
    /// Opens the ports and starts the threads.
    ///
    /// # Errors
    /// Where a port cannot be had or the coordinator's URL is not one.
    pub fn start(config: Config) -> anyhow::Result<Self> {
        let Parts { resp_address, http_address, leave, drain, data, control } = assemble(config)?;
        let mut threads = Vec::with_capacity(data.len() + 1);
        for (number, (thread, make_shard)) in data.into_iter().enumerate() {
            threads.push(spawn(format!("data-{number}"), move || thread.run(make_shard))?);
        }
        let control = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.context("start the runtime of the control thread")?;
            LocalSet::new().block_on(&runtime, control.run())
        };
        threads.push(spawn("control".to_owned(), control)?);
        Ok(Self { resp_address, http_address, leave, drain, threads })
    }

    /// Where RESP clients connect.
    #[must_use]
    pub fn resp_address(&self) -> SocketAddr {
        self.resp_address
    }

    /// Where HTTP clients connect.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Says at `/readyz` that no more clients shall be sent here; those that come are served.
    pub fn leave(&self) {
        self.leave.start();
    }

    /// Takes no more clients, lets the commands at hand finish, for a bounded time, and ends.
    ///
    /// # Errors
    /// Where a thread failed.
    pub fn stop(self) -> anyhow::Result<()> {
        self.leave.start();
        self.drain.start();
        let mut result = Ok(());
        for thread in self.threads {
            let ended = thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")));
            result = result.and(ended);
        }
        result
    }
}

/// Makes the state of a data thread, on that thread.
type MakeShard = Box<dyn FnOnce() -> Rc<Shard> + Send>;

/// What a router is made of: its ports are taken, nothing runs yet.
pub(crate) struct Parts {
    resp_address: SocketAddr,
    http_address: SocketAddr,
    leave: Drain,
    pub(crate) drain: Drain,
    pub(crate) data: Vec<(DataThread, MakeShard)>,
    pub(crate) control: Control,
}

pub(crate) fn assemble(config: Config) -> anyhow::Result<Parts> {
    let (source, administration) = source(&config.source)?;
    anyhow::ensure!(config.threads > 0, "a router needs one data thread at least");
    let http_listener = bind_alone(config.http_address, "HTTP")?;
    let http_address = http_listener.local_addr()?;
    let listeners = bind_shared(config.resp_address, config.threads)?;
    let resp_address = listeners.first().context("a listener")?.local_addr()?;

    let config = Shared::new(config);
    let metrics = Shared::new(Metrics::new(config.threads)?);
    let clock: Shared<dyn Clock> = Shared::new(SystemClock::new());
    let (tables, published) = watch::channel(Shared::new(Table::default()));
    let (leave, leaving) = drain::channel();
    let (drain, token) = drain::channel();
    let mut data = Vec::with_capacity(listeners.len());
    let mut requests = Vec::with_capacity(listeners.len());
    for (number, listener) in listeners.into_iter().enumerate() {
        let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
        requests.push(sender);
        let (tables, drain) = (published.clone(), token.clone());
        let thread = DataThread { listener, tables, requests: receiver, drain };
        let (config, metrics) = (Shared::clone(&config), Shared::clone(&metrics));
        let (clock, seed) = (Shared::clone(&clock), OsRng.next_u64());
        let port = resp_address.port();
        let make = move || Shard::new(number, config, metrics, clock, seed, port);
        data.push((thread, Box::new(make) as MakeShard));
    }
    let readiness = Readiness::new(leaving);
    let api = Api::new(requests, administration, metrics, published, readiness, &config);
    let control = Control { config, source, tables, http_listener, api, drain: token };
    Ok(Parts { resp_address, http_address, leave, drain, data, control })
}

/// The work of the control thread.
pub(crate) struct Control {
    config: Shared<Config>,
    source: AnySource,
    tables: watch::Sender<Shared<Table>>,
    http_listener: Listening,
    api: Api,
    drain: DrainToken,
}

impl Control {
    /// Runs until the router ends. Must be inside a `LocalSet`.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Self { config, source, tables, http_listener, api, drain } = self;
        let tables = Rc::new(tables);
        let (access, wait) = (config.access.clone(), config.server_wait);
        match source {
            AnySource::Coordinator(source) => {
                tokio::task::spawn_local(crate::control::run(source, tables, access, wait));
            }
            AnySource::Kubernetes(source) => {
                tokio::task::spawn_local(crate::control::run(*source, tables, access, wait));
            }
        }
        http::serve(http_listener, api, drain, config.drain_wait).await
    }
}

/// Where memberships come from.
enum AnySource {
    Coordinator(CoordinatorSource),
    Kubernetes(Box<KubernetesSource>),
}

fn source(source: &Source) -> anyhow::Result<(AnySource, Administration)> {
    match source {
        Source::Coordinator(url) => {
            let coordinator = Coordinator::new(url)
                .map_err(|error| anyhow::anyhow!("the coordinator's URL: {error}"))?;
            let source = AnySource::Coordinator(CoordinatorSource(coordinator.clone()));
            Ok((source, Administration::Coordinator(coordinator)))
        }
        Source::Kubernetes { cluster, api_server } => {
            let client = api_server.clone().map_or_else(LazyClient::default, LazyClient::at);
            let (source, facts) = KubernetesSource::new(cluster.clone(), client);
            let administration = Administration::Kubernetes { cluster: cluster.clone(), facts };
            Ok((AnySource::Kubernetes(Box::new(source)), administration))
        }
    }
}

/// How many threads can run at a time.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs a router until the process is asked to stop; with `stdin_too` also until standard input
/// ends. It goes on for the drain delay of the configuration, unless it is asked again.
///
/// # Errors
/// Where it cannot be started or fails.
pub fn run(config: Config, stdin_too: bool) -> anyhow::Result<()> {
    let delay = config.drain_delay;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Whoever sees a port open may ask for the end.
    let mut shutdown = runtime.block_on(async { Shutdown::listen(stdin_too) })?;
    let router = Router::start(config)?;
    tracing::info!(resp = %router.resp_address(), http = %router.http_address(), "router serves");
    runtime.block_on(async {
        let reason = shutdown.asked().await;
        tracing::info!(?reason, delay_ms = delay.as_millis(), "router stops");
        router.leave();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = shutdown.asked() => tracing::info!("router stops at once"),
        }
    });
    router.stop()
}

fn spawn(
    name: String,
    body: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let logged = {
        let name = name.clone();
        move || {
            let result = body();
            if let Err(error) = &result {
                tracing::error!(thread = name, "{error:#}");
            }
            result
        }
    };
    std::thread::Builder::new().name(name).spawn(logged).context("start a thread")
}

fn bind_alone(address: SocketAddr, what: &str) -> anyhow::Result<Listening> {
    listen(address, Sharing::Alone).with_context(|| cannot_listen(address, what))
}

/// One listener for each thread, all on one port: the system spreads connections over them.
fn bind_shared(address: SocketAddr, count: usize) -> anyhow::Result<Vec<Listening>> {
    let context = || cannot_listen(address, "RESP");
    // Another process of the same user could share the port unnoticed; so it is first taken alone.
    let probe = bind_alone(address, "RESP")?;
    let address = probe.local_addr().with_context(context)?;
    drop(probe);
    (0..count).map(|_| listen(address, Sharing::Shared).with_context(context)).collect()
}

fn cannot_listen(address: SocketAddr, what: &str) -> String {
    format!(
        "cannot listen for {what} on {address}; if another process has the port, stop it or choose \
         another one"
    )
}
