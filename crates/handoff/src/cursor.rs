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
    /// For how long the scan has been done; `None` while it goes on.
    pub scan_done_ms: Option<u64>,
    /// Bytes captured and not yet sent, and bytes sent and not yet confirmed as durable.
    pub outstanding_bytes: u64,
    /// Since when the target was last heard from.
    pub heard_ms_ago: u64,
}

/// A target that was not heard from for this long may be gone: no freeze.
pub const FREEZE_HEARD_MS: u64 = 100;
/// More than this outstanding would make the pause long: no freeze yet.
pub const FREEZE_OUTSTANDING_BYTES: u64 = 128 * 1024;
/// Where writers never let it fall so low, the bound doubles this often: what is outstanding is
/// bounded by queue and window, so the freeze always comes.
pub const FREEZE_DOUBLING_MS: u64 = 100;

impl StreamStatus {
    /// Whether the source may freeze now.
    #[must_use]
    pub fn may_freeze(&self) -> bool {
        let Some(done_ms) = self.scan_done_ms else { return false };
        let n_doublings = (done_ms / FREEZE_DOUBLING_MS).min(20);
        self.outstanding_bytes <= FREEZE_OUTSTANDING_BYTES << n_doublings
            && self.heard_ms_ago < FREEZE_HEARD_MS
    }
}
