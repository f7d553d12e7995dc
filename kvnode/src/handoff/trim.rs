//! Shell. Deletes in the background what is to be deleted: records of arcs that were given away or
//! refused, and tombstones that an ended handoff left. What is not done survives a restart.

use std::sync::Arc as Shared;
use std::sync::atomic::Ordering;
use std::time::Duration;

use handoff::TrimKind;
use shell::clock::{Clock, SystemClock};

use super::{Context, blocking};
use crate::ownership::TrimJob;
use crate::store::{Store, StoreError, Trim, Trimmed};

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
        let (store, rate) = (context.store.clone(), context.limits.trim_records_per_second);
        let mut work = std::pin::pin!(blocking(move || delete(&store, &job, rate)));
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

fn delete(store: &Store, job: &TrimJob, records_per_second: u64) -> Result<Trimmed, StoreError> {
    let what = match job.kind {
        TrimKind::Records => Trim::Everything,
        TrimKind::Tombstones => Trim::Tombstones,
    };
    let clock = SystemClock::new();
    store.delete_arcs(&job.arcs, job.max_version, what, |trimmed| {
        let due = trimmed.n_records.saturating_mul(1_000_000) / records_per_second.max(1);
        let due = Duration::from_micros(due);
        loop {
            if job.stop.load(Ordering::Acquire) {
                return false;
            }
            let rest = due.saturating_sub(clock.monotonic());
            if rest.is_zero() {
                return true;
            }
            std::thread::sleep(rest.min(NAP));
        }
    })
}
