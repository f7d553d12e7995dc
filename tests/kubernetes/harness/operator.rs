//! Shell. The operator that all scenarios share: installed by the chart, once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::helm::{self, helm};
use super::kubectl::Kubectl;
use super::pod::is_ready;
use super::settings::{Settings, split_image};
use super::wait;

/// Where it is installed.
pub(crate) const NAMESPACE: &str = "ringkv-system";
/// The release.
pub(crate) const RELEASE: &str = "ringkv";
/// Its pods.
pub(crate) const SELECTOR: &str = "app.kubernetes.io/name=ringkv-operator";
/// How long it may take to run again.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The metric that counts what it asks the API server, by verb.
const REQUESTS_METRIC: &str = "ringkv_operator_requests_total";
/// The metric that counts how often it has looked at a cluster.
const RECONCILES_METRIC: &str = "ringkv_operator_reconciles_total";

/// Whether the release is there.
pub(crate) fn is_installed(settings: &'static Settings) -> anyhow::Result<bool> {
    Ok(helm::output(settings, &["status", RELEASE, "--namespace", NAMESPACE])?.succeeded)
}

/// Installs it where it is not.
pub(crate) fn ensure(settings: &'static Settings) -> anyhow::Result<()> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let status = helm::output(settings, &["status", RELEASE, "--namespace", NAMESPACE])?;
    if status.succeeded && status.stdout.contains("STATUS: deployed") {
        return wait_ready(settings).map(drop);
    }
    if status.succeeded {
        uninstall(settings)?;
    }
    let (repository, tag) = split_image(&settings.image)?;
    let (repository, tag) = (format!("image.repository={repository}"), format!("image.tag={tag}"));
    helm(
        settings,
        &[
            "install",
            RELEASE,
            "charts/ringkv",
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            "--set",
            &repository,
            "--set",
            &tag,
            "--set",
            "image.pullPolicy=IfNotPresent",
            "--wait",
            "--timeout",
            "90s",
        ],
    )?;
    wait_ready(settings).map(drop)
}

/// Removes it, and waits until its pods are gone.
pub(crate) fn uninstall(settings: &'static Settings) -> anyhow::Result<()> {
    helm(settings, &["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"])?;
    let kubectl = Kubectl::of(settings, NAMESPACE);
    wait::until("the operator goes", READY_WITHIN, || {
        let pods = kubectl.list(&["pods", "--selector", SELECTOR]).map_err(|e| e.to_string())?;
        if pods.is_empty() { Ok(()) } else { Err(format!("{} pods", pods.len())) }
    })
}

/// Waits for its one pod; the pod.
pub(crate) fn wait_ready(settings: &'static Settings) -> anyhow::Result<Value> {
    let kubectl = Kubectl::of(settings, NAMESPACE);
    wait::until("the operator is ready", READY_WITHIN, || {
        let pods = kubectl.list(&["pods", "--selector", SELECTOR]).map_err(|e| e.to_string())?;
        match pods.as_slice() {
            [pod] if is_ready(pod) => Ok(pod.clone()),
            pods => Err(pods.iter().map(|pod| pod["status"].to_string()).collect()),
        }
    })
}

/// The value of each of its metrics, by name and labels as they are printed.
pub(crate) fn metrics(settings: &'static Settings) -> anyhow::Result<BTreeMap<String, f64>> {
    let pod = wait_ready(settings)?;
    let name = pod["metadata"]["name"].as_str().context("a pod without a name")?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}:8080/proxy/metrics");
    let text = Kubectl::cluster(settings).raw(&path)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect())
}

/// How many requests it has made to the API server, by the labels of the metric, without those on
/// its own Lease.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn requests(settings: &'static Settings) -> anyhow::Result<BTreeMap<String, u64>> {
    let metrics = metrics(settings)?;
    let requests: BTreeMap<String, u64> = metrics
        .into_iter()
        .filter(|(name, _)| name.starts_with(REQUESTS_METRIC) && !name.contains("leases"))
        .map(|(name, value)| (name, value as u64))
        .collect();
    ensure!(!requests.is_empty(), "the operator has no metric {REQUESTS_METRIC}");
    Ok(requests)
}

/// The requests that came between two looks.
pub(crate) fn requests_between(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let since = after.iter().map(|(name, count)| {
        (name.clone(), count.saturating_sub(before.get(name).copied().unwrap_or_default()))
    });
    since.filter(|(_, count)| *count > 0).collect()
}

/// Whether the labels of the metric are those of a request that changes something.
pub(crate) fn is_write(labels: &str) -> bool {
    ["create", "update", "patch", "apply", "delete", "post", "put"]
        .iter()
        .any(|verb| labels.to_lowercase().contains(&format!("\"{verb}")))
}

/// How often it has looked at a cluster and come to its end.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn reconciles(settings: &'static Settings) -> anyhow::Result<u64> {
    let metrics = metrics(settings)?;
    let counts = metrics.iter().filter(|(name, _)| name.starts_with(RECONCILES_METRIC));
    Ok(counts.map(|(_, count)| *count as u64).sum())
}

/// Waits until it has looked once more than so many times.
pub(crate) fn wait_looked(settings: &'static Settings, before: u64) -> anyhow::Result<()> {
    wait::until("the operator looks at the cluster", READY_WITHIN, || {
        let now = reconciles(settings).map_err(|error| format!("{error:#}"))?;
        if now > before { Ok(()) } else { Err(format!("{now} times")) }
    })
}
