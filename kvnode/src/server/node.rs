//! Shell. What the tasks of the data thread share.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc as Shared;
use std::time::Duration;

use dialect::Facts;
use resp::Limits;
use shell::drain::DrainToken;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::executor::{Executor, Hold};
use crate::metrics::Metrics;
use crate::store::BatchNo;

/// Settings of the RESP server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerSettings {
    /// What the decoder takes.
    pub(crate) decoder: Limits,
    /// More connections are refused.
    pub(crate) max_connections: usize,
    /// A connection with so many bytes of replies that its client does not read is not read from.
    pub(crate) max_output_bytes: usize,
    /// How long a command is held at most before it fails.
    pub(crate) max_hold: Duration,
    /// How long connections may take at the end of the process.
    pub(crate) max_drain: Duration,
    /// For INFO and CONFIG GET.
    pub(crate) port: u16,
    /// For INFO and CONFIG GET.
    pub(crate) fsync_always: bool,
}

/// See the module.
pub(super) struct Node {
    pub(super) executor: RefCell<Executor>,
    pub(super) settings: ServerSettings,
    pub(super) metrics: Shared<Metrics>,
    pub(super) drain: DrainToken,
    /// As the drain says; seen by connections that always have something else to do.
    pub(super) is_draining: Cell<bool>,
    /// Batches up to this one may be answered.
    pub(super) released: watch::Receiver<BatchNo>,
    /// Sent to whenever held commands are to be tried again.
    pub(super) changed: watch::Sender<()>,
    to_seal: Notify,
    is_sealing: Cell<bool>,
    started: Instant,
}

impl Node {
    pub(super) fn new(
        executor: Executor,
        settings: ServerSettings,
        metrics: Shared<Metrics>,
        drain: DrainToken,
    ) -> Self {
        let released = executor.released_watch();
        Self {
            executor: RefCell::new(executor),
            settings,
            metrics,
            drain,
            is_draining: Cell::new(false),
            released,
            changed: watch::Sender::new(()),
            to_seal: Notify::new(),
            is_sealing: Cell::new(false),
            started: Instant::now(),
        }
    }

    /// Has the open batch sealed when every connection that is ready now has had its turn.
    pub(super) fn seal_soon(&self) {
        if !self.is_sealing.replace(true) {
            self.to_seal.notify_one();
        }
    }

    /// Seals a batch whenever one was asked for. Runs until it is dropped.
    pub(super) async fn seal_each_tick(&self) {
        let mut released = self.released.clone();
        let mut sealed: VecDeque<(BatchNo, Instant)> = VecDeque::new();
        loop {
            tokio::select! {
                () = self.to_seal.notified() => {
                    self.is_sealing.set(false);
                    let now = Instant::now();
                    if let Some(batch) = self.executor.borrow_mut().seal() {
                        self.metrics.batch_sealed();
                        sealed.push_back((batch, now));
                    }
                }
                changed = released.changed(), if !sealed.is_empty() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
            let released = *released.borrow_and_update();
            while let Some((batch, since)) = sealed.front().copied()
                && batch <= released
            {
                sealed.pop_front();
                self.metrics.batch_released(since.elapsed().as_secs_f64());
            }
        }
    }

    /// Waits until a held command may be tried again, at the latest until the deadline. `changed`
    /// was last looked at before the command was found to be held, so no change is missed.
    pub(super) async fn wait(
        &self,
        hold: &Hold,
        changed: &mut watch::Receiver<()>,
        deadline: Instant,
    ) {
        let is_over = async {
            match hold {
                Hold::Segments(_) => std::future::pending().await,
                Hold::Capture(queue) => {
                    let drained = queue.drained();
                    if queue.over_limit() {
                        drained.await;
                    }
                }
                Hold::Backlog => {
                    let mut released = self.released.clone();
                    released.mark_unchanged();
                    if self.executor.borrow_mut().has_backlog() {
                        // An error means that the store is gone, and nothing is to be waited for.
                        let _ = released.changed().await;
                    }
                }
            }
        };
        tokio::select! {
            () = is_over => {}
            _ = changed.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }

    /// What the server says about itself.
    pub(super) fn facts(&self) -> Facts {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Facts {
            process_id: std::process::id(),
            port: self.settings.port,
            uptime_seconds: self.started.elapsed().as_secs(),
            connected_clients: self.metrics.connections(),
            max_clients: count(self.settings.max_connections),
            total_connections: self.metrics.total_connections(),
            total_commands: self.metrics.total_commands(),
            max_value_bytes: count(self.settings.decoder.max_bulk_bytes),
            appendfsync: Some(if self.settings.fsync_always { "always" } else { "everysec" }),
            keys: self.metrics.keys(),
            ..Facts::default()
        }
    }
}
