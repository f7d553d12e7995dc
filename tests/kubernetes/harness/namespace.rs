//! Shell. A namespace of one scenario, which goes when the scenario ends, however it ends.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::diagnosis;
use super::kubectl::Kubectl;
use super::operator;
use super::pod;
use super::settings::{Settings, settings};
use super::wait;

/// How long everything in a namespace may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// Scenarios that keep to their namespaces run beside each other; what belongs to all of them is
/// changed by one that runs alone.
static CLUSTER: RwLock<()> = RwLock::new(());

/// A namespace in which Pod Security is enforced as `restricted`.
pub(crate) struct Namespace {
    pub(crate) settings: &'static Settings,
    pub(crate) name: String,
    pub(crate) kubectl: Kubectl,
    is_gone: bool,
}

/// Runs a scenario in a namespace of its own, with the operator there; shows what there is if it
/// fails. Others may run at the same time.
pub(crate) fn scenario(
    name: &str,
    body: impl FnOnce(&Namespace) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let _others = CLUSTER.read().unwrap_or_else(PoisonError::into_inner);
    play(name, body)
}

/// The same for a scenario that touches what the others need: the operator itself, nodes,
/// definitions, policies; or that counts what the operator does. No other runs meanwhile.
pub(crate) fn scenario_alone(
    name: &str,
    body: impl FnOnce(&Namespace) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let _alone = CLUSTER.write().unwrap_or_else(PoisonError::into_inner);
    play(name, body)
}

fn play(name: &str, body: impl FnOnce(&Namespace) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let Some(settings) = settings()? else { return Ok(()) };
    operator::ensure(settings)?;
    let namespace = Namespace::create(settings, name)?;
    let began = Instant::now();
    let result = body(&namespace);
    let took = began.elapsed();
    if result.is_err() {
        diagnosis::print(settings, &namespace.name);
    }
    let deleted = namespace.delete();
    println!("    {name}: {took:.1?}, and {:.1?} until it was gone", began.elapsed() - took);
    result.and(deleted)
}

impl Namespace {
    /// Makes a namespace whose name begins as that of the scenario.
    pub(crate) fn create(settings: &'static Settings, scenario: &str) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("ringkv-e2e-{scenario}-{:x}", now.as_millis() & 0xff_ffff);
        Kubectl::cluster(settings).apply(&json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
            },
        }))?;
        let kubectl = Kubectl::of(settings, &name);
        Ok(Self { settings, name, kubectl, is_gone: false })
    }

    /// Deletes it, and requires that everything in it goes.
    pub(crate) fn delete(mut self) -> anyhow::Result<()> {
        self.is_gone = true;
        self.remove()
    }

    /// Clusters first, while the operator sees them, then what is left of the pods: a namespace
    /// that meets pods waits for long before it looks again.
    fn remove(&self) -> anyhow::Result<()> {
        let timeout = format!("--timeout={}s", GONE_WITHIN.as_secs());
        let kubectl = &self.kubectl;
        if self.has_definition()? {
            kubectl.run(&["delete", "kvclusters", "--all", &timeout])?;
        }
        kubectl.run(&["delete", "pod", "load", "--ignore-not-found", "--grace-period=1"])?;
        wait::until("the pods go", GONE_WITHIN, || {
            let pods = kubectl.list(&["pods"]).map_err(|error| format!("{error:#}"))?;
            let owned = pods.iter().filter(|pod| pod["metadata"]["ownerReferences"].is_array());
            let names: Vec<&str> = owned.map(pod::name).collect();
            if names.is_empty() { Ok(()) } else { Err(format!("{names:?}")) }
        })?;
        let kubectl = Kubectl::cluster(self.settings);
        let flags = ["--ignore-not-found", &timeout];
        kubectl.run(&[&["delete", "namespace", &self.name], &flags[..]].concat())?;
        Ok(())
    }

    fn has_definition(&self) -> anyhow::Result<bool> {
        let definition = ["customresourcedefinition", "kvclusters.ringkv.dev"];
        Ok(Kubectl::cluster(self.settings).find(&definition)?.is_some())
    }
}

impl Drop for Namespace {
    /// After a panic, or where a scenario gave up before its end.
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        if std::thread::panicking() {
            diagnosis::print(self.settings, &self.name);
        }
        if let Err(error) = self.remove() {
            println!("    {error:#}");
        }
    }
}
