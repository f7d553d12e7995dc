//! Shell. The data thread's side of what the control thread asks for.

use super::check::check_point;
use super::transaction::{Capture, Transaction};
use super::{ControlRequest, Executor, OpenedCapture, PublishedView, Segments};
use crate::command::Keyspace as _;
use crate::store::RecordKey;
use handoff::Server;

impl Executor {
    /// Does what the control thread asks for; whether held commands are to be tried again.
    pub(crate) fn control(&mut self, request: ControlRequest) -> bool {
        match request {
            ControlRequest::Publish { segments, applied } => {
                self.publish(segments);
                let _ = applied.send(self.writer.last_batch());
                return true;
            }
            ControlRequest::OpenCapture { id, arcs, queue, opened } => {
                self.captures.retain(|capture| capture.id != id);
                self.captures.push(Capture { id, arcs, queue });
                let version = self.clock.last_version();
                let _ = opened.send(OpenedCapture { batch: self.writer.last_batch(), version });
            }
            ControlRequest::CloseCapture { id, closed } => {
                self.captures.retain(|capture| capture.id != id);
                let _ = closed.send(());
                return true;
            }
            ControlRequest::Expire { keys, removed } => {
                let _ = removed.send(self.expire(&keys));
            }
        }
        false
    }

    fn publish(&mut self, segments: Segments) {
        let number = self.view.borrow().number;
        let (old, server) = (&self.segments, &self.identity.server);
        let has_changed = old.view(server, number) != segments.view(server, number);
        self.segments = segments;
        if has_changed {
            self.view.send_replace(publish(&self.segments, server, number + 1));
        }
    }

    /// Removes records that are expired and served here; how many.
    fn expire(&mut self, keys: &[RecordKey]) -> usize {
        let now_ms = self.clock.expiry_now();
        let mut n_removed = 0;
        for key in keys {
            let point = key.point();
            let is_held = self
                .captures
                .iter()
                .any(|capture| capture.arcs.contains(point) && capture.queue.over_limit());
            if is_held || check_point(&self.segments, point).is_err() {
                continue;
            }
            match self.writer.get(key) {
                Ok((Some(record), _)) if record.value.is_some() && !record.is_live(now_ms) => {
                    let mut transaction =
                        Transaction::new(&mut self.writer, &self.clock, &self.captures);
                    n_removed += usize::from(transaction.remove(key).is_ok());
                }
                Ok(_) => {}
                Err(error) => {
                    let error = error.or_fatal();
                    tracing::error!(%error, "a record that may be expired cannot be read");
                }
            }
        }
        n_removed
    }
}

pub(super) fn publish(segments: &Segments, server: &Server, number: u64) -> PublishedView {
    // A view is a tree of numbers and strings: it always has a JSON form.
    let json = serde_json::to_vec(&segments.view(server, number)).unwrap_or_default();
    PublishedView { number, json: json.into() }
}
