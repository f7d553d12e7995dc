//! Shell. Reads the servers' metrics while a change goes on: how long writes were held back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::cluster::LocalCluster;
use crate::http;

/// The histogram of the time from the freeze of a handoff to its decision, at the source.
const PAUSE_METRIC: &str = "ringkv_handoff_pause_seconds";
/// How often the servers are asked.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Counts by the upper bound of each bucket, in microseconds; not cumulative.
type Buckets = BTreeMap<u64, u64>;

/// Asks all servers again and again; a leaving one takes its metrics along when it goes.
pub struct PauseWatch {
    stop: Rc<Cell<bool>>,
    latest: Rc<RefCell<BTreeMap<String, Buckets>>>,
    task: JoinHandle<()>,
}

/// Begins to watch the write pauses of a cluster.
///
/// # Errors
/// The cluster does not answer.
pub async fn watch_write_pauses(cluster: &LocalCluster) -> anyhow::Result<PauseWatch> {
    let coordinator = cluster.coordinator()?;
    let stop = Rc::new(Cell::new(false));
    let latest = Rc::new(RefCell::new(BTreeMap::new()));
    let earlier = ask_all(&coordinator).await;
    let task = tokio::task::spawn_local({
        let (stop, latest) = (Rc::clone(&stop), Rc::clone(&latest));
        async move {
            loop {
                let is_last = stop.get();
                for (server, mut buckets) in ask_all(&coordinator).await {
                    for (bound, count) in earlier.get(&server).into_iter().flatten() {
                        let now = buckets.entry(*bound).or_default();
                        *now = now.saturating_sub(*count);
                    }
                    latest.borrow_mut().insert(server, buckets);
                }
                if is_last {
                    return;
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        }
    });
    Ok(PauseWatch { stop, latest, task })
}

impl PauseWatch {
    /// Asks a last time, and sums up.
    ///
    /// # Errors
    /// The watching task panicked.
    pub async fn stop(self) -> anyhow::Result<Pauses> {
        self.stop.set(true);
        self.task.await?;
        let mut sum = Buckets::new();
        for (bound, count) in self.latest.borrow().values().flatten() {
            *sum.entry(*bound).or_default() += count;
        }
        Ok(Pauses(sum))
    }
}

/// How long writes on moving arcs were held back, over all handoffs.
pub struct Pauses(Buckets);

impl Pauses {
    /// How many pauses there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The upper bound of the bucket below which so many of 100 pauses lie.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Duration {
        let wanted = (self.count() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let bucket = self.0.iter().find(|(_, count)| {
            seen += **count;
            seen >= wanted
        });
        Duration::from_micros(bucket.map_or(0, |(bound, _)| *bound))
    }
}

impl fmt::Display for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, max) = (self.percentile(50), self.percentile(99), self.percentile(100));
        write!(
            f,
            "{} write pauses: p50 <= {p50:.1?}, p99 <= {p99:.1?}, max <= {max:.1?}",
            self.count()
        )
    }
}

async fn ask_all(coordinator: &str) -> BTreeMap<String, Buckets> {
    let mut all = BTreeMap::new();
    let Ok(membership) = http::get::<node_api::Membership>(coordinator, "/membership").await else {
        return all;
    };
    for (name, addresses) in membership.servers {
        // A server that has gone meanwhile keeps what it said last.
        if let Ok(answer) = http::request(&addresses.http, "GET", "/metrics", "", b"").await {
            all.insert(name, parse(&answer.text()));
        }
    }
    all
}

/// The buckets of [`PAUSE_METRIC`] in the text format of Prometheus.
fn parse(text: &str) -> Buckets {
    let mut cumulative = Vec::new();
    for line in text.lines().filter(|line| line.starts_with(PAUSE_METRIC)) {
        let bound = line.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
        if let (Some(bound), Some(count)) = (bound.and_then(microseconds), count) {
            cumulative.push((bound, count));
        }
    }
    cumulative.sort_unstable();
    let mut below = 0;
    let mut buckets = Buckets::new();
    for (bound, count) in cumulative {
        if count > below {
            buckets.insert(bound, count - below);
        }
        below = below.max(count);
    }
    buckets
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn microseconds(seconds: &str) -> Option<u64> {
    if seconds == "+Inf" {
        return Some(u64::from(u32::MAX));
    }
    Some((seconds.parse::<f64>().ok()? * 1e6) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_cumulative_buckets() {
        let text = "# TYPE ringkv_handoff_pause_seconds histogram\n\
            ringkv_handoff_pause_seconds_sum 0.1\n\
            ringkv_handoff_pause_seconds_count 100\n\
            ringkv_handoff_pause_seconds_bucket{le=\"0.001\"} 60\n\
            ringkv_handoff_pause_seconds_bucket{le=\"0.02\"} 99\n\
            ringkv_handoff_pause_seconds_bucket{le=\"+Inf\"} 100\n";
        let pauses = Pauses(parse(text));
        assert_eq!(pauses.count(), 100);
        assert_eq!(pauses.percentile(50), Duration::from_millis(1));
        assert_eq!(pauses.percentile(99), Duration::from_millis(20));
        assert!(pauses.percentile(100) > Duration::from_secs(60));
    }
}
