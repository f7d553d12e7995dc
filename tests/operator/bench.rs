//! Shell. One cluster of the test in a namespace of its own: with an operator, and a proxy between
//! that and the API server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use e2e::fault::Fault;
use e2e::form::{Form, POKE, differences, form};
use e2e::http;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::api::{Api, within};
use crate::data::Data;
use crate::kubelet::Kubelet;
use crate::process::{Operator, Start};
use crate::proxy::Proxy;
use crate::workflow::{Case, SIZE, Stand, Workflow, grown, other_image, specification};

/// The name of every cluster.
const CLUSTER: &str = "demo";
/// How long a change may take, with what goes wrong in it.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// How long a change may take to begin before it is turned round.
const BEGINS_WITHIN: Duration = Duration::from_secs(20);
/// How often the cluster is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Looks at a cluster that has to be quiet.
const POKES: u32 = 20;
/// Pause between them: more than the operator takes together.
const POKE_EVERY: Duration = Duration::from_millis(60);
/// How long it has to be quiet at least: more than the coordinator's pause between two looks.
const QUIET_FOR: Duration = Duration::from_millis(2_300);
/// It may write its last while it is first looked at.
const QUIET_TRIES: u32 = 4;
/// Requests that change something: so many times those of a run without faults, and so many more.
const CHANGES_BOUND: (u32, u32) = (3, 40);
/// How often a change has a cluster looked at: likewise.
const RECONCILES_BOUND: (u32, u32) = (3, 100);
/// As much of a log as a failure shows.
const LOG_LINES: usize = 25;
/// Where the operator tells its metrics.
const METRICS_PORT: u16 = 8080;

/// What a change came to.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// What there is at the end.
    pub(crate) form: Form,
    /// Requests that change something, one a line.
    pub(crate) changes: Vec<String>,
    pub(crate) events: BTreeMap<String, u32>,
    /// What the fault has met.
    pub(crate) met: Option<String>,
    pub(crate) reconciles: u32,
    pub(crate) took: Duration,
}

/// A namespace with a cluster, or without one yet.
pub(crate) struct Bench {
    kubelet: Arc<Kubelet>,
    pub(crate) api: Api,
    namespace: String,
    operator: Arc<Operator>,
    keeper: JoinHandle<()>,
    proxy: Proxy,
    metrics: String,
    pub(crate) stand: Stand,
    data: Data,
    /// What was asked for last of each volume.
    size: String,
}

