//! Shell. A KvCluster under test.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use ring::{ArcMap, Ring, RingDocument};
use serde_json::{Value, json};

use super::kubectl::Kubectl;
use super::namespace::Namespace;
use super::pod::{self, has_condition, is_ready};
use super::settings::Settings;
use super::wait;

/// How long a new cluster may take to serve: the promise of the README.
pub(crate) const AVAILABLE_WITHIN: Duration = Duration::from_secs(60);
/// How long a change may take, with the pauses that scenarios put into it.
pub(crate) const SETTLED_WITHIN: Duration = Duration::from_secs(180);

/// A KvCluster.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) settings: &'static Settings,
    pub(crate) kubectl: Kubectl,
    pub(crate) name: String,
}

impl Cluster {
    /// Applies one with that specification, and waits until it serves and is at rest.
    pub(crate) fn start(namespace: &Namespace, name: &str, spec: &Value) -> anyhow::Result<Self> {
        let cluster = Self::apply(namespace, name, spec)?;
        cluster.wait_condition("Available", "True", AVAILABLE_WITHIN)?;
        let servers = spec["replicas"].as_u64().unwrap_or(3);
        cluster.wait_settled(usize::try_from(servers)?)?;
        Ok(cluster)
    }

    /// Applies one, and waits for nothing.
    pub(crate) fn apply(namespace: &Namespace, name: &str, spec: &Value) -> anyhow::Result<Self> {
        namespace.kubectl.apply(&json!({
            "apiVersion": "ringkv.dev/v1alpha1",
            "kind": "KvCluster",
            "metadata": { "name": name },
            "spec": spec,
        }))?;
        Ok(Self::existing(namespace, name))
    }

    /// One that somebody has applied.
    pub(crate) fn existing(namespace: &Namespace, name: &str) -> Self {
        Self {
            settings: namespace.settings,
            kubectl: namespace.kubectl.clone(),
            name: name.to_owned(),
        }
    }

    /// The resource.
    pub(crate) fn get(&self) -> anyhow::Result<Value> {
        self.kubectl.get(&["kvcluster", &self.name])
    }

    /// `kubectl scale`.
    pub(crate) fn scale(&self, replicas: usize) -> anyhow::Result<()> {
        let replicas = format!("--replicas={replicas}");
        self.kubectl.run(&["scale", &format!("kvcluster/{}", self.name), &replicas]).map(drop)
    }

    /// Changes the specification by a merge patch.
    pub(crate) fn patch_spec(&self, spec: &Value) -> anyhow::Result<()> {
        self.kubectl.patch(&["kvcluster", &self.name], &json!({ "spec": spec }))
    }

