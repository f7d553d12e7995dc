//! Shell. One node process: opens everything, starts its threads, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc as Shared;
use std::thread::JoinHandle;

use node_api::ServerAddresses;
use prometheus_client::registry::Registry;
use shell::drain::{self, Drain};
use shell::exit;
use shell::net::{Listening, Sharing};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;

use crate::config::Config;
use crate::control::{self, ControlParts};
use crate::executor::{ControlSender, Executor, ExecutorLimits, Identity};
use crate::metrics::Metrics;
use crate::server::{DataServer, ServerSettings};
use crate::store::{Durability, HybridClock, OpenError, Store};
use crate::upkeep;

/// Why a node could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process listens there.
    #[error(
        "{purpose} port: {address} is in use by another process; stop that one, or choose another \
         address with {option}"
    )]
    AddressInUse {
        /// For what.
        purpose: &'static str,
        /// Where.
        address: SocketAddr,
        /// The option that says where.
        option: &'static str,
    },
    /// The operating system lets nobody listen there.
    #[error("{purpose} port: cannot listen on {address}: {source}; choose another with {option}")]
    Listen {
        /// For what.
        purpose: &'static str,
        /// Where.
        address: SocketAddr,
        /// The option that says where.
        option: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The data directory could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The data directory is another server's, or its records do not fit together.
    #[error("{0:#}")]
    Refused(anyhow::Error),
    /// Threads or handlers could not be made.
    #[error("cannot start: {0}")]
    Start(#[source] io::Error),
    /// A part of the process ended by itself.
    #[error("the {part} ended by itself: {reason}")]
    Ended {
        /// Which part.
        part: &'static str,
        /// Why, if it said so.
        reason: String,
    },
}

impl RunError {
    /// The exit code that says so to a supervisor.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::AddressInUse { .. } | Self::Listen { .. } => exit::UNAVAILABLE,
            Self::Open(_) | Self::Refused(_) => exit::STORAGE,
            Self::Start(_) | Self::Ended { .. } => exit::FAILURE,
        }
    }
}

/// Runs a node until a signal says stop. Blocks this thread.
///
/// # Errors
/// It could not start, or a part of it ended by itself.
pub fn run(config: &Config) -> Result<(), RunError> {
    let with_stdin = config.exit_with_stdin;
    let listeners = Listeners::open(config)?;
    run_until(config, listeners, async move {
        let reason = shell::signal::shutdown(with_stdin).await?;
        tracing::info!(?reason, "stopping");
        Ok(())
    })
}

/// Where a node listens. Nobody is answered yet.
#[derive(Debug)]
pub struct Listeners {
    resp: Listening,
    http: Listening,
    peer: Listening,
}

impl Listeners {
    /// Takes the addresses of the configuration; port 0 takes any free one.
    ///
    /// # Errors
    /// One of them cannot be had.
    pub fn open(config: &Config) -> Result<Self, RunError> {
        Ok(Self {
            resp: listen(config.resp_address, "RESP", "--resp")?,
            http: listen(config.http_address, "HTTP", "--http")?,
            peer: listen(config.peer_address, "handoff", "--peer")?,
        })
    }

    /// What was taken.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn addresses(&self) -> io::Result<ServerAddresses> {
        Ok(ServerAddresses {
            resp: self.resp.local_addr()?.to_string(),
            http: self.http.local_addr()?.to_string(),
            peer: self.peer.local_addr()?.to_string(),
        })
    }
}

/// As [`run`], on these listeners, until `stop` says so.
///
/// # Errors
/// As [`run`]; and where `stop` fails.
pub fn run_until(
    config: &Config,
    listeners: Listeners,
    stop: impl Future<Output = io::Result<()>>,
) -> Result<(), RunError> {
    let opened = control::open(config)?;
    let _lock = Shared::clone(&opened.lock);
    let Parts { data, control, upkeep, drain } = assemble(config, listeners, &opened)?;
    let (data, data_ended) = start_data_thread(data)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Start)?;
    let outcome = runtime.block_on(async {
        upkeep.start(&control.requests, &drain);
        supervise(opened, control, drain, data_ended, stop).await
    });
    runtime.shutdown_timeout(config.drain_wait);
    match data.join() {
        Ok(Ok(())) => outcome,
        Ok(Err(error)) => outcome.and(Err(ended("data thread", &error))),
        Err(_) => outcome.and(Err(ended("data thread", &"it panicked"))),
    }
}

/// What a node is made of, beside its opened directory.
pub(crate) struct Parts {
    pub(crate) data: DataServer,
    pub(crate) control: ControlParts,
    pub(crate) upkeep: Upkeep,
    pub(crate) drain: Drain,
}

