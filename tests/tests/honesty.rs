//! The tests themselves: a write that is lost behind the clients' backs, and a key on a disk where
//! it does not belong, are noticed.

use anyhow::ensure;
use e2e::cluster::{LocalCluster, Options};
use e2e::ledger::Ledger;
use e2e::resp::Client;
use e2e::workload::{Plan, key_name, read_all, write_all};
use e2e::{inventory, scenario};

const PLAN: Plan = Plan { keys: 300, clients: 1, value_bytes: 32, seed: 17 };

#[test]
fn sabotage_is_noticed() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(2)).await?;
        let mut ledger = Ledger::new();
        write_all(PLAN, &cluster.resp(), &mut ledger).await?;
        let end = ledger.now();
        let mut client = Client::connect(&cluster.resp()).await?;
        ensure!(client.words(&format!("DEL {}", key_name(7))).await? == "1");
        ensure!(client.words(&format!("RENAME {0} {0}", key_name(8))).await? == "OK");
        let old = client.words(&format!("GET {}", key_name(9))).await?;
        ensure!(client.words(&format!("SET {} {old}", key_name(10))).await? == "OK");
        read_all(PLAN, &cluster.resp(), &mut ledger).await?;
        let verdict = ledger.judge(end);
        ensure!((verdict.lost, verdict.stale) == (1, 1), "{verdict}");
        ensure!(verdict.require_nothing_lost().is_err());

        let all: Vec<String> = (0..PLAN.keys).map(key_name).collect();
        let missing = inventory::require_placement_now(&cluster, all.iter().cloned().collect());
        ensure!(missing.await.is_err(), "a missing key is not noticed");
        let left = all.iter().filter(|key| **key != key_name(7)).cloned().collect();
        inventory::require_placement_now(&cluster, left).await?;
        let fewer = all.iter().skip(20).cloned().collect();
        let extra = inventory::require_placement_now(&cluster, fewer).await;
        ensure!(extra.is_err(), "keys that should not be there are not noticed");
        cluster.stop().await
    })
}
