//! 10,000 keys on five servers, one of them removed. The scheme that ringkv replaces gave all keys
//! of the leaver to one neighbour; here each survivor gets its own share of them, and no more.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options};
use e2e::ledger::Ledger;
use e2e::workload::{Plan, key_name, read_all, write_all};
use e2e::{inventory, scenario};

const PLAN: Plan = Plan { keys: 10_000, clients: 1, value_bytes: 32, seed: 1 };
const LEAVER: &str = "kv-2";

#[test]
fn each_survivor_gets_its_own_share_of_the_leaver() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(5)).await?;
        let mut ledger = Ledger::new();
        write_all(PLAN, &cluster.resp(), &mut ledger).await?;
        let keys = || (0..PLAN.keys).map(key_name);
        let before = inventory::require_exact_placement(&cluster, keys().collect()).await?;
        let old = inventory::assignment(&cluster.membership().await?.document)?;

        cluster.remove_server(Some(LEAVER)).await?;
        let status = cluster.wait_settled(4).await?;
        let after = inventory::require_exact_placement(&cluster, keys().collect()).await?;
        let new = inventory::assignment(&cluster.membership().await?.document)?;
        let expected = inventory::keys_that_move(&old, &new, PLAN.keys);
        let moved = inventory::keys_moved(&status);
        ensure!(moved == expected, "moved {moved:?}, expected {expected:?}");
        require_sums(&before, &after, &moved)?;

        let end = ledger.now();
        read_all(PLAN, &cluster.resp(), &mut ledger).await?;
        ledger.judge(end).require_spotless()?;
        cluster.stop().await
    })
}

/// Every key of the leaver went to one survivor, nothing else moved, and nothing is missing.
fn require_sums(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    moved: &BTreeMap<(String, String), u64>,
) -> anyhow::Result<()> {
    println!("    {:<8} {:>8} {:>10} {:>8}", "server", "before", "received", "after");
    for (server, keys) in before.iter().filter(|(server, _)| *server != LEAVER) {
        let received = moved.get(&(LEAVER.to_owned(), server.clone())).copied().unwrap_or(0);
        let now = after.get(server).copied().context("a survivor is gone")?;
        println!("    {server:<8} {keys:>8} {received:>10} {now:>8}");
        ensure!(received > 0, "{server} received nothing");
        ensure!(keys + received == now, "{server}: {keys} + {received} is not {now}");
    }
    let left = before.get(LEAVER).copied().context("the leaver was not there")?;
    let received: u64 = moved.values().sum();
    let (all_before, all_after): (u64, u64) = (before.values().sum(), after.values().sum());
    println!("    {LEAVER:<8} {left:>8} {:>10} {:>8}", "-", "gone");
    println!("    {:<8} {all_before:>8} {received:>10} {all_after:>8}", "in all");
    ensure!(received == left, "{left} keys left, {received} were received");
    ensure!(all_before == u64::from(PLAN.keys) && all_after == all_before);
    let largest = moved.values().max().copied().unwrap_or(0);
    ensure!(largest * 2 < left, "one survivor received {largest} of {left} keys");
    Ok(())
}
