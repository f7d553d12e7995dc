//! Shell. Judges every pod and every claim that goes: none may go that is needed.
//!
//! The moment at which a pod or claim is asked to go is the last one at which everything is still
//! there: the ring document is read live, and the server says itself what it owns.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use crate::api::{Api, within};
use crate::kubelet::{lock, text};

/// What a server last said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastState {
    pub(crate) owns: bool,
    /// Whether it ever owned something.
    pub(crate) ever_granted: bool,
    pub(crate) is_retired: bool,
}

/// Judges, and remembers.
pub(crate) struct Judge {
    api: Api,
    /// By UID of the claim: what the server on it said when its pod went.
    last: Mutex<BTreeMap<String, LastState>>,
    /// By namespace: what should not have been.
    accusations: Mutex<BTreeMap<String, Vec<String>>>,
    /// By namespace: what is worth to be told where something fails.
    notes: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Judge {
    pub(crate) fn new(api: Api) -> Self {
        Self { api, last: Mutex::default(), accusations: Mutex::default(), notes: Mutex::default() }
    }

    /// What should not have been in that namespace; taken.
    pub(crate) fn accusations(&self, namespace: &str) -> Vec<String> {
        lock(&self.accusations).remove(namespace).unwrap_or_default()
    }

    /// What else is worth to be told; taken.
    pub(crate) fn notes(&self, namespace: &str) -> Vec<String> {
        lock(&self.notes).remove(namespace).unwrap_or_default()
    }

    pub(crate) fn accuse(&self, object: &Value, what: &str) {
        let line = format!("{}: {what}", text(&object["metadata"]["name"]));
        let namespace = text(&object["metadata"]["namespace"]);
        lock(&self.accusations).entry(namespace).or_default().push(line);
    }

    pub(crate) fn note(&self, object: &Value, what: &str) {
        let line = format!("{}: {what}", text(&object["metadata"]["name"]));
        let namespace = text(&object["metadata"]["namespace"]);
        lock(&self.notes).entry(namespace).or_default().push(line);
    }

    /// A server's pod is asked to go, and its process still runs.
    pub(crate) async fn pod_goes(
        &self,
        pod: &Value,
        claim_uid: &str,
        last: Option<LastState>,
    ) -> anyhow::Result<()> {
        if let Some(last) = last {
            lock(&self.last).insert(claim_uid.to_owned(), last);
        }
        let namespace = text(&pod["metadata"]["namespace"]);
        let server = text(&pod["metadata"]["name"]);
        let Some((cluster, ordinal)) = split(&server) else { return Ok(()) };
        let Some(resource) = self.living(&namespace, cluster).await? else { return Ok(()) };
        let set = self.api.find(&within(&namespace, "statefulsets", cluster)).await?;
        let Some(set) = set.filter(|set| set["metadata"]["deletionTimestamp"].is_null()) else {
            self.accuse(pod, "its StatefulSet went");
            return Ok(());
        };
        if set["spec"]["replicas"].as_i64().is_some_and(|replicas| ordinal < replicas) {
            let revision = &pod["metadata"]["labels"]["controller-revision-hash"];
            if *revision == set["status"]["updateRevision"] {
                self.accuse(pod, "a pod of the present revision was replaced");
            }
            return Ok(());
        }
        if is_listed(&resource, &server) {
            self.accuse(pod, "the pod of a server went that the ring document lists");
        }
        match last {
            Some(last) if last.owns => {
                self.accuse(pod, "the pod of a server went that owns something");
            }
            Some(last) if last.ever_granted && !last.is_retired => {
                self.accuse(pod, "the pod of a server went that has not retired");
            }
            Some(_) => {}
            None => self.note(pod, "a pod went whose server did not answer"),
        }
        Ok(())
    }

    /// A claim is asked to go, or gone.
    pub(crate) async fn claim_goes(&self, claim: &Value) -> anyhow::Result<()> {
        let namespace = text(&claim["metadata"]["namespace"]);
        let name = text(&claim["metadata"]["name"]);
        let Some(server) = name.strip_prefix("data-") else { return Ok(()) };
        let Some((cluster, _)) = split(server) else { return Ok(()) };
        let Some(resource) = self.living(&namespace, cluster).await? else { return Ok(()) };
        if is_listed(&resource, server) {
            self.accuse(claim, "the claim of a server went that the ring document lists");
        }
        let last = lock(&self.last).get(&text(&claim["metadata"]["uid"])).copied();
        if last.is_some_and(|last| last.owns || (last.ever_granted && !last.is_retired)) {
            self.accuse(claim, &format!("a claim went whose server last said {last:?}"));
        }
        if claim["metadata"]["annotations"]["ringkv.dev/retired"].is_null() {
            self.accuse(claim, "a claim went that is not marked as retired");
        }
        Ok(())
    }

    /// The resource, unless it is gone or on its way out, and everything may go.
    async fn living(&self, namespace: &str, cluster: &str) -> anyhow::Result<Option<Value>> {
        let found = self.api.find(&within(namespace, "kvclusters", cluster)).await?;
        Ok(found.filter(|one| one["metadata"]["deletionTimestamp"].is_null()))
    }
}

/// Cluster and number of a server.
fn split(server: &str) -> Option<(&str, i64)> {
    let (cluster, ordinal) = server.rsplit_once('-')?;
    Some((cluster, ordinal.parse().ok()?))
}

fn is_listed(resource: &Value, server: &str) -> bool {
    let ring = &resource["status"]["ring"];
    let listed = [&ring["members"], &ring["leaving"]];
    let mut listed = listed.into_iter().filter_map(Value::as_array).flatten();
    listed.any(|member| member["name"] == server)
}