pub(crate) fn assemble(
    config: &Config,
    listeners: Listeners,
    opened: &control::Opened,
) -> Result<Parts, RunError> {
    let Listeners { resp, http, peer } = listeners;
    let (store, clock) = (opened.store.clone(), opened.clock.clone());
    let mut registry = Registry::default();
    let metrics = Shared::new(Metrics::register(&mut registry));
    let (requests, receiver) = mpsc::unbounded_channel();
    let (drain, token) = drain::channel();
    let executor = executor(config, opened.identity.clone(), &store, &clock, &metrics)?;
    let data = DataServer {
        listener: resp,
        executor,
        requests: receiver,
        settings: settings(config),
        metrics: Shared::clone(&metrics),
        drain: token,
    };
    tracing::info!(server = %config.name, resp = %config.resp_address,
        http = %config.http_address, peer = %config.peer_address, "listening");
    let clients = Shared::clone(&metrics);
    let control = ControlParts { config: config.clone(), http, peer, requests, registry, clients };
    Ok(Parts { data, control, upkeep: Upkeep { store, clock, metrics }, drain })
}

pub(crate) struct Upkeep {
    store: Store,
    clock: HybridClock,
    metrics: Shared<Metrics>,
}

impl Upkeep {
    pub(crate) fn start(self, requests: &ControlSender, drain: &Drain) {
        let Self { store, clock, metrics } = self;
        let (sweep, count) = (requests.clone(), drain.token());
        tokio::spawn(upkeep::sweep(store.clone(), clock.clone(), sweep, drain.token()));
        tokio::spawn(upkeep::count(store, clock, metrics, count));
    }
}

/// Runs the control thread until it is time to stop, then drains every part.
pub(crate) async fn supervise(
    opened: control::Opened,
    parts: ControlParts,
    drain: Drain,
    data_ended: oneshot::Receiver<()>,
    stop: impl Future<Output = io::Result<()>>,
) -> Result<(), RunError> {
    let drain_wait = parts.config.drain_wait;
    let mut control = tokio::spawn(control::run(opened, parts, drain.token()));
    let outcome = tokio::select! {
        stopped = stop => stopped.map_err(RunError::Start),
        _ = data_ended => Err(ended("data thread", &"see above")),
        result = &mut control => {
            control_end(result).and_then(|()| Err(ended("control thread", &"nothing was said")))
        }
    };
    if let Err(unfinished) = drain.finish(drain_wait).await {
        tracing::warn!(tokens = unfinished.tokens, "some work was not finished in time");
    }
    match outcome {
        // It was told to end, and may have failed at that.
        Ok(()) if control.is_finished() => control_end(control.await),
        outcome => outcome,
    }
}

fn control_end(result: Result<anyhow::Result<()>, JoinError>) -> Result<(), RunError> {
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ended("control thread", &format!("{error:#}"))),
        Err(error) => Err(ended("control thread", &error)),
    }
}

pub(crate) fn ended(part: &'static str, reason: &dyn std::fmt::Display) -> RunError {
    RunError::Ended { part, reason: reason.to_string() }
}

pub(crate) fn executor(
    config: &Config,
    identity: Identity,
    store: &Store,
    clock: &HybridClock,
    metrics: &Shared<Metrics>,
) -> Result<Executor, RunError> {
    let limits = ExecutorLimits {
        max_value_bytes: config.value_bytes_max,
        max_reply_bytes: config.reply_bytes_max,
        max_pending_bytes: config.pending_bytes_max,
    };
    let Some(writer) = store.writer() else {
        return Err(ended("store", &"it has a writer already"));
    };
    let executor = Executor::new(writer, clock.clone(), identity, limits, Shared::clone(metrics));
    Ok(executor.with_access(config.access.clone()))
}

pub(crate) fn settings(config: &Config) -> ServerSettings {
    ServerSettings {
        decoder: config.decoder_limits(),
        max_connections: config.clients_max,
        max_output_bytes: config.output_bytes_pause,
        max_hold: config.hold_wait,
        // Leaves time to bring everything to disk.
        max_drain: config.drain_wait / 2,
        port: config.resp_address.port(),
        fsync_always: config.store.durability == Durability::Always,
    }
}

pub(crate) type DataThread = (JoinHandle<io::Result<()>>, oneshot::Receiver<()>);

pub(crate) fn start_data_thread(data: DataServer) -> Result<DataThread, RunError> {
    let (running, ended) = oneshot::channel::<()>();
    let run = move || {
        // Dropped when the thread ends, by a panic too.
        let _running = running;
        data.run()
    };
    let thread = std::thread::Builder::new().name("data".into()).spawn(run);
    thread.map(|thread| (thread, ended)).map_err(RunError::Start)
}

/// Opens a listener that a restart can open again at once.
pub(crate) fn listen(
    address: SocketAddr,
    purpose: &'static str,
    option: &'static str,
) -> Result<Listening, RunError> {
    shell::net::listen(address, Sharing::Alone).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => RunError::AddressInUse { purpose, address, option },
        _ => RunError::Listen { purpose, address, option, source },
    })
}

#[cfg(test)]
mod tests;
