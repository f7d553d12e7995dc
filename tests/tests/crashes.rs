//! kill -9 in the middle of a handoff: of the source, the target, the router, the supervisor.
//! Nothing that was acknowledged is lost, and the change is finished after the restart.

use std::time::Duration;

use anyhow::Context;
use e2e::cluster::{LocalCluster, Options};
use e2e::ledger::Ledger;
use e2e::status::Status;
use e2e::workload::{Plan, Workload, key_name, read_all, write_all};
use e2e::{inventory, scenario};

const PLAN: Plan = Plan { keys: 12_000, clients: 4, value_bytes: 400, seed: 7 };
/// A source then needs some seconds for what it has to give.
const SLOW_BYTES_PER_SECOND: u64 = 200_000;
const FAST_BYTES_PER_SECOND: u64 = 1_000_000_000;
const HALF_WAY_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
enum Victim {
    Source,
    Target,
    Router,
    Supervisor,
}

#[test]
fn the_source_is_killed_in_mid_handoff() -> anyhow::Result<()> {
    scenario(kill(Victim::Source, "everysec"))
}

#[test]
fn the_target_is_killed_in_mid_handoff() -> anyhow::Result<()> {
    scenario(kill(Victim::Target, "always"))
}

#[test]
fn the_router_is_killed_in_mid_handoff() -> anyhow::Result<()> {
    scenario(kill(Victim::Router, "everysec"))
}

#[test]
fn the_supervisor_is_killed_in_mid_handoff() -> anyhow::Result<()> {
    scenario(kill(Victim::Supervisor, "always"))
}

async fn kill(victim: Victim, durability: &'static str) -> anyhow::Result<()> {
    let options = Options { durability, ..Options::nodes(3) };
    let slow = options.clone().bytes_per_second(SLOW_BYTES_PER_SECOND);
    let mut cluster = LocalCluster::start(slow).await?;
    let mut ledger = Ledger::new();
    write_all(PLAN, &cluster.resp(), &mut ledger).await?;
    let workload = Workload::start(PLAN, &cluster.resp(), &ledger);

    cluster.add_server().await?;
    let status = cluster
        .wait_status("a handoff is half-way", HALF_WAY_WITHIN, |status: &Status| {
            status.handoff_half_way().is_some()
        })
        .await?;
    let handoff = status.handoff_half_way().context("it was half-way")?;
    match victim {
        Victim::Source => cluster.kill_node(&handoff.source)?,
        Victim::Target => cluster.kill_node(&handoff.target)?,
        Victim::Router => cluster.kill_router()?,
        Victim::Supervisor => {
            cluster.kill_supervisor().await?;
            cluster.set_options(options.bytes_per_second(FAST_BYTES_PER_SECOND));
            cluster.launch()?;
        }
    }
    cluster.wait_settled(4).await?;

    workload.stop(&mut ledger).await?;
    let end = ledger.now();
    read_all(PLAN, &cluster.resp(), &mut ledger).await?;
    let verdict = ledger.judge(end);
    println!("    killed at {} of {} keys; {verdict}", handoff.keys_moved, handoff.keys_total);
    verdict.require_nothing_lost()?;
    let keys = (0..PLAN.keys).map(key_name).collect();
    inventory::require_exact_placement(&cluster, keys).await?;
    cluster.stop().await
}