    /// Waits until a condition on the resource gives a result.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Value) -> Option<T>,
    ) -> anyhow::Result<T> {
        wait::until(what, limit, || {
            let resource = self.get().map_err(|error| format!("{error:#}"))?;
            condition(&resource).ok_or_else(|| {
                let status = &resource["status"];
                let conditions = status["conditions"].as_array().into_iter().flatten();
                let conditions: Vec<String> = conditions.map(summary).collect();
                format!(
                    "replicas {}, ready {}, phase {}, rebalance {}, {conditions:?}",
                    status["replicas"], status["ready"], status["phase"], status["rebalance"]
                )
            })
        })
    }

    /// Waits for a condition of that status.
    pub(crate) fn wait_condition(
        &self,
        kind: &str,
        status: &str,
        limit: Duration,
    ) -> anyhow::Result<Value> {
        self.wait(&format!("condition {kind} is {status}"), limit, |resource| {
            has_condition(resource, kind, status).then(|| resource.clone())
        })
    }

    /// Waits for a condition with that reason.
    pub(crate) fn wait_reason(
        &self,
        kind: &str,
        reason: &str,
        limit: Duration,
    ) -> anyhow::Result<Value> {
        self.wait(&format!("condition {kind} with reason {reason}"), limit, |resource| {
            let found = condition(resource, kind)?;
            (found["status"] == "True" && found["reason"] == reason).then(|| resource.clone())
        })
    }

    /// Waits until so many servers serve, everything is as specified, and nothing moves.
    pub(crate) fn wait_settled(&self, servers: usize) -> anyhow::Result<Value> {
        let what = format!("{servers} servers, as specified, and nothing moves");
        self.wait(&what, SETTLED_WITHIN, |resource| {
            is_settled(resource, servers).then(|| resource.clone())
        })
    }

    /// Waits until data is on its way.
    pub(crate) fn wait_moving(&self) -> anyhow::Result<Value> {
        self.wait("data moves", SETTLED_WITHIN, |resource| {
            let moved = resource["status"]["rebalance"]["keysMoved"].as_u64()?;
            (moved > 0).then(|| resource.clone())
        })
    }

    /// The committed ring: who owns which arc.
    pub(crate) fn owners(&self) -> anyhow::Result<ArcMap<String>> {
        owners(&self.get()?)
    }

    /// The pods of servers (`node`) or routers (`router`), by name.
    pub(crate) fn pods(&self, component: &str) -> anyhow::Result<BTreeMap<String, Value>> {
        let selector =
            format!("ringkv.dev/cluster={},app.kubernetes.io/component={component}", self.name);
        let pods = self.kubectl.list(&["pods", "--selector", &selector])?;
        Ok(pods.into_iter().map(|found| (pod::name(&found).to_owned(), found)).collect())
    }

    /// One pod.
    pub(crate) fn pod(&self, name: &str) -> anyhow::Result<Value> {
        self.kubectl.get(&["pod", name])
    }

    /// The name of the server of that number.
    pub(crate) fn server(&self, ordinal: usize) -> String {
        format!("{}-{ordinal}", self.name)
    }

    /// Waits until a server's pod is ready and is another one than before.
    pub(crate) fn wait_replaced(&self, before: &Value) -> anyhow::Result<Value> {
        let name = pod::name(before);
        wait::until(&format!("pod {name} is back"), SETTLED_WITHIN, || {
            let found = self.kubectl.find(&["pod", name]).map_err(|e| e.to_string())?;
            match found {
                Some(found)
                    if found["metadata"]["uid"] != before["metadata"]["uid"]
                        && is_ready(&found) =>
                {
                    Ok(found)
                }
                found => Err(found.map_or("absent".to_owned(), |pod| pod["status"].to_string())),
            }
        })
    }

    /// Waits until all routers are ready.
    pub(crate) fn wait_routers(&self) -> anyhow::Result<()> {
        let name = format!("{}-router", self.name);
        wait::until("the routers are ready", SETTLED_WITHIN, || {
            let found = self.kubectl.get(&["deployment", &name]).map_err(|e| e.to_string())?;
            let (wanted, status) = (&found["spec"]["replicas"], &found["status"]);
            let is_whole = status["readyReplicas"] == *wanted
                && status["replicas"] == *wanted
                && status["updatedReplicas"] == *wanted
                && status["observedGeneration"] == found["metadata"]["generation"];
            if is_whole { Ok(()) } else { Err(status.to_string()) }
        })
    }

    /// The names of the volumes' claims.
    pub(crate) fn claims(&self) -> anyhow::Result<Vec<String>> {
        let claims = self.kubectl.list(&["persistentvolumeclaims"])?;
        let prefix = format!("data-{}-", self.name);
        let names = claims.iter().map(|claim| pod::name(claim).to_owned());
        Ok(names.filter(|name| name.starts_with(&prefix)).collect())
    }

    /// Waits until the claims are those of the servers of these numbers.
    pub(crate) fn wait_claims(&self, ordinals: &[usize]) -> anyhow::Result<()> {
        let mut wanted: Vec<String> =
            ordinals.iter().map(|ordinal| format!("data-{}", self.server(*ordinal))).collect();
        wanted.sort();
        wait::until(&format!("the claims are {wanted:?}"), SETTLED_WITHIN, || {
            let mut claims = self.claims().map_err(|error| error.to_string())?;
            claims.sort();
            if claims == wanted { Ok(()) } else { Err(format!("{claims:?}")) }
        })
    }

    /// Where clients connect to inside of Kubernetes, `address:port` without a name.
    pub(crate) fn router_address(&self) -> anyhow::Result<String> {
        let service = self.kubectl.get(&["service", &self.name])?;
        let address = service["spec"]["clusterIP"].as_str().context("a Service has an address")?;
        Ok(format!("{address}:6379"))
    }

    /// Deletes it, and waits until it is gone.
    pub(crate) fn delete(&self) -> anyhow::Result<()> {
        self.kubectl.run(&["delete", "kvcluster", &self.name, "--timeout=90s"]).map(drop)
    }

    /// The events about it, as `reason: message`.
    pub(crate) fn events(&self) -> anyhow::Result<Vec<String>> {
        let selector = format!("involvedObject.name={}", self.name);
        let events = self.kubectl.list(&["events", "--field-selector", &selector])?;
        let text = |event: &Value, field: &str| event[field].as_str().unwrap_or("").to_owned();
        Ok(events.iter().map(|e| text(e, "reason") + ": " + &text(e, "message")).collect())
    }
}

/// Whether so many servers serve, everything is as specified, and nothing moves.
pub(crate) fn is_settled(resource: &Value, servers: usize) -> bool {
    let status = &resource["status"];
    status["observedGeneration"] == resource["metadata"]["generation"]
        && status["replicas"] == servers
        && status["readyReplicas"] == servers
        && has_condition(resource, "Available", "True")
        && has_condition(resource, "Progressing", "False")
        && has_condition(resource, "Rebalancing", "False")
        && has_condition(resource, "Degraded", "False")
}

/// One of its conditions.
pub(crate) fn condition<'a>(resource: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = resource["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

/// The ring document in the status of a KvCluster: who owns which arc.
pub(crate) fn owners(resource: &Value) -> anyhow::Result<ArcMap<String>> {
    let ring = &resource["status"]["ring"];
    ensure!(!ring.is_null(), "the status has no ring: {}", resource["status"]);
    let document = RingDocument::from_json(ring.to_string().as_bytes())?;
    Ok(Ring::from_document(&document)?.assignment())
}

fn summary(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    format!("{}={} {}: {}", text("type"), text("status"), text("reason"), text("message"))
}
