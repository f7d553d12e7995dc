//! A scale-down that is taken back half-way: the ring comes to rest with all servers, and the first
//! plan is not run to its end.

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options};
use e2e::ledger::Ledger;
use e2e::status::Status;
use e2e::workload::{Plan, Workload, key_name, read_all, write_all};
use e2e::{http, inventory, scenario};
use node_api::{NodeState, Phase};

const PLAN: Plan = Plan { keys: 12_000, clients: 4, value_bytes: 400, seed: 11 };
const SLOW_BYTES_PER_SECOND: u64 = 150_000;
const HALF_WAY_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_scale_down_is_taken_back_half_way() -> anyhow::Result<()> {
    scenario(async {
        let options = Options::nodes(4).bytes_per_second(SLOW_BYTES_PER_SECOND);
        let mut cluster = LocalCluster::start(options).await?;
        let mut ledger = Ledger::new();
        write_all(PLAN, &cluster.resp(), &mut ledger).await?;
        let workload = Workload::start(PLAN, &cluster.resp(), &ledger);

        cluster.remove_server(None).await?;
        let status = cluster
            .wait_status("a handoff is half-way", HALF_WAY_WITHIN, |status: &Status| {
                status.handoff_half_way().is_some()
            })
            .await?;
        let open = status.handoff_half_way().context("it was half-way")?.clone();
        cluster.add_server().await?;
        let settled = cluster.wait_settled(4).await?;
        require_dropped(&cluster, &open.id).await?;
        println!(
            "    taken back at {} of {} keys; servers at the end: {:?}",
            open.keys_moved,
            open.keys_total,
            settled.names()
        );

        workload.stop(&mut ledger).await?;
        let end = ledger.now();
        read_all(PLAN, &cluster.resp(), &mut ledger).await?;
        let verdict = ledger.judge(end);
        println!("    {verdict}");
        verdict.require_spotless()?;
        let keys = (0..PLAN.keys).map(key_name).collect();
        inventory::require_exact_placement(&cluster, keys).await?;
        cluster.stop().await
    })
}

/// The handoff that was half-way did not come to its end: each server that knows it says so.
async fn require_dropped(cluster: &LocalCluster, id: &str) -> anyhow::Result<()> {
    let mut ends = Vec::new();
    for addresses in cluster.membership().await?.servers.values() {
        let state: NodeState = http::get(&addresses.http, "/admin/v1/state").await?;
        let handoffs = state.handoffs.iter();
        ends.extend(handoffs.filter(|handoff| handoff.id.to_string() == id).map(|h| h.phase));
    }
    ensure!(
        ends.iter().all(|phase| matches!(phase, Phase::Dropped | Phase::Refused)),
        "handoff {id} of the first plan ended as {ends:?}"
    );
    Ok(())
}
