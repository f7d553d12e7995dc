//! Shell. Looks at a cluster while it is measured: when handoffs are under way.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use rebalance::Status;
use shell::clock::{Clock, SystemClock};

use crate::cluster_client::ClusterClient;
use crate::failure::Failure;
use crate::options::ClusterOptions;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The most changes that are remembered; later ones are not in the timeline.
const CHANGES_MAX: usize = 100_000;
const PATH: &str = "/status?count=false";

/// A cluster to look at.
pub(super) struct Watch {
    client: ClusterClient,
}

impl Watch {
    /// Makes sure that there is one.
    pub(super) async fn new(url: &str, password_file: Option<&Path>) -> Result<Self, Failure> {
        let password_file = password_file.map(Path::to_path_buf);
        let client = ClusterClient::of(&ClusterOptions { url: url.to_owned(), password_file })?;
        client.status(PATH).await?;
        Ok(Self { client })
    }

    /// Notes each change of the number of handoffs under way. Never ends by itself.
    pub(super) async fn look(&self, clock: SystemClock, seen: &RefCell<Vec<(Duration, u64)>>) {
        let mut before = 0;
        loop {
            let asked = clock.monotonic();
            // A coordinator that is started again in the middle says nothing for a while.
            if let Ok(whole) = self.client.status(PATH).await {
                let now = under_way(&whole.status);
                let mut seen = seen.borrow_mut();
                if now != before && seen.len() < CHANGES_MAX {
                    // Began or ended between the asking and the answer: the wider span is told.
                    seen.push((if now > before { asked } else { clock.monotonic() }, now));
                    before = now;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn under_way(status: &Status) -> u64 {
    let handoffs = status.rebalance.iter().flat_map(|rebalance| &rebalance.handoffs);
    handoffs.filter(|handoff| !handoff.state.is_over()).count() as u64
}
