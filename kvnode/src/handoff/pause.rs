//! Shell. How long writers had to wait for handoffs, and how many handoffs there were.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram as Exact;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The longest pause that is told from longer ones: an hour.
const MAX_PAUSE_US: u64 = 3_600_000_000;

/// See the module.
#[derive(Debug)]
pub struct HandoffMetrics {
    exact: Mutex<Option<Exact<u64>>>,
    pause_seconds: Histogram,
    /// By quantile: the median, the 99th percentile and the longest.
    quantiles: [(f64, Gauge<f64, AtomicU64>); 3],
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
        let quantiles =
            Family::<[(&'static str, &'static str); 1], Gauge<f64, AtomicU64>>::default();
        let of = |quantile| quantiles.get_or_create(&[("quantile", quantile)]).clone();
        let metrics = Self {
            exact: Mutex::new(Exact::new_with_bounds(1, MAX_PAUSE_US, 3).ok()),
            pause_seconds: Histogram::new(exponential_buckets(0.000_5, 1.5, 24)),
            quantiles: [(0.5, of("0.5")), (0.99, of("0.99")), (1.0, of("1"))],
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
        registry.register_with_unit(
            "pause_quantile",
            "The pauses so far: their median, 99th percentile and maximum",
            Unit::Seconds,
            quantiles,
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

    pub(crate) fn record_pause(&self, pause: Duration) {
        self.pause_seconds.observe(pause.as_secs_f64());
        let us = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        let mut exact = self.exact.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exact) = exact.as_mut() {
            exact.saturating_record(us);
            for (quantile, gauge) in &self.quantiles {
                let us = exact.value_at_quantile(*quantile);
                gauge.set(Duration::from_micros(us).as_secs_f64());
            }
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
