//! The promise itself: the cluster grows and shrinks while clients write and read, and no client
//! sees an error, a lost write or a stale read.

use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::cluster::{LocalCluster, Options};
use e2e::ledger::Ledger;
use e2e::workload::{Plan, Workload, key_name, read_all, write_all};
use e2e::{inventory, metrics, scenario};

const PLAN: Plan = Plan { keys: 200_000, clients: 8, value_bytes: 100, seed: 1 };

/// No write waits for longer. The goal is 20 ms at the 99th percentile and 50 ms at the most, on a
/// machine that has nothing else to do; what there was is printed.
const PAUSE_MAX: Duration = Duration::from_millis(500);

enum Change<'a> {
    By(i32),
    Remove(&'a str),
}

#[test]
fn rescaling_under_load_loses_nothing() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(3)).await?;
        let mut ledger = Ledger::new();
        write_all(PLAN, &cluster.resp(), &mut ledger).await?;
        let workload = Workload::start(PLAN, &cluster.resp(), &ledger);

        change(&cluster, &Change::By(2), 5).await?;
        change(&cluster, &Change::Remove("kv-1"), 4).await?;
        change(&cluster, &Change::By(3), 7).await?;
        change(&cluster, &Change::By(-4), 3).await?;

        workload.stop(&mut ledger).await?;
        let end = ledger.now();
        read_all(PLAN, &cluster.resp(), &mut ledger).await?;
        let verdict = ledger.judge(end);
        println!("    {verdict}");
        verdict.require_spotless()?;
        let pause = cluster.status().await?.router.write_pause;
        println!(
            "    {} writes waited at the router: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            pause.count, pause.p50_ms, pause.p99_ms, pause.max_ms
        );
        ensure!(pause.count > 0, "no write met a change");

        let keys = (0..PLAN.keys).map(key_name).collect();
        let placed = inventory::require_exact_placement(&cluster, keys).await?;
        println!("    at the end: {placed:?}");
        cluster.stop().await
    })
}

/// Makes one change, waits for its end, and compares what moved with what had to move.
async fn change(cluster: &LocalCluster, change: &Change<'_>, servers: usize) -> anyhow::Result<()> {
    let before = cluster.membership().await?.document;
    let began = Instant::now();
    let pauses = metrics::watch_write_pauses(cluster).await?;
    match change {
        Change::By(count) => cluster.change_by(*count).await?,
        Change::Remove(name) => cluster.remove_server(Some(name)).await?,
    };
    // A full SCAN while arcs move finds every key that is there all the time.
    let found = inventory::scan(&cluster.resp()).await?;
    ensure!(found.len() == PLAN.keys as usize, "SCAN found {} keys", found.len());
    let status = cluster.wait_settled(servers).await?;
    let took = began.elapsed();
    let after = cluster.membership().await?.document;
    let expected = inventory::keys_that_move(
        &inventory::assignment(&before)?,
        &inventory::assignment(&after)?,
        PLAN.keys,
    );
    let moved = inventory::keys_moved(&status);
    ensure!(moved == expected, "moved {moved:?}, expected {expected:?}");
    print_change(before.members.len(), servers, moved.values().sum(), took);
    let pauses = pauses.stop().await?;
    println!("        {pauses}");
    let longest = pauses.percentile(100);
    ensure!(longest <= PAUSE_MAX, "writes waited for {longest:?}; at most {PAUSE_MAX:?} are fair");
    Ok(())
}

fn print_change(from: usize, to: usize, keys: u64, took: Duration) {
    println!("    {from} -> {to} servers in {took:.1?}: {keys} keys moved, as many as had to");
}
