//! Shell. What the router counts and measures, and how it is exposed.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc as Shared, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram as Buckets;
use prometheus_client::registry::{Registry, Unit};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// The longest pause that is told from longer ones.
const PAUSE_MICROS_MAX: u64 = 600_000_000;
/// Bounds of the exported pauses, in seconds.
const PAUSE_BOUNDS: [f64; 12] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 10.0];

/// What is counted on one data thread. Only that thread writes, so nothing is locked or contended.
#[derive(Debug)]
pub(crate) struct Counters {
    number: usize,
    commands: AtomicU64,
    frozen: AtomicU64,
    moved: AtomicU64,
    loading: AtomicU64,
    unknown: AtomicU64,
}

impl Counters {
    fn new(number: usize) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            number,
            commands: zero(),
            frozen: zero(),
            moved: zero(),
            loading: zero(),
            unknown: zero(),
        }
    }

    /// The number of the thread.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// A command of a client.
    pub(crate) fn count_command(&self) {
        add_one(&self.commands);
    }

    /// A refusal by a server.
    pub(crate) fn count_refusal(&self, refusal: &Refusal) {
        add_one(match refusal {
            Refusal::Frozen(_) => &self.frozen,
            Refusal::Moved(_) => &self.moved,
            Refusal::Loading(_) => &self.loading,
        });
    }

    /// A write of which nobody knows whether it was applied.
    pub(crate) fn count_unknown(&self) {
        add_one(&self.unknown);
    }
}

/// For a single writer, without a read-modify-write instruction.
fn add_one(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

/// Pauses of writes while their range changed its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WritePause {
    /// How many writes had to wait.
    pub count: u64,
    /// Half of them waited at most so long.
    pub p50_ms: f64,
    /// 99 % of them waited at most so long.
    pub p99_ms: f64,
    /// The longest wait.
    pub max_ms: f64,
}

/// What is counted and measured of the whole router.
#[derive(Debug)]
pub(crate) struct Metrics {
    threads: Vec<Shared<Counters>>,
    clients: AtomicU64,
    clients_total: AtomicU64,
    clients_refused: AtomicU64,
    /// Locked only for writes that had to wait, and by who looks.
    pauses: Mutex<Histogram<u64>>,
    pause_buckets: Buckets,
}

impl Metrics {
    /// Nothing counted yet.
    pub(crate) fn new(threads: usize) -> anyhow::Result<Self> {
        let pauses = Histogram::new_with_bounds(1, PAUSE_MICROS_MAX, 3)?;
        Ok(Self {
            threads: (0..threads).map(|number| Shared::new(Counters::new(number))).collect(),
            clients: AtomicU64::new(0),
            clients_total: AtomicU64::new(0),
            clients_refused: AtomicU64::new(0),
            pauses: Mutex::new(pauses),
            pause_buckets: Buckets::new(PAUSE_BOUNDS),
        })
    }

    /// What that data thread counts.
    pub(crate) fn counters_of(&self, number: usize) -> Shared<Counters> {
        match self.threads.get(number) {
            Some(counters) => Shared::clone(counters),
            None => Shared::new(Counters::new(number)),
        }
    }

    /// A client connected. False where there are so many already.
    pub(crate) fn client_began(&self, max: usize) -> bool {
        if self.clients.fetch_add(1, Relaxed) >= max as u64 {
            self.clients.fetch_sub(1, Relaxed);
            self.clients_refused.fetch_add(1, Relaxed);
            return false;
        }
        self.clients_total.fetch_add(1, Relaxed);
        true
    }

    /// A client is gone.
    pub(crate) fn client_ended(&self) {
        self.clients.fetch_sub(1, Relaxed);
    }

    /// Clients at present.
    pub(crate) fn clients(&self) -> u64 {
        self.clients.load(Relaxed)
    }

    /// Clients ever.
    pub(crate) fn clients_total(&self) -> u64 {
        self.clients_total.load(Relaxed)
    }

    /// Commands ever.
    pub(crate) fn commands_total(&self) -> u64 {
        self.sum(|counters| &counters.commands)
    }

    /// A write had to wait so long for its range to change its server.
    pub(crate) fn write_pause(&self, pause: Duration) {
        self.pause_buckets.observe(pause.as_secs_f64());
        let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.saturating_record(micros);
    }

    /// How long writes had to wait.
    pub(crate) fn write_pauses(&self) -> WritePause {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        #[allow(clippy::cast_precision_loss)]
        let ms = |micros: u64| micros as f64 / 1_000.0;
        WritePause {
            count: pauses.len(),
            p50_ms: ms(pauses.value_at_quantile(0.5)),
            p99_ms: ms(pauses.value_at_quantile(0.99)),
            max_ms: ms(pauses.max()),
        }
    }

    /// Everything in the text format of Prometheus.
    pub(crate) fn encode(&self, ring: &RingFacts) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("ringkv_router");
        let counter = |of: Pick| ConstCounter::new(self.sum(of));
        registry.register("commands", "Commands of clients", counter(|c| &c.commands));
        let refusals = Family::<Reason, Counter>::default();
        for (reason, of) in REFUSALS {
            refusals.get_or_create(&Reason { reason }).inc_by(self.sum(of));
        }
        registry.register("refusals", "Refusals by servers, sent again", refusals);
        let unknown = counter(|c| &c.unknown);
        registry.register("outcomes_unknown", "Writes lost after sending", unknown);
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register("clients", "RESP clients at present", gauge(self.clients()));
        let total = ConstCounter::new(self.clients_total());
        registry.register("clients_accepted", "RESP clients ever", total);
        let refused = ConstCounter::new(self.clients_refused.load(Relaxed));
        registry.register("clients_refused", "RESP clients over the limit", refused);
        registry.register("ring_epoch", "Epoch of the ring document", gauge(ring.epoch));
        registry.register("servers", "Servers known", gauge(ring.servers));
        let complete = gauge(u64::from(ring.complete));
        registry.register("table_complete", "Whether every point has a server", complete);
        registry.register_with_unit(
            "write_pause",
            "Time that writes waited while their range changed its server",
            Unit::Seconds,
            self.pause_buckets.clone(),
        );
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }

    fn sum(&self, of: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        self.threads.iter().map(|counters| of(counters).load(Relaxed)).sum()
    }
}

type Pick = fn(&Counters) -> &AtomicU64;

const REFUSALS: [(&str, Pick); 3] = [
    ("frozen", |counters| &counters.frozen),
    ("moved", |counters| &counters.moved),
    ("loading", |counters| &counters.loading),
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What is known of the ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingFacts {
    /// The epoch of the ring document.
    pub(crate) epoch: u64,
    /// Servers known.
    pub(crate) servers: u64,
    /// Whether every point has a server.
    pub(crate) complete: bool,
}
