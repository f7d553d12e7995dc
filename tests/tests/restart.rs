//! The same directory gives the same servers and the same data, after Ctrl-C and after
//! kill -9 of everything, with either durability.

use e2e::cluster::{LocalCluster, Options};
use e2e::ledger::Ledger;
use e2e::workload::{Plan, Workload, key_name, read_all, write_all};
use e2e::{inventory, scenario};

const PLAN: Plan = Plan { keys: 5_000, clients: 4, value_bytes: 100, seed: 3 };

#[test]
fn the_same_directory_gives_the_same_cluster_always() -> anyhow::Result<()> {
    scenario(restart("always"))
}

#[test]
fn the_same_directory_gives_the_same_cluster_everysec() -> anyhow::Result<()> {
    scenario(restart("everysec"))
}

async fn restart(durability: &'static str) -> anyhow::Result<()> {
    let mut cluster = LocalCluster::start(Options { durability, ..Options::nodes(3) }).await?;
    let first = cluster.membership().await?.document;
    let mut ledger = Ledger::new();
    write_all(PLAN, &cluster.resp(), &mut ledger).await?;
    cluster.interrupt().await?;

    cluster.launch()?;
    cluster.wait_ready(3).await?;
    anyhow::ensure!(cluster.membership().await?.document.members == first.members);
    read_all(PLAN, &cluster.resp(), &mut ledger).await?;

    let workload = Workload::start(PLAN, &cluster.resp(), &ledger);
    read_all(PLAN, &cluster.resp(), &mut ledger).await?;
    cluster.kill_supervisor().await?;
    cluster.launch()?;
    cluster.wait_ready(3).await?;
    workload.stop(&mut ledger).await?;
    anyhow::ensure!(cluster.membership().await?.document.members == first.members);

    let end = ledger.now();
    read_all(PLAN, &cluster.resp(), &mut ledger).await?;
    let verdict = ledger.judge(end);
    println!("    {durability}: {verdict}");
    verdict.require_nothing_lost()?;
    let keys = (0..PLAN.keys).map(key_name).collect();
    inventory::require_exact_placement(&cluster, keys).await?;
    cluster.stop().await
}
