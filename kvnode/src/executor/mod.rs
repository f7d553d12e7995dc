//! Shell. The one place of a node where commands run: one at a time, on the data thread.

mod capture;
mod control;

pub use capture::{CaptureQueue, Captured};
pub use control::{
    Admission, ControlRequest, ControlSender, OpenedCapture, SegmentState, Segments,
};

#[cfg(test)]
mod tests;
