//! Shell. The capture of one handoff: the queue of writes that the data thread fills, and from
//! which version on they are in it.

use std::sync::Arc as Shared;

use handoff::{HandoffId, Version};
use ring::ArcSet;
use tokio::sync::oneshot;

use super::Context;
use crate::executor::{CaptureQueue, ControlRequest, OpenedCapture};
use crate::store::BatchNo;

pub(super) struct Capture {
    queue: Shared<CaptureQueue>,
    opened: Option<oneshot::Receiver<OpenedCapture>>,
    /// Every write that is not in the queue has a version up to this one ...
    base: Version,
    /// ... and is in a batch up to this one.
    batch: BatchNo,
}

/// From where a stream begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub(super) version: Version,
    pub(super) batch: BatchNo,
}

impl Capture {
    /// Asks for the capture; it is in force before anything that is asked for later.
    pub(super) fn open(context: &Context, id: HandoffId, arcs: &ArcSet) -> Self {
        let queue = Shared::new(CaptureQueue::new(context.limits.capture_bytes));
        let (opened, is_opened) = oneshot::channel();
        let request = ControlRequest::OpenCapture {
            id,
            arcs: arcs.clone(),
            queue: Shared::clone(&queue),
            opened,
        };
        if context.control.send(request).is_err() {
            tracing::debug!(%id, "the data thread has ended");
        }
        Self { queue, opened: Some(is_opened), base: 0, batch: 0 }
    }

    pub(super) fn queue(&self) -> Shared<CaptureQueue> {
        Shared::clone(&self.queue)
    }

    /// Lets go of what waits; a scan that begins after it finds it on disk.
    pub(super) fn discard(&mut self) {
        loop {
            let discarded = self.queue.drain_durable(BatchNo::MAX, usize::MAX);
            let Some(last) = discarded.last() else { return };
            self.base = self.base.max(last.version);
            self.batch = self.batch.max(last.batch);
        }
    }

    /// Where a new stream begins: what is older is found by its scan, what is newer is in the
    /// queue.
    pub(super) async fn base(&mut self) -> Base {
        if let Some(opened) = self.opened.take()
            && let Ok(opened) = opened.await
        {
            self.base = self.base.max(opened.version);
            self.batch = self.batch.max(opened.batch);
        }
        self.discard();
        Base { version: self.base, batch: self.batch }
    }

    pub(super) async fn close(self, context: &Context, id: HandoffId) {
        let (closed, is_closed) = oneshot::channel();
        if context.control.send(ControlRequest::CloseCapture { id, closed }).is_ok() {
            let _ = is_closed.await;
        }
        context.ownership.capture_closed(id).await;
    }
}

/// Ends when something waits in the queue.
pub(super) async fn pushed(queue: Option<&CaptureQueue>) {
    match queue {
        Some(queue) => queue.pushed().await,
        None => std::future::pending().await,
    }
}
