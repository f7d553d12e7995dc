//! One real node against a peer of the test's making, to hold a handoff at any point.
