//! A volume that is gone: what it held is named and refused, never silently empty, until a person
//! accepts the loss; everything else goes on.

use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options};
use e2e::ledger::Ledger;
use e2e::resp::Client;
use e2e::workload::{Plan, key_name, write_all};
use e2e::{http, inventory, scenario};
use ring::Point;

const PLAN: Plan = Plan { keys: 2_000, clients: 1, value_bytes: 32, seed: 13 };
const LOSER: &str = "kv-1";
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_lost_volume_is_named_and_waits_for_a_person() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(3)).await?;
        write_all(PLAN, &cluster.resp(), &mut Ledger::new()).await?;
        let document = cluster.membership().await?.document;
        let owners = inventory::assignment(&document)?;
        cluster.stop().await?;
        fs::remove_dir_all(cluster.data().join(LOSER))?;
        cluster.launch()?;

        let status = cluster
            .wait_status("the loss is named", NOTICED_WITHIN, |status| !status.lost.is_empty())
            .await?;
        let [lost] = status.lost.as_slice() else { anyhow::bail!("{:?}", status.lost) };
        let member = document.member(LOSER).context("not a member")?;
        ensure!(lost.server.name == LOSER && lost.server.incarnation == member.incarnation);
        ensure!((0.2..0.5).contains(&lost.share), "a share of {}", lost.share);

        let is_lost =
            |key: &str| owners.get(Point::of(key.as_bytes())).is_some_and(|owner| owner == LOSER);
        let mut client = Client::connect(&cluster.resp()).await?;
        let mut kept = (0..PLAN.keys).map(key_name).filter(|key| !is_lost(key));
        let gone = (0..PLAN.keys).map(key_name).find(|key| is_lost(key)).context("no lost key")?;
        let refusal = client.words(&format!("GET {gone}")).await?;
        ensure!(refusal.starts_with('-'), "a lost key reads as {refusal}");
        println!("    {refusal}");
        for key in kept.by_ref().take(100) {
            let answer = client.words(&format!("GET {key}")).await?;
            ensure!(answer.len() == PLAN.value_bytes, "{key}: {answer}");
        }

        let wrong = serde_json::json!({ "name": LOSER, "incarnation": "0".repeat(32) });
        let refused = http::post(&cluster.http(), "/accept-data-loss", &wrong).await?;
        ensure!(refused.status >= 400, "another volume was accepted as lost: {}", refused.text());
        let accepted = http::post(&cluster.http(), "/accept-data-loss", &lost.server).await?;
        ensure!(accepted.status == 202, "{} {}", accepted.status, accepted.text());
        cluster.wait_settled(3).await?;
        ensure!(client.words(&format!("GET {gone}")).await? == "(nil)");
        ensure!(client.words(&format!("SET {gone} again")).await? == "OK");
        let left = kept.by_ref().chain(std::iter::once(gone.clone()));
        let first = (0..PLAN.keys).map(key_name).filter(|key| !is_lost(key)).take(100);
        inventory::require_exact_placement(&cluster, left.chain(first).collect()).await?;
        cluster.stop().await
    })
}
