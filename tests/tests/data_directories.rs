//! A start on something that is not this cluster's, or on a port that is taken: refused with the
//! remedy in the message, and nothing is lost.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options};
use e2e::ledger::Ledger;
use e2e::scenario;
use e2e::workload::{Plan, read_all, write_all};

const PLAN: Plan = Plan { keys: 500, clients: 1, value_bytes: 32, seed: 5 };

#[test]
fn a_port_in_use_is_named() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::prepare(Options::nodes(1))?;
        let _taken = TcpListener::bind(cluster.resp())?;
        cluster.launch()?;
        let ended = cluster.wait_end().await?;
        let (output, address) = (cluster.output(), cluster.resp());
        let (_, port) = address.rsplit_once(':').context("no port")?;
        ensure!(!ended.success(), "it started although its port is taken");
        ensure!(output.contains(port) && output.contains("--resp-port"), "{output}");
        Ok(())
    })
}

#[test]
fn a_directory_in_use_is_named() -> anyhow::Result<()> {
    scenario(async {
        let mut first = LocalCluster::start(Options::nodes(1)).await?;
        let mut second = LocalCluster::prepare(Options::nodes(1))?;
        second.set_data(first.data());
        second.launch()?;
        ensure!(!second.wait_end().await?.success());
        let output = second.output();
        ensure!(output.contains(&first.data().display().to_string()), "{output}");
        ensure!(first.status().await?.is_settled(1), "the first cluster was disturbed");
        first.stop().await
    })
}

#[test]
fn volumes_of_another_server_or_cluster_are_refused() -> anyhow::Result<()> {
    scenario(async {
        let mut ours = LocalCluster::start(Options::nodes(2)).await?;
        let mut theirs = LocalCluster::start(Options::nodes(2)).await?;
        let mut ledger = Ledger::new();
        write_all(PLAN, &ours.resp(), &mut ledger).await?;
        ours.stop().await?;
        theirs.stop().await?;

        let (first, second) = (volume(ours.data(), "kv-0")?, volume(ours.data(), "kv-1")?);
        swap(&first, &second)?;
        require_refusal(&mut ours, "kv-0").await?;
        swap(&first, &second)?;

        let foreign = volume(theirs.data(), "kv-0")?;
        swap(&first, &foreign)?;
        require_refusal(&mut ours, "cluster").await?;
        swap(&first, &foreign)?;

        ours.launch()?;
        ours.wait_ready(2).await?;
        let end = ledger.now();
        read_all(PLAN, &ours.resp(), &mut ledger).await?;
        ledger.judge(end).require_spotless()?;
        ours.stop().await
    })
}

/// The start fails, or the server stays out of service; the output names what is wrong.
async fn require_refusal(cluster: &mut LocalCluster, word: &str) -> anyhow::Result<()> {
    let already = cluster.whole_output().len();
    cluster.launch()?;
    let refusal = e2e::wait::until("the refusal", std::time::Duration::from_secs(30), || {
        let output = cluster.whole_output();
        async move {
            let new = output.get(already..).unwrap_or_default();
            let refusal = new.lines().find(|line| line.contains("belongs to"));
            refusal.map(ToOwned::to_owned).ok_or(output)
        }
    })
    .await?;
    ensure!(refusal.contains(word), "{refusal}");
    println!("    {refusal}");
    cluster.kill_if_running().await
}

/// The directory of one server's volume.
fn volume(data: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let mut directories = vec![data.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)?.flatten().filter(|entry| entry.path().is_dir()) {
            if entry.file_name() == name {
                return Ok(entry.path());
            }
            directories.push(entry.path());
        }
    }
    anyhow::bail!("no volume of {name} under {}", data.display())
}

fn swap(left: &Path, right: &Path) -> anyhow::Result<()> {
    let aside = left.with_extension("aside");
    fs::rename(left, &aside)?;
    fs::rename(right, left)?;
    Ok(fs::rename(aside, right)?)
}
