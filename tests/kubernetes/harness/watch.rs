//! Shell. Watches objects while something goes on: every change, not only what a look now and then
//! would see.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::cluster::Cluster;
use super::pod::{is_ready, name};
use super::wait;

/// How long a watch may take to see what is there.
const BEGINS_WITHIN: Duration = Duration::from_secs(20);

/// A watch that goes on.
pub(crate) struct Watch {
    child: Child,
    reader: JoinHandle<()>,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Watch {
    /// Begins with the servers of a cluster as they are.
    pub(crate) fn servers(cluster: &Cluster) -> anyhow::Result<Self> {
        let selector =
            format!("ringkv.dev/cluster={},app.kubernetes.io/component=node", cluster.name);
        Self::start(cluster, &["pods", "--selector", &selector])
    }

    /// Begins with the cluster's resource as it is.
    pub(crate) fn resource(cluster: &Cluster) -> anyhow::Result<Self> {
        Self::start(cluster, &["kvcluster", &cluster.name])
    }

    fn start(cluster: &Cluster, what: &[&str]) -> anyhow::Result<Self> {
        let flags = ["--watch", "--output-watch-events", "--output=json"];
        let mut command: Command = cluster.kubectl.command(&[&["get"], what, &flags].concat());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start kubectl")?;
        let mut stdout = child.stdout.take().context("no output")?;
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 16 * 1024];
            while let Ok(length @ 1..) = stdout.read(&mut piece) {
                let read = piece.get(..length).unwrap_or_default();
                shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(read);
            }
        });
        let watch = Self { child, reader, text };
        wait::until("the watch begins", BEGINS_WITHIN, || {
            let text = watch.text.lock().unwrap_or_else(PoisonError::into_inner);
            if text.is_empty() { Err("nothing is seen".to_owned()) } else { Ok(()) }
        })?;
        Ok(watch)
    }

    /// Ends it; every event in order.
    pub(crate) fn stop(mut self) -> anyhow::Result<Vec<Event>> {
        self.child.kill()?;
        self.child.wait()?;
        // It only reads until the pipe is closed.
        let _ = self.reader.join();
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let events = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
        // The last one may be cut off.
        let events = events.map_while(Result::ok);
        Ok(events
            .map(|event| Event {
                is_deletion: event["type"] == "DELETED",
                object: event["object"].clone(),
            })
            .collect())
    }
}

/// A change of an object.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) is_deletion: bool,
    /// As it is afterwards.
    pub(crate) object: Value,
}

impl Event {
    /// The version of everything that this change made; versions of all objects are on one line.
    pub(crate) fn version(&self) -> u64 {
        let version = self.object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        version.parse().unwrap_or_default()
    }
}

/// The most servers that were not ready at a time, of those that were ready at the beginning, and
/// which these were.
pub(crate) fn most_away(events: &[Event]) -> (usize, Vec<String>) {
    let mut ready: BTreeMap<String, bool> = BTreeMap::new();
    let mut worst = (0, Vec::new());
    for event in events {
        let is_ready = !event.is_deletion && is_ready(&event.object);
        let name = name(&event.object).to_owned();
        if is_ready || ready.contains_key(&name) {
            ready.insert(name, is_ready);
        }
        let away: Vec<String> = ready
            .iter()
            .filter(|(_, is_ready)| !**is_ready)
            .map(|(name, _)| name.clone())
            .collect();
        if away.len() > worst.0 {
            worst = (away.len(), away);
        }
    }
    worst
}
