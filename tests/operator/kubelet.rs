//! Shell. The kubelet of this test: binds pods and claims, runs servers as real processes of this
//! machine, tells how they are, and ends them when their pods are asked to go. Before it ends one
//! it judges whether that may be.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::Api as KubeApi;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::api::{Api, within};
use crate::judge::{Judge, LastState};
use crate::server::{self, Server};

/// The one machine.
pub(crate) const MACHINE: &str = "bench";
/// The labels of what is looked after.
const LABEL: &str = "ringkv.dev/cluster";
/// How often a claim, a secret and a process are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The kubelet.
pub(crate) struct Kubelet {
    pub(crate) api: Api,
    client: Client,
    pub(crate) binary: PathBuf,
    /// With which servers read the ring document, past any fault.
    pub(crate) kubeconfig: PathBuf,
    directory: TempDir,
    pub(crate) judge: Judge,
    addresses: AtomicU32,
    /// Pods that are looked after, by UID.
    pods: Mutex<BTreeMap<String, watch::Sender<Value>>>,
    /// Addresses of running servers, by namespace and name.
    running: Mutex<BTreeMap<(String, String), String>>,
}

impl Kubelet {
    pub(crate) fn new(
        client: Client,
        binary: PathBuf,
        kubeconfig: PathBuf,
    ) -> anyhow::Result<Arc<Self>> {
        let api = Api(client.clone());
        Ok(Arc::new(Self {
            judge: Judge::new(api.clone()),
            api,
            client,
            binary,
            kubeconfig,
            directory: tempfile::Builder::new().prefix("ringkv-operator-").tempdir()?,
            addresses: AtomicU32::new(0),
            pods: Mutex::default(),
            running: Mutex::default(),
        }))
    }

    /// Looks after every pod and claim of a cluster, until the task is aborted.
    pub(crate) async fn run(self: Arc<Self>) -> anyhow::Result<()> {
        let config = watcher::Config::default().labels(LABEL);
        let pods = watcher(KubeApi::<Pod>::all(self.client.clone()), config.clone());
        let claims = watcher(KubeApi::<PersistentVolumeClaim>::all(self.client.clone()), config);
        let pods = pods.try_for_each(|event| {
            self.pod_event(event);
            async { Ok(()) }
        });
        let claims = claims.boxed().try_for_each(|event| {
            self.claim_event(event);
            async { Ok(()) }
        });
        tokio::try_join!(pods, claims).context("the watches of the kubelet")?;
        Ok(())
    }

    /// Where the servers of a namespace run, by name.
    pub(crate) fn addresses(&self, namespace: &str) -> BTreeMap<String, String> {
        let running = lock(&self.running);
        let here = running.iter().filter(|((of, _), _)| of == namespace);
        here.map(|((_, name), address)| (name.clone(), address.clone())).collect()
    }

    pub(crate) fn set_running(&self, pod: &Value, address: Option<&str>) {
        let key = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
        match address {
            Some(address) => lock(&self.running).insert(key, address.to_owned()),
            None => lock(&self.running).remove(&key),
        };
    }

    /// An address of the loopback that nobody had before.
    pub(crate) fn new_address(&self) -> Ipv4Addr {
        let number = self.addresses.fetch_add(1, Ordering::Relaxed);
        let [_, high, middle, low] = (number / 250 * 256 + number % 250 + 1).to_be_bytes();
        Ipv4Addr::new(127, 64 | high & 63, middle, low)
    }

    /// A directory of that name.
    pub(crate) fn directory(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(path)
    }

    fn pod_event(self: &Arc<Self>, event: Event<Pod>) {
        match event {
            Event::Apply(pod) | Event::InitApply(pod) => {
                let uid = pod.uid().unwrap_or_default();
                let pod = serde_json::to_value(pod).unwrap_or_default();
                let mut pods = lock(&self.pods);
                match pods.get(&uid) {
                    Some(known) => {
                        known.send_replace(pod);
                    }
                    None => {
                        let (sender, receiver) = watch::channel(pod);
                        pods.insert(uid, sender);
                        tokio::spawn(look_after(Arc::clone(self), receiver));
                    }
                }
            }
            Event::Delete(pod) => {
                lock(&self.pods).remove(&pod.uid().unwrap_or_default());
            }
            Event::Init | Event::InitDone => {}
        }
    }

    fn claim_event(self: &Arc<Self>, event: Event<PersistentVolumeClaim>) {
        let (claim, is_gone) = match event {
            Event::Apply(claim) | Event::InitApply(claim) => (claim, false),
            Event::Delete(claim) => (claim, true),
            Event::Init | Event::InitDone => return,
        };
        let claim = serde_json::to_value(claim).unwrap_or_default();
        let is_ending = is_gone || claim["metadata"]["deletionTimestamp"].is_string();
        let kubelet = Arc::clone(self);
        tokio::spawn(async move {
            let result = if is_ending {
                kubelet.judge.claim_goes(&claim).await
            } else {
                kubelet.provide(&claim).await
            };
            if let Err(error) = result {
                kubelet.judge.accuse(&claim, &format!("the kubelet failed: {error:#}"));
            }
        });
    }

