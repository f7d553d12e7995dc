//! Shell. A load in a pod of its own: starts it, ends it, and takes its report.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use e2e::load::{Report, WORKING};
use e2e::outage::{Outage, Victim, unexplained};
use ring::ArcMap;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::wait;

/// How long the pod may take to start and to write every key.
const WORKING_WITHIN: Duration = Duration::from_secs(90);
/// How long it may take to read every key and to judge.
const JUDGED_WITHIN: Duration = Duration::from_secs(120);
/// The longest that a scenario may take; the load ends by itself then.
const SECONDS_MAX: u32 = 600;
/// How long after a fault a router may still have operations that it met.
const ALLOWANCE_MS: u64 = 3_000;

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) keys: u32,
    pub(crate) value_bytes: u32,
    /// Operations in a second.
    pub(crate) rate: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keys: 10_000, value_bytes: 100, rate: 600 }
    }
}

/// A load that is running.
pub(crate) struct Load {
    cluster: Cluster,
    outages: Vec<Outage>,
    rings: Vec<ArcMap<String>>,
}

impl Load {
    /// Starts it, and waits until every key is written and the clients work. `node` says where it
    /// has to run, if anywhere.
    pub(crate) fn start(
        cluster: &Cluster,
        settings: Settings,
        node: Option<&str>,
    ) -> anyhow::Result<Self> {
        cluster.kubectl.apply(&manifest(cluster, settings, node)?)?;
        let load = Self { cluster: cluster.clone(), outages: Vec::new(), rings: Vec::new() };
        wait::until("the load works", WORKING_WITHIN, || {
            let text = load.log().map_err(|error| error.to_string())?;
            if text.contains(WORKING) { Ok(()) } else { Err(text) }
        })?;
        let mut load = load;
        load.note_ring()?;
        Ok(load)
    }

    /// Remembers the ring as it is: errors are looked up in every ring that was remembered.
    pub(crate) fn note_ring(&mut self) -> anyhow::Result<()> {
        self.rings.push(self.cluster.owners()?);
        Ok(())
    }

    /// Remembers that something was taken away at that time and is back now.
    pub(crate) fn note_outage(&mut self, victim: Victim, from_ms: u64) {
        self.outages.push(Outage { victim, from_ms, until_ms: now_ms() + ALLOWANCE_MS });
    }

    /// Asks it to end, and takes its report.
    pub(crate) fn finish(self) -> anyhow::Result<Finished> {
        let kubectl = &self.cluster.kubectl;
        // It may have come to its end by itself.
        kubectl.output(&["exec", "load", "--", "/ringkv-load", "--stop"], None)?;
        let phase = wait::until("the load has judged", JUDGED_WITHIN, || {
            let pod = kubectl.get(&["pod", "load"]).map_err(|error| error.to_string())?;
            match pod["status"]["phase"].as_str() {
                Some(phase @ ("Succeeded" | "Failed")) => Ok(phase.to_owned()),
                phase => Err(format!("{phase:?}")),
            }
        })?;
        let log = self.log()?;
        let line = log.lines().rfind(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("the load {phase} without a report:\n{log}"))?;
        let report: Report = serde_json::from_str(line).context("the report of the load")?;
        kubectl.run(&["delete", "pod", "load", "--grace-period=1"])?;
        println!("    {}", summary(&report));
        Ok(Finished { report, outages: self.outages, rings: self.rings })
    }

    fn log(&self) -> anyhow::Result<String> {
        self.cluster.kubectl.run(&["logs", "load"])
    }
}

/// A load that has ended.
pub(crate) struct Finished {
    pub(crate) report: Report,
    outages: Vec<Outage>,
    rings: Vec<ArcMap<String>>,
}

impl Finished {
    /// Requires that nothing was lost or stale, and that no client saw an error.
    pub(crate) fn require_spotless(&self) -> anyhow::Result<()> {
        self.require_nothing_lost()?;
        let errors = &self.report.errors;
        ensure!(self.report.error_count() == 0, "clients saw errors: {errors:#?}");
        Ok(())
    }

    /// Requires that nothing was lost or stale.
    pub(crate) fn require_nothing_lost(&self) -> anyhow::Result<()> {
        ensure!(self.report.is_sound(), "{:#?}", self.report.violations);
        ensure!(self.report.acknowledged_writes > 100, "it hardly wrote: {:?}", self.report);
        Ok(())
    }

    /// Requires besides that each error was of a server that was away, on an arc of that server, or
    /// of a connection through a router that was away.
    pub(crate) fn require_explained(&self) -> anyhow::Result<()> {
        self.require_nothing_lost()?;
        let not_listed = self.report.errors_not_listed;
        ensure!(not_listed == 0, "{not_listed} errors more than could be listed");
        let strange = unexplained(&self.report, &self.outages, &self.rings);
        let first: Vec<_> = strange.iter().take(10).collect();
        ensure!(
            strange.is_empty(),
            "{} errors are not explained by {:#?}; the first are {first:#?}; by kind {:#?}",
            strange.len(),
            self.outages,
            self.report.errors
        );
        Ok(())
    }
}

/// The time, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn summary(report: &Report) -> String {
    let kinds = report.errors.iter().map(|(kind, errors)| format!("{kind:?} {}", errors.count));
    format!(
        "{} operations, {} writes acknowledged, {} ambiguous, {} lost, {} stale, errors [{}]; \
         slowest {} ms, longest pause {} ms",
        report.operations,
        report.acknowledged_writes,
        report.ambiguous,
        report.lost,
        report.stale,
        kinds.collect::<Vec<_>>().join(", "),
        report.slowest_ms,
        report.longest_pause_ms
    )
}

fn manifest(cluster: &Cluster, settings: Settings, node: Option<&str>) -> anyhow::Result<Value> {
    let arguments = [
        format!("--target={}", cluster.router_address()?),
        format!("--seconds={SECONDS_MAX}"),
        format!("--rate={}", settings.rate),
        format!("--keys={}", settings.keys),
        format!("--value-bytes={}", settings.value_bytes),
    ];
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "load" },
        "spec": {
            "restartPolicy": "Never",
            "nodeSelector": node.map(|node| json!({ "kubernetes.io/hostname": node })),
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65_532,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "load",
                "image": cluster.settings.load_image,
                "imagePullPolicy": "IfNotPresent",
                "args": arguments,
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": { "drop": ["ALL"] },
                },
            }],
        },
    }))
}
