//! Changes of size and kill -9 of anything, one after the other, without waiting for rest. The
//! choices follow from a seed, which is printed; `RINGKV_STORM_SEED` tries another one.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use e2e::cluster::{LocalCluster, Options};
use e2e::ledger::Ledger;
use e2e::random::Random;
use e2e::workload::{Plan, Workload, key_name, read_all, write_all};
use e2e::{inventory, scenario, wait};

const STEPS: u32 = 10;
const SERVERS_MAX: usize = 6;
const BYTES_PER_SECOND: u64 = 300_000;
const ACCEPTED_WITHIN: Duration = Duration::from_secs(60);
const REST_WITHIN: Duration = Duration::from_secs(180);

#[test]
fn changes_and_kills_without_rest_everysec() -> anyhow::Result<()> {
    scenario(storm(seed(1), "everysec"))
}

#[test]
fn changes_and_kills_without_rest_always() -> anyhow::Result<()> {
    scenario(storm(seed(2), "always"))
}

fn seed(usual: u64) -> u64 {
    let given = std::env::var("RINGKV_STORM_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(usual)
}

async fn storm(seed: u64, durability: &'static str) -> anyhow::Result<()> {
    println!("    seed {seed}, {durability}");
    let plan = Plan { keys: 6_000, clients: 4, value_bytes: 300, seed };
    let mut random = Random::new(seed);
    let options = Options { durability, ..Options::nodes(3) };
    let mut cluster = LocalCluster::start(options.bytes_per_second(BYTES_PER_SECOND)).await?;
    let mut ledger = Ledger::new();
    write_all(plan, &cluster.resp(), &mut ledger).await?;
    let workload = Workload::start(plan, &cluster.resp(), &ledger);

    let mut wanted = cluster.status().await?.names();
    for _ in 0..STEPS {
        wanted = change(&cluster, &wanted, &mut random).await?;
        if random.below(2) == 0 {
            half_way_or_at_rest(&cluster).await?;
        }
        kill(&mut cluster, &wanted, &mut random).await?;
    }
    let rest: BTreeSet<String> = wanted.iter().cloned().collect();
    cluster
        .wait_status(&format!("rest with {wanted:?}"), REST_WITHIN, |status| {
            status.is_settled(rest.len())
                && status.names().into_iter().collect::<BTreeSet<_>>() == rest
        })
        .await?;

    workload.stop(&mut ledger).await?;
    let end = ledger.now();
    read_all(plan, &cluster.resp(), &mut ledger).await?;
    let verdict = ledger.judge(end);
    println!("    at rest with {wanted:?}; {verdict}");
    verdict.require_nothing_lost()?;
    let keys = (0..plan.keys).map(key_name).collect();
    inventory::require_exact_placement(&cluster, keys).await?;
    cluster.stop().await
}

/// Asks for a server more or less until that is accepted; the servers that there shall be.
async fn change(
    cluster: &LocalCluster,
    wanted: &[String],
    random: &mut Random,
) -> anyhow::Result<Vec<String>> {
    let count = u32::try_from(wanted.len())?;
    let grows = count <= 2 || (wanted.len() < SERVERS_MAX && random.below(2) == 0);
    let leaver = wanted.get(random.below(count) as usize).context("no server")?;
    let change = wait::until("the change is accepted", ACCEPTED_WITHIN, || async move {
        let change = match grows {
            true => cluster.add_server().await,
            false => cluster.remove_server(Some(leaver)).await,
        };
        change.map_err(|error| format!("{error:#}"))
    })
    .await?;
    let what = if grows { "one more".to_owned() } else { format!("without {leaver}") };
    println!("    {what}: {}", change["to"]);
    Ok(serde_json::from_value(change["to"].clone())?)
}

async fn half_way_or_at_rest(cluster: &LocalCluster) -> anyhow::Result<()> {
    let what = "a handoff is half-way, or all is done";
    cluster
        .wait_status(what, ACCEPTED_WITHIN, |status| {
            status.handoff_half_way().is_some() || status.rebalance.is_none()
        })
        .await?;
    Ok(())
}

async fn kill(
    cluster: &mut LocalCluster,
    wanted: &[String],
    random: &mut Random,
) -> anyhow::Result<()> {
    let count = u32::try_from(wanted.len())?;
    let server = wanted.get(random.below(count) as usize).context("no server")?;
    match random.below(6) {
        0 => {
            println!("        kill -9 of everything");
            cluster.kill_supervisor().await?;
            cluster.launch()?;
        }
        1 => {
            println!("        kill -9 of the router");
            // One that is just being started again is as good as killed.
            let _ = cluster.kill_router();
        }
        2..=4 => {
            println!("        kill -9 of {server}");
            let _ = cluster.kill_node(server);
        }
        _ => {}
    }
    Ok(())
}