impl Bench {
    /// Makes a namespace and starts an operator for it.
    pub(crate) async fn new(kubelet: &Arc<Kubelet>, namespace: &str) -> anyhow::Result<Self> {
        let api = kubelet.api.clone();
        let object = json!({ "metadata": { "name": namespace } });
        api.create("/api/v1/namespaces", &object).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
        let address = listener.local_addr()?;
        let directory = kubelet.directory(namespace)?;
        let kubeconfig = directory.join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_of(&format!("http://{address}")).to_string())?;
        let metrics = format!("{}:{METRICS_PORT}", kubelet.new_address());
        let arguments = [
            "operator",
            "--image=ringkv:a",
            "--identity=operator-0",
            &format!("--namespace={namespace}"),
            &format!("--own-namespace={namespace}"),
            &format!("--http={metrics}"),
        ];
        let operator = Operator::new(Start {
            binary: kubelet.binary.clone(),
            arguments: arguments.map(str::to_owned).to_vec(),
            kubeconfig,
            log: directory.join("operator.log"),
        });
        let proxy = Proxy::start(listener, api.0.clone(), Arc::clone(&operator));
        Ok(Self {
            kubelet: Arc::clone(kubelet),
            api,
            namespace: namespace.to_owned(),
            keeper: operator.keep_running(),
            operator,
            proxy,
            metrics,
            stand: Stand::Nothing,
            data: Data::default(),
            size: SIZE.to_owned(),
        })
    }

    /// Brings the cluster to where the case begins, without a fault, and makes the change.
    pub(crate) async fn run(
        &mut self,
        case: Case,
        expected: Option<&Seen>,
    ) -> anyhow::Result<Seen> {
        self.bring(case.workflow.from()).await.context("before the case")?;
        if matches!(self.stand, Stand::Servers(_)) {
            self.data.write(&self.resource().await?, &self.addresses()).await?;
        }
        let reconciles = self.reconciles().await.unwrap_or(0);
        self.arm(case.fault).await?;
        let began = Instant::now();
        self.change(case.workflow).await?;
        let form = self.settle(case.workflow.to(), expected.map(|seen| &seen.form)).await?;
        let took = began.elapsed();
        let seen = self.proxy.seen();
        let changes = self.proxy.changes();
        // One that was started again counts from 0.
        let reconciles = self.reconciles().await?.saturating_sub(reconciles);
        self.stand = case.workflow.to();
        self.require_data().await?;
        self.require_quiet().await?;
        self.require_innocent()?;
        let seen = Seen {
            form,
            changes,
            events: seen.events().clone(),
            met: seen.met().map(str::to_owned),
            reconciles,
            took,
        };
        if let Some(expected) = expected {
            seen.require_bounded(expected)?;
        }
        Ok(seen)
    }

    /// Shows what there is to a failure.
    pub(crate) fn diagnose(&self) {
        for note in self.kubelet.judge.notes(&self.namespace) {
            println!("    note: {note}");
        }
        let text = std::fs::read_to_string(self.operator.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(LOG_LINES).collect();
        for line in lines.iter().rev() {
            println!("    operator: {line}");
        }
        for change in self.proxy.changes().iter().rev().take(LOG_LINES).rev() {
            println!("    request: {change}");
        }
    }

    /// Lets everything go, and waits for none of it.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.keeper.abort();
        self.operator.kill();
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        self.api.delete(&path, &json!({})).await
    }

    pub(crate) async fn patch_spec(&self, spec: Value) -> anyhow::Result<()> {
        let path = within(&self.namespace, "kvclusters", CLUSTER);
        let is_there = self.api.merge(&path, &json!({ "spec": spec })).await?;
        ensure!(is_there, "the cluster is gone");
        Ok(())
    }

    pub(crate) async fn resource(&self) -> anyhow::Result<Value> {
        self.api.get(&within(&self.namespace, "kvclusters", CLUSTER)).await
    }

    /// Without a fault. Where there is no shorter way, by another cluster.
    pub(crate) async fn bring(&mut self, to: Stand) -> anyhow::Result<()> {
        self.arm(None).await?;
        while self.stand != to {
            let step = match (self.stand, to) {
                (Stand::Servers(_), Stand::Servers(servers)) => {
                    self.patch_spec(json!({ "replicas": servers })).await?;
                    to
                }
                (Stand::Servers(3), _) => self.take(Workflow::Delete).await?,
                (Stand::Servers(_), _) => {
                    self.patch_spec(json!({ "replicas": 3 })).await?;
                    Stand::Servers(3)
                }
                (Stand::Nothing, _) => self.take(Workflow::Create).await?,
                (Stand::Deleted, Stand::Nothing) => bail!("another namespace is needed"),
                (Stand::Deleted, _) => self.take(Workflow::Recreate).await?,
            };
            self.settle(step, None).await?;
            let is_new = self.stand == Stand::Nothing;
            self.stand = step;
            if is_new {
                self.data.write(&self.resource().await?, &self.addresses()).await?;
            }
        }
        Ok(())
    }

    async fn take(&mut self, workflow: Workflow) -> anyhow::Result<Stand> {
        self.change(workflow).await?;
        Ok(workflow.to())
    }

    async fn arm(&self, fault: Option<Fault>) -> anyhow::Result<()> {
        let mut old_lists = BTreeMap::new();
        if let Some(Fault::Stale(kind, _)) = fault {
            let list = self.api.list_text(&self.namespace, kind).await?;
            old_lists.insert(kind.to_owned(), list);
        }
        self.proxy.arm(fault, old_lists);
        Ok(())
    }

    async fn change(&mut self, workflow: Workflow) -> anyhow::Result<()> {
        let path = within(&self.namespace, "kvclusters", CLUSTER);
        match workflow {
            Workflow::Create | Workflow::Recreate => {
                let cluster = json!({
                    "apiVersion": "ringkv.dev/v1alpha1",
                    "kind": "KvCluster",
                    "metadata": { "name": CLUSTER },
                    "spec": specification(&self.size),
                });
                self.api.create(&within(&self.namespace, "kvclusters", ""), &cluster).await
            }
            Workflow::ThreeToFive => self.patch_spec(json!({ "replicas": 5 })).await,
            Workflow::FiveToThree => self.patch_spec(json!({ "replicas": 3 })).await,
            Workflow::FiveToOne => self.patch_spec(json!({ "replicas": 1 })).await,
            Workflow::ThreeToFiveToTwo => {
                self.patch_spec(json!({ "replicas": 5 })).await?;
                self.wait_begun().await?;
                self.patch_spec(json!({ "replicas": 2 })).await
            }
            Workflow::ImageRoll => {
                let image = self.resource().await?["spec"]["image"].clone();
                self.patch_spec(json!({ "image": other_image(&image) })).await
            }
            Workflow::StorageGrows => {
                self.size = grown(&self.size);
                self.patch_spec(json!({ "storage": { "size": self.size } })).await
            }
            Workflow::Delete => self.api.delete(&path, &json!({})).await,
        }
    }

    /// Waits until the ring lists more than three servers; what goes wrong may keep it from that
    /// for long, and then the change is turned round before it begins.
    async fn wait_begun(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + BEGINS_WITHIN;
        while Instant::now() < deadline {
            let members = self.resource().await?["status"]["ring"]["members"].clone();
            if members.as_array().is_some_and(|members| members.len() > 3) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY / 5).await;
        }
        Ok(())
    }

    /// Waits until everything is as it should be at the end; the form of it.
    pub(crate) async fn settle(
        &self,
        stand: Stand,
        expected: Option<&Form>,
    ) -> anyhow::Result<Form> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        loop {
            let seen = self.look(stand, expected).await?;
            match seen {
                Ok(form) => return Ok(form),
                Err(why) if Instant::now() > deadline => {
                    bail!("not within {} s: {why}", SETTLED_WITHIN.as_secs());
                }
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// The form, or why it is not settled.
    async fn look(
        &self,
        stand: Stand,
        expected: Option<&Form>,
    ) -> anyhow::Result<Result<Form, String>> {
        let found = self.api.find(&within(&self.namespace, "kvclusters", CLUSTER)).await?;
        match (stand, &found) {
            (Stand::Servers(servers), Some(resource)) => {
                if let Some(why) = unsettled(resource, servers) {
                    return Ok(Err(why));
                }
            }
            (Stand::Servers(_), None) => return Ok(Err("there is no resource".to_owned())),
            (_, Some(_)) => return Ok(Err("the resource is there".to_owned())),
            (_, None) => {}
        }
        let form = form(&self.api.objects(&self.namespace).await?);
        let wrong = match (expected, stand) {
            (Some(expected), _) => differences(expected, &form),
            (None, Stand::Servers(_)) => Vec::new(),
            (None, _) => {
                let names = form.keys().filter(|name| !name.starts_with("persistent"));
                names.map(|name| format!("{name} is there")).collect()
            }
        };
        Ok(if wrong.is_empty() { Ok(form) } else { Err(wrong.join("; ")) })
    }

    /// Requires that no pod and no claim went that was needed.
    pub(crate) fn require_innocent(&self) -> anyhow::Result<()> {
        let accusations = self.kubelet.judge.accusations(&self.namespace);
        ensure!(accusations.is_empty(), "it should not have been: {}", accusations.join("; "));
        Ok(())
    }

    /// Requires that everything is there that was written.
    pub(crate) async fn require_data(&self) -> anyhow::Result<()> {
        if self.stand == Stand::Deleted {
            return Ok(());
        }
        self.data.require(&self.resource().await?, &self.addresses()).await
    }

    /// Requires that it writes nothing any more, however often it looks.
    pub(crate) async fn require_quiet(&self) -> anyhow::Result<()> {
        let path = within(&self.namespace, "kvclusters", CLUSTER);
        let mut written = Vec::new();
        for attempt in 0..QUIET_TRIES {
            let before = self.proxy.changes().len();
            let until = tokio::time::Instant::now() + QUIET_FOR;
            for poke in 0..POKES {
                let value = format!("{attempt}-{poke}");
                let patch = json!({ "metadata": { "annotations": { POKE: value } } });
                self.api.merge(&path, &patch).await?;
                tokio::time::sleep(POKE_EVERY).await;
            }
            tokio::time::sleep_until(until).await;
            written = self.proxy.changes().split_off(before);
            if written.is_empty() {
                return Ok(());
            }
        }
        bail!("it does not go quiet, and last wrote {}", written.join(", "))
    }

    /// How often the operator has looked at a cluster since it was started.
    async fn reconciles(&self) -> anyhow::Result<u32> {
        let answer = http::request(&self.metrics, "GET", "/metrics", "", b"").await?;
        let text = answer.text();
        let lines =
            text.lines().filter(|line| line.starts_with("ringkv_operator_reconciles_total"));
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok());
        Ok(counts.sum())
    }

    fn addresses(&self) -> BTreeMap<String, String> {
        self.kubelet.addresses(&self.namespace)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Seen {
    fn require_bounded(&self, expected: &Self) -> anyhow::Result<()> {
        let bound = |count: usize, (factor, more): (u32, u32)| {
            u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(factor).saturating_add(more)
        };
        let changes = u32::try_from(self.changes.len()).unwrap_or(u32::MAX);
        let most = bound(expected.changes.len(), CHANGES_BOUND);
        ensure!(changes <= most, "{changes} requests that change something; at most {most} should");
        let most = expected.reconciles.saturating_mul(RECONCILES_BOUND.0) + RECONCILES_BOUND.1;
        let looks = self.reconciles;
        ensure!(looks <= most, "the cluster was looked at {looks} times; at most {most} should do");
        Ok(())
    }
}

/// Why the resource is not as specified, if it is not.
fn unsettled(resource: &Value, servers: u32) -> Option<String> {
    let status = &resource["status"];
    let holds = |kind: &str| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        conditions.filter(|one| one["type"] == kind).any(|one| one["status"] == "True")
    };
    let is_settled = status["observedGeneration"] == resource["metadata"]["generation"]
        && status["replicas"] == servers
        && status["readyReplicas"] == servers
        && holds("Available")
        && !holds("Progressing")
        && !holds("Degraded")
        && !holds("Rebalancing");
    (!is_settled).then(|| format!("wanted are {servers} servers, and the status is {status}"))
}

fn kubeconfig_of(url: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "proxy", "cluster": { "server": url } }],
        "users": [{ "name": "nobody", "user": {} }],
        "contexts": [{ "name": "proxy", "context": { "cluster": "proxy", "user": "nobody" } }],
        "current-context": "proxy",
    })
}
