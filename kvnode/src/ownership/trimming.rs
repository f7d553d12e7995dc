//! Shell. Which records of arcs that were given away, and which tombstones, are deleted next.

use std::sync::Arc as Shared;
use std::sync::atomic::{AtomicBool, Ordering};

use handoff::{Trim, TrimKind};
use ring::ArcSet;
use tokio::sync::watch;

use super::actor::Actor;
use super::messages::TrimJob;

/// The trim that runs.
pub(crate) struct Trimming {
    pub(super) arcs: ArcSet,
    pub(super) stop: Shared<AtomicBool>,
    pub(super) ended: watch::Sender<bool>,
}

impl Actor {
    /// Hands out the next trim that nothing stands against.
    pub(super) fn offer_trim(&mut self) {
        if self.trimming.is_some() || self.trim_waiter.is_none() {
            return;
        }
        let Some(job) = self.decisions.trims().iter().find_map(|trim| self.trim_job(trim)) else {
            return;
        };
        self.trimming = Some(Trimming {
            arcs: job.arcs.clone(),
            stop: Shared::clone(&job.stop),
            ended: watch::Sender::new(false),
        });
        if let Some(waiter) = self.trim_waiter.take()
            && waiter.send(job).is_err()
        {
            self.trimming = None;
        }
    }

    /// Tombstones stay where a capture is open: a resumed stream may have to send them.
    fn trim_job(&self, trim: &Trim) -> Option<TrimJob> {
        let mut arcs = trim.arcs.clone();
        for preparation in self.preparations.values() {
            arcs = arcs.subtract(&preparation.arcs);
        }
        let mut max_version = trim.max_version;
        if trim.kind == TrimKind::Tombstones {
            arcs = arcs.subtract(&self.decisions.captured());
            for id in &self.captures {
                if let Some(handoff) = self.decisions.handoffs().get(id) {
                    arcs = arcs.subtract(&handoff.arcs);
                }
            }
            max_version = max_version.min(self.clock.last_version());
        }
        let stop = Shared::new(AtomicBool::new(false));
        (!arcs.is_empty()).then_some(TrimJob {
            id: trim.id,
            kind: trim.kind,
            arcs,
            max_version,
            stop,
        })
    }

    /// Stops the trim that runs over any of these arcs; tells when it has ended.
    pub(super) fn stop_trim(&self, arcs: &ArcSet) -> Option<watch::Receiver<bool>> {
        let trimming = self.trimming.as_ref()?;
        if trimming.arcs.intersection(arcs).is_empty() {
            return None;
        }
        trimming.stop.store(true, Ordering::Release);
        Some(trimming.ended.subscribe())
    }
}
