//! Pure. What the control thread tells the data thread: what may be served, and which writes are
//! wanted by a handoff. Every request takes effect between two commands.

use std::sync::Arc as Shared;

use handoff::{Epoch, HandoffId, Server, Version};
use node_api::{Claim, Given, NodeView};
use ring::{Arc, ArcMap, ArcSet, Point};
use tokio::sync::{mpsc, oneshot};

use super::CaptureQueue;
use crate::store::{BatchNo, RecordKey};

/// Requests to the data thread; the sender side belongs to the control thread.
pub type ControlSender = mpsc::UnboundedSender<ControlRequest>;

/// Whether the node may serve at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Recovered, and admitted by its own read of the ring document.
    Admitted,
    /// Not yet, and why: the text after `-LOADING `.
    Waiting(String),
}

/// How a point that the node owns is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentState {
    /// Commands run.
    Serving {
        /// Since which epoch the node owns it.
        epoch: Epoch,
    },
    /// Commands are held until a handoff is decided.
    Frozen {
        /// Since which epoch the node owns it.
        epoch: Epoch,
    },
}

impl SegmentState {
    /// Since which epoch the node owns the point.
    #[must_use]
    pub const fn epoch(self) -> Epoch {
        match self {
            Self::Serving { epoch } | Self::Frozen { epoch } => epoch,
        }
    }

    /// Whether commands are held.
    #[must_use]
    pub const fn is_frozen(self) -> bool {
        matches!(self, Self::Frozen { .. })
    }
}

/// Everything that decides whether a command may run here. A point without a state is not owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Whether the node may serve at all.
    pub admission: Admission,
    /// The epoch of the ring document that is durably recorded.
    pub ring_epoch: Epoch,
    /// What the node owns.
    pub arcs: ArcMap<SegmentState>,
    /// Where arcs went that it has given away: the hint in MOVED.
    pub given: ArcMap<Given>,
}

impl Segments {
    /// Of a node that owns nothing and may not serve yet.
    #[must_use]
    pub fn waiting(why: impl Into<String>) -> Self {
        Self {
            admission: Admission::Waiting(why.into()),
            ring_epoch: 0,
            arcs: ArcMap::default(),
            given: ArcMap::default(),
        }
    }

    /// The segment around a point that is not owned: from the owned arc before it to the one after,
    /// and inside one hint.
    #[must_use]
    pub fn gap(&self, point: Point) -> Arc {
        let unowned = self.arcs.arcs().complement();
        let gap = unowned.arc_of(point).unwrap_or(Arc::FULL);
        match self.given.entry(point) {
            Some((given, _)) => gap.intersection(&given).unwrap_or(gap),
            None => {
                let unhinted = self.given.arcs().complement();
                unhinted.arc_of(point).and_then(|arc| arc.intersection(&gap)).unwrap_or(gap)
            }
        }
    }

    /// What routers are told of it.
    #[must_use]
    pub fn view(&self, server: &Server, view: u64) -> NodeView {
        let mut arcs = ArcMap::default();
        for (arc, state) in self.arcs.iter() {
            arcs.insert(arc, Claim { epoch: state.epoch(), frozen: state.is_frozen() });
        }
        NodeView {
            server: server.clone(),
            view,
            ring_epoch: self.ring_epoch,
            admitted: self.admission == Admission::Admitted,
            arcs,
        }
    }
}

/// A capture is open: every write of its arcs after this goes to its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedCapture {
    /// The newest batch that may hold an earlier write; a scan starts when it is durable.
    pub batch: BatchNo,
    /// No earlier write has a version above this, every captured one has.
    pub version: Version,
}

/// A request to the data thread. A sender that was dropped without an answer means that the data
/// thread has ended.
#[derive(Debug)]
pub enum ControlRequest {
    /// Serve by these segments from now on.
    Publish {
        /// The new segments.
        segments: Segments,
        /// Answered when they are in force: the newest batch that holds a write made before. No
        /// command that was checked against older segments runs any more.
        applied: oneshot::Sender<BatchNo>,
    },
    /// Copy every later write of the arcs into the queue, and turn removals there into tombstones.
    /// After a restart this comes before the `Publish` that serves the arcs.
    OpenCapture {
        /// The handoff that wants them.
        id: HandoffId,
        /// Which points.
        arcs: ArcSet,
        /// Where to.
        queue: Shared<CaptureQueue>,
        /// Answered when the capture is in force.
        opened: oneshot::Sender<OpenedCapture>,
    },
    /// End a capture; unknown ones are answered too.
    CloseCapture {
        /// Which.
        id: HandoffId,
        /// Answered when nothing more will be pushed.
        closed: oneshot::Sender<()>,
    },
    /// Remove these records where they are expired still, and served here.
    Expire {
        /// Which.
        keys: Vec<RecordKey>,
        /// How many were removed.
        removed: oneshot::Sender<usize>,
    },
}
