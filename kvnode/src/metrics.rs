//! Shell. What the data thread counts, for /metrics and INFO.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use resp::commands::Kind;

/// See the module. Cheap to count into, from any thread.
#[derive(Debug)]
pub struct Metrics {
    reads: Counter,
    writes: Counter,
    others: Counter,
    errors: Counter,
    held: Counter,
    refused: Counter,
    connections: Gauge,
    total_connections: Counter,
    refused_connections: Counter,
    batches: Counter,
    commit_seconds: Histogram,
    keys: Gauge<i64, AtomicI64>,
    bytes: Gauge<i64, AtomicI64>,
    /// 0 until keys were counted for the first time.
    n_counts: AtomicU64,
}

impl Metrics {
    /// Registers everything that is counted here.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let commands = Family::<[(&'static str, &'static str); 1], Counter>::default();
        let of_kind = |kind| commands.get_or_create(&[("kind", kind)]).clone();
        let metrics = Self {
            reads: of_kind("read"),
            writes: of_kind("write"),
            others: of_kind("other"),
            errors: Counter::default(),
            held: Counter::default(),
            refused: Counter::default(),
            connections: Gauge::default(),
            total_connections: Counter::default(),
            refused_connections: Counter::default(),
            batches: Counter::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 18)),
            keys: Gauge::default(),
            bytes: Gauge::default(),
            n_counts: AtomicU64::new(0),
        };
        metrics.register_in(registry, commands);
        metrics
    }

    fn register_in(
        &self,
        registry: &mut Registry,
        commands: Family<[(&'static str, &'static str); 1], Counter>,
    ) {
        let registry = registry.sub_registry_with_prefix("ringkv");
        registry.register("commands", "Commands taken from clients", commands);
        registry.register("command_errors", "Error replies", self.errors.clone());
        registry.register(
            "commands_held",
            "Commands that had to wait for a handoff or the disk",
            self.held.clone(),
        );
        registry.register(
            "commands_refused",
            "Commands answered FROZEN, MOVED or LOADING",
            self.refused.clone(),
        );
        registry.register("connections", "Open client connections", self.connections.clone());
        registry.register(
            "connections_accepted",
            "Client connections accepted",
            self.total_connections.clone(),
        );
        registry.register(
            "connections_refused",
            "Client connections over the limit",
            self.refused_connections.clone(),
        );
        registry.register("batches", "Batches of writes sealed", self.batches.clone());
        registry.register_with_unit(
            "commit",
            "From the sealing of a batch until its writes may be answered",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register("keys", "Live keys on disk, by the last count", self.keys.clone());
        registry.register_with_unit(
            "data",
            "Bytes of live keys and values, by the last count",
            Unit::Bytes,
            self.bytes.clone(),
        );
    }

    pub(crate) fn count_command(&self, kind: Option<Kind>) {
        match kind {
            Some(Kind::Read) => self.reads.inc(),
            Some(Kind::Write) => self.writes.inc(),
            _ => self.others.inc(),
        };
    }

    pub(crate) fn count_error(&self) {
        self.errors.inc();
    }

    pub(crate) fn count_held(&self) {
        self.held.inc();
    }

    pub(crate) fn count_refused(&self) {
        self.refused.inc();
    }

    pub(crate) fn connection_opened(&self) {
        self.total_connections.inc();
        self.connections.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    pub(crate) fn count_refused_connection(&self) {
        self.refused_connections.inc();
    }

    pub(crate) fn batch_sealed(&self) {
        self.batches.inc();
    }

    pub(crate) fn batch_released(&self, seconds: f64) {
        self.commit_seconds.observe(seconds);
    }

    /// Records the result of a count of what is on disk.
    pub fn set_stored(&self, keys: u64, bytes: u64) {
        self.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.n_counts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connections(&self) -> u64 {
        u64::try_from(self.connections.get()).unwrap_or(0)
    }

    pub(crate) fn total_connections(&self) -> u64 {
        self.total_connections.get()
    }

    pub(crate) fn total_commands(&self) -> u64 {
        self.reads.get() + self.writes.get() + self.others.get()
    }

    pub(crate) fn keys(&self) -> Option<u64> {
        let is_counted = self.n_counts.load(Ordering::Relaxed) > 0;
        is_counted.then(|| u64::try_from(self.keys.get()).unwrap_or(0))
    }
}
