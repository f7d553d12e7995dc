//! Shell. The control thread: ownership, handoffs, administration over HTTP.

use std::net::TcpListener;
use std::sync::Arc as Shared;

use handoff::{Incarnation, Server};
use prometheus_client::registry::Registry;
use shell::clock::SystemClock;
use shell::drain::DrainToken;
use shell::rng::{OsRng, Rng as _};

use crate::app::RunError;
use crate::config::Config;
use crate::executor::{ControlSender, Identity};
use crate::store::{HybridClock, OpenError, Store};

/// A data directory that is this server's, with everything in it opened.
pub(crate) struct Opened {
    /// Who this node is.
    pub(crate) identity: Identity,
    pub(crate) store: Store,
    pub(crate) clock: HybridClock,
}

/// What the control thread works with, beside the opened directory.
pub(crate) struct ControlParts {
    pub(crate) config: Config,
    /// Not blocking.
    pub(crate) http: TcpListener,
    /// Not blocking.
    pub(crate) peer: TcpListener,
    /// To the data thread.
    pub(crate) requests: ControlSender,
    /// For /metrics.
    pub(crate) registry: Registry,
}

/// Locks and opens the data directory, in the order that keeps a second process out.
pub(crate) fn open(config: &Config) -> Result<Opened, RunError> {
    std::fs::create_dir_all(&config.data_dir)
        .map_err(|error| OpenError::from_io(&config.data_dir, error))?;
    let store = Store::open(&config.data_dir.join("store"), config.store)?;
    let wall = Shared::new(SystemClock::new());
    let clock = HybridClock::open(&config.data_dir.join("clock"), wall, || store.max_version())?;
    let server = Server { name: config.name.clone(), incarnation: Incarnation(OsRng.next_u128()) };
    let identity = Identity { cluster: config.cluster, server };
    Ok(Opened { identity, store, clock })
}

/// Runs until it is time to drain.
pub(crate) async fn run(
    opened: Opened,
    parts: ControlParts,
    drain: DrainToken,
) -> anyhow::Result<()> {
    drain.signaled().await;
    drop((opened, parts));
    Ok(())
}
