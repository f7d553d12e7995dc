//! Shell. Each field of the specification is changed and changed back, and the cluster has to be as
//! before; then what cannot be carried out is asked for and taken back, and it has to recover.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use e2e::form::Form;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::fields::{Change, changes, left_out, unsatisfiable};
use crate::kubelet::Kubelet;
use crate::workflow::Stand;

/// The definition of the resource.
const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kvclusters.ringkv.dev";
/// How long a specification that cannot be carried out may take to be told as such.
const TOLD_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Clusters at a time.
const CLUSTERS: usize = 6;

/// Something to try on a cluster of its own standing.
#[derive(Clone, Debug)]
enum Trial {
    Field(Change),
    Unsatisfiable(&'static str, &'static str, Value, Value),
}

impl Trial {
    fn name(&self) -> String {
        match self {
            Self::Field(change) => change.fields.join(", "),
            Self::Unsatisfiable(name, ..) => (*name).to_owned(),
        }
    }
}

/// All of it.
pub(crate) async fn run(kubelet: &Arc<Kubelet>) -> anyhow::Result<()> {
    let definition = kubelet.api.get(DEFINITION).await?;
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let forgotten = left_out(&schema["properties"]["spec"]);
    ensure!(forgotten.is_empty(), "the sweep knows nothing of {}", forgotten.join(", "));
    let fields = changes().into_iter().map(Trial::Field);
    let others = unsatisfiable().into_iter();
    let others =
        others.map(|(name, reason, out, back)| Trial::Unsatisfiable(name, reason, out, back));
    let trials: Vec<Trial> = fields.chain(others).collect();
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..CLUSTERS {
        let mine: Vec<Trial> = trials.iter().skip(part).step_by(CLUSTERS).cloned().collect();
        tasks.spawn(sweep(Arc::clone(kubelet), format!("sweep-{part}"), mine));
    }
    let mut failed = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        failed.extend(ended.context("a sweep panicked")??);
    }
    println!(
        "{} trials, {} failed, {:.0} s",
        trials.len(),
        failed.len(),
        began.elapsed().as_secs_f64()
    );
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(())
}

/// One cluster through these trials; those that failed.
async fn sweep(
    kubelet: Arc<Kubelet>,
    namespace: String,
    trials: Vec<Trial>,
) -> anyhow::Result<Vec<String>> {
    let mut failed = Vec::new();
    let mut bench: Option<(Bench, Form)> = None;
    for (number, trial) in trials.into_iter().enumerate() {
        let (current, form) = match bench.take() {
            Some(known) => known,
            None => begin(&kubelet, &format!("{namespace}-{number}")).await?,
        };
        let began = Instant::now();
        match current.try_out(&trial, &form).await {
            Ok(()) => {
                println!("{:>6.1} s  {}", began.elapsed().as_secs_f64(), trial.name());
                bench = Some((current, form));
            }
            Err(error) => {
                println!("FAILED {}: {error:#}", trial.name());
                current.diagnose();
                failed.push(trial.name());
                current.end().await?;
            }
        }
    }
    if let Some((bench, _)) = bench {
        bench.end().await?;
    }
    Ok(failed)
}

async fn begin(kubelet: &Arc<Kubelet>, namespace: &str) -> anyhow::Result<(Bench, Form)> {
    let mut bench = Bench::new(kubelet, namespace).await?;
    let secret = json!({ "metadata": { "name": "ours" }, "stringData": { "password": "secret" } });
    bench.api.create(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret).await?;
    bench.bring(Stand::Servers(3)).await?;
    let form = bench.settle(Stand::Servers(3), None).await?;
    bench.require_quiet().await?;
    Ok((bench, form))
}

impl Bench {
    async fn try_out(&self, trial: &Trial, form: &Form) -> anyhow::Result<()> {
        match trial {
            Trial::Field(change) => {
                self.patch_spec(change.out.clone()).await?;
                let servers = change.out["replicas"].as_u64().unwrap_or(3);
                if change.out["paused"] == true {
                    self.wait_reason("Paused").await?;
                } else {
                    let servers = u32::try_from(servers)?;
                    self.settle(Stand::Servers(servers), None).await.context("out")?;
                    self.require_quiet().await.context("out")?;
                }
                self.patch_spec(change.back.clone()).await?;
            }
            Trial::Unsatisfiable(_, reason, out, back) => {
                self.patch_spec(out.clone()).await?;
                self.wait_reason(reason).await?;
                self.patch_spec(back.clone()).await?;
            }
        }
        self.settle(Stand::Servers(3), Some(form)).await.context("back")?;
        self.require_data().await?;
        self.require_quiet().await.context("back")?;
        self.require_innocent()
    }

    async fn wait_reason(&self, reason: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + TOLD_WITHIN;
        loop {
            let status = self.resource().await?["status"].clone();
            let mut conditions = status["conditions"].as_array().into_iter().flatten();
            if conditions.any(|one| one["type"] == "Progressing" && one["reason"] == reason) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "Progressing has not the reason {reason}: {status}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
