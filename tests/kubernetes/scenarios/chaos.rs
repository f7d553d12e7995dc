//! Shell. Random numbers of servers from 1 to 9, one after the other and often before the last
//! change is done, under load, while the operator is killed now and then.
//!
//! | variable | meaning |
//! |---|---|
//! | `RINGKV_CHAOS_LOOPS` | so many loops instead of one |
//! | `RINGKV_CHAOS_SEED` | the choices of an earlier run again; each run prints its own |

use std::time::{Duration, Instant};

use anyhow::Context;
use e2e::random::Random;

use super::small;
use crate::harness::cluster::Cluster;
use crate::harness::kubectl::Kubectl;
use crate::harness::load::{Load, Settings, now_ms};
use crate::harness::namespace::scenario_alone;
use crate::harness::{operator, pod};

const SERVERS_MAX: u32 = 9;
/// No further change is begun in a loop after that time, or after so many.
const LOOP_FOR: Duration = Duration::from_secs(75);
const CHANGES_MAX: u32 = 12;
const LOAD: Settings = Settings { keys: 6_000, value_bytes: 200, rate: 400 };

#[test]
fn random_numbers_of_servers_under_load() -> anyhow::Result<()> {
    let seed = number("RINGKV_CHAOS_SEED")?.unwrap_or_else(now_ms);
    let loops = number("RINGKV_CHAOS_LOOPS")?.unwrap_or(1);
    scenario_alone("chaos", |namespace| {
        println!("    seed {seed}; again: RINGKV_CHAOS_SEED={seed} RINGKV_CHAOS_LOOPS={loops}");
        let mut random = Random::new(seed);
        let cluster = Cluster::start(namespace, "demo", &small(3))?;
        for number in 1..=loops {
            one_loop(&cluster, &mut random).with_context(|| format!("loop {number} of {loops}"))?;
        }
        Ok(())
    })
}

/// Any number, several times; then one that is waited for, with exactly its volumes.
fn one_loop(cluster: &Cluster, random: &mut Random) -> anyhow::Result<()> {
    let load = Load::start(cluster, LOAD, None)?;
    let began = Instant::now();
    let mut story = Vec::new();
    for _ in 0..CHANGES_MAX {
        if began.elapsed() > LOOP_FOR {
            break;
        }
        let servers = number_of_servers(random)?;
        cluster.scale(servers)?;
        story.push(servers.to_string());
        match random.below(4) {
            // The next change comes at once.
            0 => {}
            1 => {
                kill_operator(cluster)?;
                story.push("operator killed".to_owned());
            }
            _ => cluster.wait_settled(servers).map(drop)?,
        }
    }
    let servers = number_of_servers(random)?;
    cluster.scale(servers)?;
    cluster.wait_settled(servers)?;
    cluster.wait_claims(&(0..servers).collect::<Vec<_>>())?;
    println!("    {}, and at last {servers}, in {:.0?}", story.join(", "), began.elapsed());
    load.finish()?.require_spotless()
}

fn number_of_servers(random: &mut Random) -> anyhow::Result<usize> {
    Ok(usize::try_from(1 + random.below(SERVERS_MAX))?)
}

fn kill_operator(cluster: &Cluster) -> anyhow::Result<()> {
    let before = operator::wait_ready(cluster.settings)?;
    let kubectl = Kubectl::of(cluster.settings, operator::NAMESPACE);
    pod::kill(cluster.settings, &kubectl, &before)?;
    operator::wait_ready(cluster.settings).map(drop)
}

fn number(variable: &str) -> anyhow::Result<Option<u64>> {
    let Ok(text) = std::env::var(variable) else { return Ok(None) };
    text.parse().map(Some).with_context(|| format!("{variable}={text} is no number"))
}
