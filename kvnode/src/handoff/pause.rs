//! Shell. How long writers had to wait for handoffs, and how many handoffs there were.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram as Exact;
use node_api::Pauses;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The longest pause that is told from longer ones: an hour.
const MAX_PAUSE_US: u64 = 3_600_000_000;

/// See the module.
#[derive(Debug)]
pub struct HandoffMetrics {
    exact: Mutex<Option<Exact<u64>>>,
    pause_seconds: Histogram,
    keys_received: Counter,
    bytes_received: Counter,
    bytes_streamed: Counter,
    given: Counter,
    dropped: Counter,
}

impl HandoffMetrics {
    /// Registers everything that is counted here.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            exact: Mutex::new(Exact::new_with_bounds(1, MAX_PAUSE_US, 3).ok()),
            pause_seconds: Histogram::new(exponential_buckets(0.000_5, 1.5, 24)),
            keys_received: Counter::default(),
            bytes_received: Counter::default(),
            bytes_streamed: Counter::default(),
            given: Counter::default(),
            dropped: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("ringkv_handoff");
        registry.register_with_unit(
            "pause",
            "From the freezing of arcs at their source until the target's decision was known",
            Unit::Seconds,
            metrics.pause_seconds.clone(),
        );
        registry.register("keys_received", "Live keys received", metrics.keys_received.clone());
        registry.register(
            "bytes_received",
            "Bytes of keys and values received",
            metrics.bytes_received.clone(),
        );
        registry.register("bytes_streamed", "Bytes streamed", metrics.bytes_streamed.clone());
        registry.register("given", "Handoffs given to their target", metrics.given.clone());
        registry.register("dropped", "Handoffs given up", metrics.dropped.clone());
        metrics
    }

    /// The pauses so far.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        let exact = self.exact.lock().unwrap_or_else(PoisonError::into_inner);
        exact.as_ref().map_or_else(Pauses::default, |exact| Pauses {
            count: exact.len(),
            p50_us: exact.value_at_quantile(0.5),
            p99_us: exact.value_at_quantile(0.99),
            max_us: exact.max(),
        })
    }

    pub(crate) fn record_pause(&self, pause: Duration) {
        self.pause_seconds.observe(pause.as_secs_f64());
        let us = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        let mut exact = self.exact.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exact) = exact.as_mut() {
            exact.saturating_record(us);
        }
    }

    pub(crate) fn count_received(&self, keys: u64, bytes: u64) {
        self.keys_received.inc_by(keys);
        self.bytes_received.inc_by(bytes);
    }

    pub(crate) fn count_streamed(&self, bytes: u64) {
        self.bytes_streamed.inc_by(bytes);
    }

    pub(crate) fn count_given(&self) {
        self.given.inc();
    }

    pub(crate) fn count_dropped(&self) {
        self.dropped.inc();
    }
}
