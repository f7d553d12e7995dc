//! Shell. The control thread's work: learns the membership and what each server claims, and
//! publishes the table that follows.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc as Shared;
use std::time::Duration;

use node_api::{Membership, NodeView};
use planted::Bug;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::Access;
use crate::membership::MembershipSource;
use crate::table::Table;

mod watcher;

use watcher::{Target, watch_node};

/// Pause after a failure of the source of memberships: at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// News that may wait.
const NEWS_MAX: usize = 256;

/// Something learnt.
pub(crate) enum News {
    Membership(Membership),
    View(NodeView),
}

/// Runs until the thread ends. Must be inside a `LocalSet`.
pub(crate) async fn run(
    source: impl MembershipSource + 'static,
    tables: Rc<watch::Sender<Shared<Table>>>,
    access: Access,
    server_wait: Duration,
) {
    let (sender, mut news) = mpsc::channel(NEWS_MAX);
    tokio::task::spawn_local(follow(source, sender.clone()));
    let mut known = Known::default();
    while let Some(one) = news.recv().await {
        known.learn(one);
        while let Ok(another) = news.try_recv() {
            known.learn(another);
        }
        let Some(membership) = &known.membership else { continue };
        let table = Table::build(membership, &known.views);
        known.watch(&table, &sender, &access, server_wait);
        tables.send_if_modified(|published| {
            let changed = **published != table;
            if changed {
                let (segments, frozen) = (table.segments().len(), table.frozen_segments());
                tracing::debug!(ring_epoch = table.ring_epoch, segments, frozen, "another table");
                *published = Shared::new(table);
            }
            changed
        });
    }
}

/// Passes on every membership; keeps the last one while the source is away.
async fn follow(mut source: impl MembershipSource, news: mpsc::Sender<News>) {
    let mut known: Option<Membership> = None;
    let mut pause = BACKOFF.0;
    let mut reported = false;
    loop {
        match source.next(known.as_ref()).await {
            Ok(None) => (pause, reported) = (BACKOFF.0, false),
            Ok(Some(membership)) => {
                (pause, reported) = (BACKOFF.0, false);
                if is_older(&membership, known.as_ref()) {
                    tracing::warn!(
                        epoch = membership.document.epoch,
                        "ignoring a membership of another cluster or of an older ring"
                    );
                    sleep(BACKOFF.1).await;
                    continue;
                }
                known = Some(membership.clone());
                if news.send(News::Membership(membership)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut reported, true) {
                    match &known {
                        Some(_) => tracing::warn!(%error, "keeping the last known servers"),
                        None => tracing::warn!(%error, "no servers are known yet"),
                    }
                }
                sleep(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
}

fn is_older(membership: &Membership, known: Option<&Membership>) -> bool {
    known.is_some_and(|known| {
        known.document.cluster != membership.document.cluster
            || known.document.epoch > membership.document.epoch
    })
}

#[derive(Default)]
struct Known {
    membership: Option<Membership>,
    views: BTreeMap<String, NodeView>,
    watchers: BTreeMap<String, (Target, Watcher)>,
}

/// Ends its task when dropped.
struct Watcher(JoinHandle<()>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Known {
    fn learn(&mut self, news: News) {
        match news {
            News::View(view) => {
                self.views.insert(view.server.name.clone(), view);
            }
            News::Membership(_)
                if self.membership.is_some() && planted::is(Bug::RouterKeepsOldRing) => {}
            News::Membership(membership) => {
                self.views.retain(|name, _| membership.servers.contains_key(name));
                self.watchers.retain(|name, _| membership.servers.contains_key(name));
                self.membership = Some(membership);
            }
        }
    }

    /// Has every server watched whose volume is known.
    fn watch(
        &mut self,
        table: &Table,
        sender: &mpsc::Sender<News>,
        access: &Access,
        server_wait: Duration,
    ) {
        self.watchers.retain(|name, _| table.nodes.iter().any(|node| *node.name == **name));
        for node in &table.nodes {
            let Some(incarnation) = node.incarnation else { continue };
            let target = Target {
                name: node.name.to_string(),
                address: node.address.to_string(),
                cluster: table.cluster.to_string(),
                incarnation,
            };
            if self.watchers.get(&target.name).is_none_or(|(known, _)| *known != target) {
                let task = watch_node(target.clone(), sender.clone(), access.clone(), server_wait);
                let watcher = Watcher(tokio::task::spawn_local(task));
                self.watchers.insert(target.name.clone(), (target, watcher));
            }
        }
    }
}
