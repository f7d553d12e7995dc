//! Shell. Work in the background on what is on disk: removing what has expired, and counting.

use std::sync::Arc as Shared;
use std::time::Duration;

use node_api::Count;
use ring::ArcSet;
use shell::drain::DrainToken;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::executor::{ControlRequest, ControlSender};
use crate::metrics::Metrics;
use crate::store::{HybridClock, Store, StoreError, Sweeper};

/// How many due records are looked at, and removed between two commands, at a time.
const SWEEP_RECORDS: usize = 256;
/// Between two looks when nothing more is due.
const SWEEP_PAUSE: Duration = Duration::from_millis(500);
/// Between two looks when more is due, so that clients are served in between.
const SWEEP_GAP: Duration = Duration::from_millis(2);
/// How many records are counted before it is looked whether it is time to drain.
const COUNTED_RECORDS: u64 = 16_384;
/// Between two counts at least.
const COUNT_PAUSE: Duration = Duration::from_secs(30);
/// How many times longer than a count the pause after it is.
const COUNT_PAUSE_FACTOR: u32 = 100;

/// Removes expired records until it is time to drain.
pub(crate) async fn sweep(
    store: Store,
    clock: HybridClock,
    requests: ControlSender,
    drain: DrainToken,
) {
    let mut sweeper = Sweeper::new(store);
    loop {
        let now_ms = clock.expiry_now();
        let look = shell::blocking::run(move || {
            let due = sweeper.next(now_ms, SWEEP_RECORDS);
            (sweeper, due)
        });
        let Ok((back, due)) = look.await else { return };
        sweeper = back;
        let pause = match due {
            Ok(due) => {
                if !due.keys.is_empty() && !remove(&requests, due.keys).await {
                    return;
                }
                if due.has_more { SWEEP_GAP } else { SWEEP_PAUSE }
            }
            Err(error) => {
                report(error, "cannot look for expired records");
                SWEEP_PAUSE
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = drain.signaled() => return,
        }
    }
}

/// Whether the data thread has answered.
async fn remove(requests: &ControlSender, keys: Vec<crate::store::RecordKey>) -> bool {
    let (removed, answer) = oneshot::channel();
    requests.send(ControlRequest::Expire { keys, removed }).is_ok() && answer.await.is_ok()
}

/// Counts live keys now and then, for metrics, until it is time to drain.
pub(crate) async fn count(
    store: Store,
    clock: HybridClock,
    metrics: Shared<Metrics>,
    drain: DrainToken,
) {
    loop {
        let started = Instant::now();
        let (counted, now_ms, token) = (store.clone(), clock.expiry_now(), drain.clone());
        let count = shell::blocking::run(move || count_in_pieces(&counted, now_ms, &token)).await;
        match count {
            Ok(Ok(None)) => return,
            Ok(Ok(Some(count))) => metrics.set_stored(count.keys, count.bytes),
            Ok(Err(error)) => report(error, "cannot count keys"),
            Err(_) => return,
        }
        let pause = COUNT_PAUSE.max(started.elapsed() * COUNT_PAUSE_FACTOR);
        tokio::select! {
            () = sleep(pause) => {}
            () = drain.signaled() => return,
        }
    }
}

/// `None` where it is time to drain.
fn count_in_pieces(
    store: &Store,
    now_ms: u64,
    drain: &DrainToken,
) -> Result<Option<Count>, StoreError> {
    let (mut total, mut rest) = (Count::default(), ArcSet::full());
    while !rest.is_empty() {
        if drain.is_draining() {
            return Ok(None);
        }
        let counted = store.count_some(&rest, now_ms, COUNTED_RECORDS)?;
        total += counted.count;
        rest = counted.rest;
    }
    Ok(Some(total))
}

fn report(error: StoreError, what: &str) {
    let error = error.or_fatal();
    tracing::error!(%error, "{what}");
}
