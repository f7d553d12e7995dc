//! Shell. Deletes in the background what is to be deleted: records of arcs that were given away or
//! refused, and tombstones that an ended handoff left. What is not done survives a restart.

use std::sync::Arc as Shared;
use std::sync::atomic::Ordering;
use std::time::Duration;

use handoff::TrimKind;
use shell::clock::Clock;

use super::{Context, blocking};
use crate::ownership::TrimJob;
use crate::store::{StoreError, Trim, Trimmed};

/// The longest sleep between two looks at whether to stop.
const NAP: Duration = Duration::from_millis(20);
/// How long to wait after a failure that does not end the process.
const RETRY: Duration = Duration::from_secs(1);

/// Works until the node stops.
pub(crate) async fn run(context: Shared<Context>) {
    let drain = context.drain.clone();
    loop {
        let job = tokio::select! {
            job = context.ownership.next_trim() => job,
            () = drain.signaled() => return,
        };
        let Ok(job) = job else { return };
        let (id, kind, arcs, stop) = (job.id, job.kind, job.arcs.clone(), Shared::clone(&job.stop));
        let mut work = std::pin::pin!(blocking({
            let context = Shared::clone(&context);
            move || delete(&context, &job)
        }));
        let done = tokio::select! {
            done = &mut work => done,
            () = drain.signaled() => {
                stop.store(true, Ordering::Release);
                work.await
            }
        };
        let finished = match done {
            Ok(trimmed) => {
                let n_records = trimmed.n_records;
                tracing::debug!(%id, ?kind, n_records, finished = trimmed.is_finished, "trimmed");
                trimmed.is_finished
            }
            Err(error) => {
                tracing::error!(%id, error, "cannot delete records");
                tokio::time::sleep(RETRY).await;
                false
            }
        };
        context.ownership.trimmed(id, kind, finished.then_some(arcs)).await;
    }
}

fn delete(context: &Context, job: &TrimJob) -> Result<Trimmed, StoreError> {
    let what = match job.kind {
        TrimKind::Records => Trim::Everything,
        TrimKind::Tombstones => Trim::Tombstones,
    };
    let mut pace = Pace::begin(context.time.monotonic(), context.limits.trim_records_per_second);
    context.store.delete_arcs(&job.arcs, job.max_version, what, |trimmed| {
        let now = context.time.monotonic();
        let rest = context.throttle.rest_after(now.saturating_sub(pace.goes_on_at));
        pace.worked(now, trimmed.n_records, rest);
        loop {
            if job.stop.load(Ordering::Acquire) {
                return false;
            }
            let rest = pace.goes_on_at.saturating_sub(context.time.monotonic());
            if rest.is_zero() {
                return true;
            }
            std::thread::sleep(rest.min(NAP));
        }
    })
}

/// When the next records may be deleted.
struct Pace {
    records_per_second: u64,
    n_records: u64,
    goes_on_at: Duration,
}

impl Pace {
    const fn begin(now: Duration, records_per_second: u64) -> Self {
        Self { records_per_second, n_records: 0, goes_on_at: now }
    }

    /// So many records are deleted by now, and it shall rest at least so long.
    fn worked(&mut self, now: Duration, n_records: u64, rest: Duration) {
        let n_more = n_records.saturating_sub(self.n_records);
        let us = n_more.saturating_mul(1_000_000) / self.records_per_second.max(1);
        self.n_records = n_records;
        let allowed_at = self.goes_on_at + Duration::from_micros(us);
        self.goes_on_at = allowed_at.max(now + rest);
    }
}
