//! Shell. The same random commands to ringkv and to Redis: every answer is the same, byte by byte.

use std::env;

use anyhow::Context;
use e2e::cluster::{LocalCluster, Options};
use e2e::differential::{Plan, run};
use e2e::scenario;

use crate::redis_server::{RedisServer, is_missing};

/// Commands through the router where nobody says how many; half as many to a single server.
const COMMANDS: usize = 20_000;
const SEED: u64 = 1;

fn number(name: &str, otherwise: u64) -> anyhow::Result<u64> {
    match env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text} is not a number")),
        Err(_) => Ok(otherwise),
    }
}

async fn compare(ours: String, share: usize) -> anyhow::Result<()> {
    let seed = number("RINGKV_FOREIGN_SEED", SEED)?;
    let commands = usize::try_from(number("RINGKV_FOREIGN_COMMANDS", COMMANDS as u64)?)? / share;
    let redis = RedisServer::start().await?;
    println!("    seed {seed}, against redis-server {}", redis.version().await?);
    let summary = run(&Plan { ours, theirs: redis.address(), commands, seed }).await?;
    print!("    {}", summary.to_string().replace('\n', "\n    "));
    println!();
    Ok(())
}

#[test]
fn random_commands_through_the_router() -> anyhow::Result<()> {
    scenario(async {
        if is_missing()? {
            return Ok(());
        }
        let mut cluster = LocalCluster::start(Options::nodes(3)).await?;
        compare(cluster.resp(), 1).await?;
        cluster.stop().await
    })
}

#[test]
fn random_commands_to_a_single_server() -> anyhow::Result<()> {
    scenario(async {
        if is_missing()? {
            return Ok(());
        }
        let mut cluster = LocalCluster::start(Options::nodes(1)).await?;
        let status = cluster.status().await?;
        let address = status.servers.first().context("no server")?.address.clone();
        compare(address, 2).await?;
        cluster.stop().await
    })
}
