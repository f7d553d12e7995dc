//! The subcommands that look at a ring and change it: what `plan` foretells is what `scale` does.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options, binary};
use e2e::ledger::Ledger;
use e2e::workload::{Plan, write_all};
use e2e::{inventory, scenario};
use serde_json::Value;

const PLAN: Plan = Plan { keys: 5_000, clients: 1, value_bytes: 50, seed: 1 };
/// The largest arc share over the mean that balanced placement may give.
const BALANCED_MAX: f64 = 1.03;

#[test]
fn a_balanced_ring_is_even_with_5_15_and_30_servers() -> anyhow::Result<()> {
    for servers in [5, 15, 30] {
        let count = servers.to_string();
        let ring = json(&["ring", "--nodes", &count, "--keys", "10000", "--json"])?;
        let worst = ring["max_over_mean"].as_f64().context("max_over_mean")?;
        ensure!(worst <= BALANCED_MAX, "{servers} servers: {worst}");
        let servers = ring["servers"].as_array().context("servers")?;
        let keys: u64 = servers.iter().filter_map(|server| server["keys"].as_u64()).sum();
        let shares: f64 = servers.iter().filter_map(|server| server["arc_share"].as_f64()).sum();
        ensure!(keys == 10_000 && (shares - 1.0).abs() < 1e-9, "{ring}");
        println!("    {count} servers: the largest arc share is {worst:.3} times the mean");
    }
    let table = run(&["ring", "--nodes", "5", "--placement", "classic"])?;
    ensure!(String::from_utf8_lossy(&table.stdout).contains("kv-4"));
    Ok(())
}

#[test]
fn plan_foretells_what_scale_does() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(2)).await?;
        write_all(PLAN, &cluster.resp(), &mut Ledger::new()).await?;
        let url = format!("http://{}", cluster.http());

        let plan = json(&["plan", "--replicas", "3", "--json", "--url", &url])?;
        let mut foretold = BTreeMap::new();
        for pair in plan["moves"].as_array().context("moves")? {
            let name = |field: &str| pair[field].as_str().unwrap_or_default().to_owned();
            let keys = pair["keys"].as_u64().context("keys")?;
            foretold.insert((name("source"), name("target")), keys);
        }
        let scaled = run(&["scale", "3", "--url", &url])?;
        ensure!(scaled.status.success(), "{scaled:?}");
        let status = cluster.wait_settled(3).await?;
        let moved = inventory::keys_moved(&status);
        ensure!(moved == foretold, "moved {moved:?}, foretold {foretold:?}");

        let shown = run(&["status", "--url", &url])?;
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        ensure!(shown.status.success() && text.contains("kv-2"), "{text}");
        let ring = json(&["ring", "--json", "--url", &url])?;
        ensure!(ring["servers"].as_array().is_some_and(|servers| servers.len() == 3), "{ring}");
        cluster.stop().await
    })
}

#[test]
fn wrong_usage_and_an_absent_cluster_are_told_apart() -> anyhow::Result<()> {
    for usage in [&["local", "--nodes", "0"][..], &["scale"], &["plan"], &["nothing"]] {
        let output = run(usage)?;
        ensure!(output.status.code() == Some(64), "{usage:?}: {output:?}");
    }
    let nowhere = format!("http://127.0.0.1:{}", e2e::cluster::free_port()?);
    let output = run(&["status", "--url", &nowhere])?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(69) && text.contains("ringkv local"), "{output:?}");
    Ok(())
}

fn run(arguments: &[&str]) -> anyhow::Result<Output> {
    Ok(Command::new(binary()?).args(arguments).output()?)
}

fn json(arguments: &[&str]) -> anyhow::Result<Value> {
    let output = run(arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}
