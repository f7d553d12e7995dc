//! Pure. How far a stream is, and what a resumed stream must send again.

use ring::Point;
use serde::{Deserialize, Serialize};

use crate::Version;

/// "The target has every write up to `watermark` at every point of the arcs up to `point`."
///
/// It is claimed by the source in the stream, and confirmed by the target once durable there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// The last point that the scan has passed; `None` before the first.
    pub point: Option<Point>,
    /// Every write up to this version, at the points passed.
    pub watermark: Version,
}

impl Cursor {
    /// Whether a record at this point and of this version must be sent when the stream goes on
    /// from here. Records of either kind count: a tombstone above the watermark is sent as well.
    #[must_use]
    pub fn lacks(&self, point: Point, version: Version) -> bool {
        self.point.is_none_or(|passed| point > passed) || version > self.watermark
    }

    /// Whether everything of arcs that end at `last`, up to this version, is there.
    #[must_use]
    pub fn reaches(&self, last: Point, watermark: Version) -> bool {
        self.point.is_some_and(|point| point >= last) && self.watermark >= watermark
    }
}

/// How a source's stream stands, as far as freezing asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStatus {
    /// Whether the scan has passed the last point.
    pub scan_done: bool,
    /// Bytes captured and not yet sent.
    pub backlog_bytes: u64,
    /// Bytes sent and not yet confirmed as durable at the target.
    pub unconfirmed_bytes: u64,
    /// Since when the target was last heard from.
    pub heard_ms_ago: u64,
}

/// A target that was not heard from for this long may be gone: no freeze.
pub const FREEZE_HEARD_MS: u64 = 100;
/// More than this still to send or to confirm would make the pause long: no freeze.
pub const FREEZE_BACKLOG_BYTES: u64 = 64 * 1024;

impl StreamStatus {
    /// Whether the source may freeze now.
    #[must_use]
    pub const fn may_freeze(&self) -> bool {
        self.scan_done
            && self.backlog_bytes <= FREEZE_BACKLOG_BYTES
            && self.unconfirmed_bytes <= FREEZE_BACKLOG_BYTES
            && self.heard_ms_ago < FREEZE_HEARD_MS
    }
}
