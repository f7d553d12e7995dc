//! Shell. Runs cases on several clusters at a time, one after the other on each.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use kube::{Client, Config};
use serde_json::json;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::bench::{Bench, Seen};
use crate::kubelet::{Kubelet, MACHINE, lock};
use crate::options::Options;
use crate::plan::cases;
use crate::report::Report;
use crate::sweep;
use crate::workflow::{Case, Stand, Workflow};

/// After so many failures no further case is begun.
const FAILURES_MAX: usize = 10;

/// What all clusters share.
struct Shared {
    kubelet: Arc<Kubelet>,
    references: BTreeMap<Workflow, Seen>,
    cases: Mutex<VecDeque<Case>>,
    report: Mutex<Report>,
    namespaces: Mutex<u32>,
}

/// Runs what the options say.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let variable = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from).with_context(|| format!("{name} is not set: run it by xtask"))
    };
    let (kubeconfig, binary) = (variable("KUBECONFIG")?, variable("RINGKV_BIN")?);
    let mut config = Config::infer().await.context("read KUBECONFIG")?;
    // What is answered is passed on as it is.
    config.default_retry = false;
    let client = Client::try_from(config).context("make a client")?;
    lay_out(&Api(client.clone())).await?;
    let kubelet = Kubelet::new(client, binary, kubeconfig)?;
    tokio::select! {
        ended = Arc::clone(&kubelet).run() => ended.and_then(|()| bail!("the kubelet has ended")),
        result = work(options, kubelet) => result,
    }
}

/// What a node and a storage class bring with them elsewhere.
async fn lay_out(api: &Api) -> anyhow::Result<()> {
    let class = json!({
        "metadata": {
            "name": "bench",
            "annotations": { "storageclass.kubernetes.io/is-default-class": "true" },
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "allowVolumeExpansion": true,
    });
    api.create("/apis/storage.k8s.io/v1/storageclasses", &class).await?;
    let priority = json!({ "metadata": { "name": "bench" }, "value": 1000 });
    api.create("/apis/scheduling.k8s.io/v1/priorityclasses", &priority).await?;
    api.create("/api/v1/nodes", &json!({ "metadata": { "name": MACHINE } })).await
}

async fn work(options: &Options, kubelet: Arc<Kubelet>) -> anyhow::Result<()> {
    if options.sweep {
        return sweep::run(&kubelet).await;
    }
    let references = references(&kubelet, &options.workflows).await?;
    let cases = if options.cases.is_empty() {
        cases(&references, options.is_whole)
    } else {
        options.cases.clone()
    };
    println!("{} cases, on {} clusters at a time", cases.len(), options.workers);
    let shared = Arc::new(Shared {
        kubelet,
        references,
        report: Mutex::new(Report::new(cases.len())),
        cases: Mutex::new(cases.into()),
        namespaces: Mutex::default(),
    });
    let mut workers = JoinSet::new();
    for _ in 0..options.workers {
        workers.spawn(worker(Arc::clone(&shared)));
    }
    while let Some(ended) = workers.join_next().await {
        ended.context("a worker panicked")??;
    }
    let report = lock(&shared.report);
    report.finish();
    match report.failures.len() {
        0 => Ok(()),
        failures => bail!("{failures} of {} cases failed", report.tried),
    }
}

/// How each change ends where nothing goes wrong.
async fn references(
    kubelet: &Arc<Kubelet>,
    workflows: &[Workflow],
) -> anyhow::Result<BTreeMap<Workflow, Seen>> {
    let mut references = BTreeMap::new();
    let mut bench = Bench::new(kubelet, "reference").await?;
    let mut wanted: Vec<Workflow> = workflows.to_vec();
    wanted.sort_unstable();
    for workflow in wanted {
        let case = Case { workflow, fault: None };
        let seen = match bench.run(case, None).await {
            Ok(seen) => seen,
            Err(error) => {
                bench.diagnose();
                return Err(error.context(case.to_string()));
            }
        };
        println!(
            "{case}: {:.1} s, {} requests that change something, {} events, {} looks",
            seen.took.as_secs_f64(),
            seen.changes.len(),
            seen.events.values().sum::<u32>(),
            seen.reconciles
        );
        references.insert(workflow, seen);
    }
    bench.end().await?;
    Ok(references)
}

/// Takes cases until there are none.
async fn worker(shared: Arc<Shared>) -> anyhow::Result<()> {
    let mut bench: Option<Bench> = None;
    while let Some(case) = next(&shared, bench.as_ref().map_or(Stand::Nothing, |one| one.stand)) {
        let mut current = match bench.take() {
            Some(bench) if is_reachable(&bench, case) => bench,
            other => {
                if let Some(old) = other {
                    old.end().await?;
                }
                Bench::new(&shared.kubelet, &new_name(&shared)).await?
            }
        };
        let result = current.run(case, shared.references.get(&case.workflow)).await;
        if result.is_err() {
            current.diagnose();
        }
        lock(&shared.report).note(case, &result);
        if result.is_ok() {
            bench = Some(current);
        } else {
            current.end().await?;
        }
    }
    if let Some(bench) = bench {
        bench.end().await?;
    }
    Ok(())
}

/// The next case, rather one that begins where this cluster is.
fn next(shared: &Shared, stand: Stand) -> Option<Case> {
    if lock(&shared.report).failures.len() >= FAILURES_MAX {
        return None;
    }
    let mut cases = lock(&shared.cases);
    let fits = cases.iter().position(|case| case.workflow.from() == stand);
    cases.remove(fits.unwrap_or(0))
}

/// A new cluster needs a new namespace.
fn is_reachable(bench: &Bench, case: Case) -> bool {
    bench.stand == case.workflow.from() || case.workflow.from() != Stand::Nothing
}

fn new_name(shared: &Shared) -> String {
    let mut count = lock(&shared.namespaces);
    *count += 1;
    format!("case-{count}")
}
