//! Shell. The node's own live reads of the committed ring document: until it is admitted, and
//! whenever the coordinator says that there is a new one.

use std::sync::Arc as Shared;

use shell::drain::DrainToken;
use tokio::sync::Notify;

use super::{Ownership, RingSource};
use crate::executor::Admission;

/// Reads until the end of the process. `again` asks for another read at once.
pub(crate) async fn run(
    ownership: Ownership,
    source: Shared<dyn RingSource>,
    again: Shared<Notify>,
    drain: DrainToken,
) {
    let mut admission = ownership.admission.clone();
    let mut failures = 0;
    while !drain.is_draining() {
        ownership.ring_read(source.read().await).await;
        let is_admitted = *admission.borrow_and_update() == Admission::Admitted;
        let pause = source.retry_pause(failures);
        failures = if is_admitted { 0 } else { failures.saturating_add(1) };
        tokio::select! {
            () = again.notified() => {}
            () = drain.signaled() => return,
            () = tokio::time::sleep(pause), if !is_admitted => {}
            changed = admission.changed(), if is_admitted => if changed.is_err() { return },
        }
    }
}
