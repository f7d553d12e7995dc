//! Shell. One operator process: stands for election, reconciles while it leads, ends in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use crd::KvCluster;
use kube::api::{Api, ListParams};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Error};
use shell::drain;
use shell::net::{Sharing, TcpListener};
use tower::util::MapRequestLayer;

use crate::config::Config;
use crate::controller;
use crate::election::Candidate;
use crate::http;
use crate::metrics::Metrics;

/// Pause between two looks for the custom resource's definition.
const DEFINITION_PAUSE: Duration = Duration::from_secs(2);
/// How long the end of the process may take.
const DRAIN_WAIT: Duration = Duration::from_secs(10);

/// Runs an operator until the process is asked to stop. It ends with an error when it loses the
/// lead: whoever starts it again then stands for election again.
///
/// # Errors
/// It could not start, or leads no more.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_async(config))
}

async fn run_async(config: Config) -> anyhow::Result<()> {
    let metrics = Metrics::new();
    let listener = shell::net::listen(config.http_address, Sharing::Alone)
        .with_context(|| format!("listen on {} (--http)", config.http_address))?;
    let listener = TcpListener::from_std(listener)?;
    let (drain, token) = drain::channel();
    let serving = tokio::spawn(http::serve(listener, Arc::clone(&metrics), token));
    let client = client(&metrics).await?;
    let work = work(client, config, Arc::clone(&metrics), drain.token());
    tokio::pin!(work);
    let result = tokio::select! {
        result = &mut work => result,
        reason = shell::signal::shutdown(false) => {
            tracing::info!(reason = ?reason?, "stopping");
            drain.start();
            match tokio::time::timeout(DRAIN_WAIT, work).await {
                Ok(result) => result,
                Err(_) => bail!("the work at hand did not end within {} s", DRAIN_WAIT.as_secs()),
            }
        }
    };
    serving.abort();
    result
}

/// A client whose requests are counted.
async fn client(metrics: &Arc<Metrics>) -> anyhow::Result<Client> {
    let config = kube::Config::infer().await.context(
        "find the API server: run inside a pod with a service account, or set KUBECONFIG",
    )?;
    let metrics = Arc::clone(metrics);
    let count = MapRequestLayer::new(move |request: ::http::Request<Body>| {
        metrics.count(&request);
        request
    });
    Ok(ClientBuilder::try_from(config).context("make a client")?.with_layer(&count).build())
}

async fn work(
    client: Client,
    config: Config,
    metrics: Arc<Metrics>,
    drain: drain::DrainToken,
) -> anyhow::Result<()> {
    tokio::select! {
        result = definition(&client, &config) => result?,
        () = drain.signaled() => return Ok(()),
    }
    let mut candidate = Candidate::new(client.clone(), &config).await?;
    tracing::info!(identity = config.identity, "waiting for the lead");
    tokio::select! {
        result = candidate.elected() => result?,
        () = drain.signaled() => {
            candidate.resign().await;
            return Ok(());
        }
    }
    tracing::info!("leading");
    metrics.leads.set(1);
    let controlled = controller::run(client, config, metrics, drain);
    tokio::select! {
        result = controlled => {
            result?;
            candidate.resign().await;
            Ok(())
        }
        () = candidate.deposed() => bail!("the lease was lost; another operator may lead now"),
    }
}

/// Waits until the API server knows the custom resource.
async fn definition(client: &Client, config: &Config) -> anyhow::Result<()> {
    let api: Api<KvCluster> = match config.namespaces.first() {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let mut told = false;
    loop {
        match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(_) => return Ok(()),
            Err(Error::Api(status)) if status.code == 403 => bail!(
                "the service account may not list kvclusters: {}; install the chart's roles",
                status.message
            ),
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "waiting for the API server to know KvCluster; if its \
                        definition is not installed: kubectl apply -f crds/");
                }
            }
        }
        tokio::time::sleep(DEFINITION_PAUSE).await;
    }
}
