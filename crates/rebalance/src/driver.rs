//! Shell. Looks at the nodes, plans, acts, and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use node_api::{Membership, ServerAddresses};
use ring::RingDocument;
use tokio::sync::watch;

use crate::coordinator::{Directory, Shared};
use crate::status::{ChangeError, Preview};
use crate::store::RingStore;

/// What was seen in the last round.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) document: Option<RingDocument>,
    pub(crate) addresses: BTreeMap<String, ServerAddresses>,
}

pub(crate) struct Driver<S> {
    shared: Arc<Shared>,
    store: S,
    document: Option<RingDocument>,
    directory: Directory,
}

impl<S: RingStore> Driver<S> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        store: S,
        document: Option<RingDocument>,
        directory: Directory,
    ) -> Self {
        Self { shared, store, document, directory }
    }

    pub(crate) async fn run(mut self, mut alive: watch::Receiver<()>) {
        loop {
            let addresses = self.directory.borrow_and_update().clone();
            if let Some(document) = self.document.clone() {
                let servers = addresses.clone();
                let membership = Membership { generation: 1, document, servers };
                self.shared.membership.send_replace(Some(Arc::new(membership)));
            }
            self.shared.set_facts(Facts { document: self.document.clone(), addresses });
            let _ = &self.store;
            tokio::select! {
                gone = alive.changed() => if gone.is_err() { return },
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(self.shared.config.poll_idle) => {}
            }
        }
    }
}

pub(crate) async fn preview(_shared: &Shared, replicas: usize) -> Result<Preview, ChangeError> {
    tokio::task::yield_now().await;
    Err(ChangeError::Replicas(replicas))
}

pub(crate) async fn count_servers(_shared: &Shared, _max_age: Duration) {
    tokio::task::yield_now().await;
}