    /// Makes a volume for a claim that has none, or lets it grow.
    async fn provide(&self, claim: &Value) -> anyhow::Result<()> {
        let (namespace, name) =
            (text(&claim["metadata"]["namespace"]), text(&claim["metadata"]["name"]));
        let uid = text(&claim["metadata"]["uid"]);
        let wanted = &claim["spec"]["resources"]["requests"]["storage"];
        if claim["status"]["phase"] == "Bound" {
            if claim["status"]["capacity"]["storage"] != *wanted {
                let path =
                    format!("{}/status", within(&namespace, "persistentvolumeclaims", &name));
                let patch = json!({ "status": { "capacity": { "storage": wanted } } });
                self.api.merge(&path, &patch).await?;
            }
            return Ok(());
        }
        if claim["spec"]["volumeName"].is_string() {
            return Ok(());
        }
        let volume = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": { "name": format!("pv-{uid}"), "labels": { "bench": namespace } },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": { "storage": wanted },
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": namespace,
                    "name": name,
                    "uid": uid,
                },
                "hostPath": { "path": format!("/nowhere/{uid}") },
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": claim["spec"]["storageClassName"],
            },
        });
        self.api.create("/api/v1/persistentvolumes", &volume).await
    }
}

/// One pod from its beginning to its end.
async fn look_after(kubelet: Arc<Kubelet>, mut changes: watch::Receiver<Value>) {
    let pod = changes.borrow().clone();
    if let Err(error) = run_pod(&kubelet, &pod, &mut changes).await {
        kubelet.judge.accuse(&pod, &format!("the kubelet failed: {error:#}"));
    }
}

async fn run_pod(
    kubelet: &Kubelet,
    pod: &Value,
    changes: &mut watch::Receiver<Value>,
) -> anyhow::Result<()> {
    if let Some(why) = server::unschedulable(pod) {
        let condition = json!({
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
        });
        tell(kubelet, pod, json!({ "conditions": [condition] })).await?;
        // It has no node, so it goes without anybody.
        let _ = changes.wait_for(is_ending).await;
        return Ok(());
    }
    bind(kubelet, pod).await?;
    if let Some(status) = server::without_image(pod) {
        tell(kubelet, pod, status).await?;
        let _ = changes.wait_for(is_ending).await;
        return remove(kubelet, pod).await;
    }
    if pod["metadata"]["labels"]["app.kubernetes.io/component"] != "node" {
        let address = kubelet.new_address().to_string();
        tell(kubelet, pod, server::running(pod, &address, true, 0)).await?;
        let _ = changes.wait_for(is_ending).await;
        return remove(kubelet, pod).await;
    }
    let Some(mut server) = Server::prepare(kubelet, pod, changes).await? else {
        return remove(kubelet, pod).await;
    };
    server.run_until_ending(kubelet, changes).await?;
    let ending = changes.borrow().clone();
    let last: Option<LastState> = server.last_state().await;
    kubelet.judge.pod_goes(&ending, server.claim_uid(), last).await?;
    server.stop(kubelet).await?;
    remove(kubelet, pod).await
}

async fn bind(kubelet: &Kubelet, pod: &Value) -> anyhow::Result<()> {
    if pod["spec"]["nodeName"].is_string() {
        return Ok(());
    }
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": { "name": pod["metadata"]["name"] },
        "target": { "apiVersion": "v1", "kind": "Node", "name": MACHINE },
    });
    match kubelet.api.create(&format!("{}/binding", path_of(pod)), &binding).await {
        Ok(()) => Ok(()),
        // It is gone before it ran.
        Err(_) if kubelet.api.find(&path_of(pod)).await?.is_none() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Tells the status of a pod; it may be gone.
pub(crate) async fn tell(kubelet: &Kubelet, pod: &Value, status: Value) -> anyhow::Result<()> {
    let patch = json!({ "metadata": { "uid": pod["metadata"]["uid"] }, "status": status });
    let told = kubelet.api.merge(&format!("{}/status", path_of(pod)), &patch).await;
    match told {
        Ok(_) => Ok(()),
        // Another pod of its name is there already.
        Err(error) if format!("{error:#}").contains("onflict") => Ok(()),
        Err(error) => Err(error),
    }
}

/// The pod's last: it has ended, and is gone.
async fn remove(kubelet: &Kubelet, pod: &Value) -> anyhow::Result<()> {
    let options = json!({
        "gracePeriodSeconds": 0,
        "preconditions": { "uid": pod["metadata"]["uid"] },
    });
    kubelet.api.delete(&path_of(pod), &options).await
}

fn path_of(pod: &Value) -> String {
    let metadata = &pod["metadata"];
    within(&text(&metadata["namespace"]), "pods", &text(&metadata["name"]))
}

/// Whether a pod has been asked to go.
pub(crate) fn is_ending(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
