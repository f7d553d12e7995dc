//! What a resumed stream sends again, and when a source may freeze.

use ring::Point;

use crate::{Cursor, FREEZE_DOUBLING_MS, FREEZE_HEARD_MS, FREEZE_OUTSTANDING_BYTES, StreamStatus};

#[test]
fn a_resumed_stream_sends_what_the_target_may_lack() {
    let start = Cursor::default();
    assert!(start.lacks(Point(0), 0));
    let cursor = Cursor { point: Some(Point(5)), watermark: 7 };
    assert!(!cursor.lacks(Point(5), 7));
    assert!(cursor.lacks(Point(5), 8), "written after the watermark");
    assert!(cursor.lacks(Point(6), 1), "not passed");
    assert!(cursor.reaches(Point(5), 7));
    assert!(!cursor.reaches(Point(6), 7));
    assert!(!cursor.reaches(Point(5), 8));
    assert!(!start.reaches(Point(0), 0));
}

#[test]
fn a_freeze_waits_for_the_scan_a_small_rest_and_a_live_target() {
    let ready = StreamStatus {
        scan_done_ms: Some(0),
        outstanding_bytes: FREEZE_OUTSTANDING_BYTES,
        heard_ms_ago: FREEZE_HEARD_MS - 1,
    };
    assert!(ready.may_freeze());
    assert!(!StreamStatus { scan_done_ms: None, ..ready }.may_freeze());
    assert!(!StreamStatus { heard_ms_ago: FREEZE_HEARD_MS, ..ready }.may_freeze());
    let behind = StreamStatus { outstanding_bytes: FREEZE_OUTSTANDING_BYTES + 1, ..ready };
    assert!(!behind.may_freeze());
    let waited = StreamStatus { scan_done_ms: Some(FREEZE_DOUBLING_MS), ..behind };
    assert!(waited.may_freeze(), "it always comes");
}
