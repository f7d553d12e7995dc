//! Shell. A pod that is deleted comes back with its data; a volume that is gone is reported, blocks
//! nobody else, and is given up only where a person says so.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::outage::Victim;
use ring::Point;
use serde_json::Value;

use super::small;
use crate::harness::cluster::{Cluster, condition};
use crate::harness::forward::Forward;
use crate::harness::load::{Load, Settings, now_ms};
use crate::harness::namespace::scenario;
use crate::harness::pod;

const KEYS: u32 = 200;
const NOTICED_WITHIN: Duration = Duration::from_secs(90);
const LOSER: &str = "demo-1";
const ACCEPT: &str = "ringkv.dev/accept-data-loss";

#[test]
fn a_deleted_pod_comes_back_with_its_data() -> anyhow::Result<()> {
    scenario("pod-loss", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &small(3))?;
        let mut load = Load::start(&cluster, Settings::default(), None)?;
        let before = cluster.pod(LOSER)?;
        let began = now_ms();
        namespace.kubectl.run(&["delete", "pod", LOSER])?;
        cluster.wait_replaced(&before)?;
        cluster.wait_settled(3)?;
        load.note_outage(Victim::Server(LOSER.to_owned()), began);
        load.finish()?.require_explained()
    })
}

#[test]
fn a_lost_volume_waits_for_a_person() -> anyhow::Result<()> {
    scenario("data-loss", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &small(3))?;
        let names: Vec<String> = (0..KEYS).map(|number| format!("k{number}")).collect();
        let writes: Vec<String> = names.iter().map(|name| format!("SET {name} {name}")).collect();
        redis(&cluster, &writes)?;
        let owners = cluster.owners()?;
        let owner = |name: &String| owners.get(Point::of(name.as_bytes())).cloned();
        let (gone, kept): (Vec<String>, Vec<String>) =
            names.iter().cloned().partition(|name| owner(name).as_deref() == Some(LOSER));
        let lost = gone.first().context("the server has none of the keys")?;

        lose_volume(&cluster)?;
        let resource = cluster.wait_reason("Degraded", "DataLost", NOTICED_WITHIN)?;
        let told = condition(&resource, "Degraded").context("it was there")?["message"].to_string();
        println!("    {told}");
        ensure!(told.contains(LOSER), "the message does not name {LOSER}: {told}");
        ensure!(told.contains(ACCEPT), "the message does not say what to do: {told}");
        require_kept(&cluster, &kept)?;
        let refusal = redis(&cluster, &[format!("GET {lost}")])?;
        ensure!(refusal.iter().all(|text| text.starts_with('-')), "a lost key: {refusal:?}");

        accept(&cluster, &"0".repeat(32))?;
        let still = cluster.wait_reason("Degraded", "DataLost", NOTICED_WITHIN)?;
        ensure!(!still.is_null(), "another volume was accepted as lost");
        accept(&cluster, &incarnation(&resource, &told)?)?;
        cluster.wait_settled(3)?;
        require_kept(&cluster, &kept)?;
        let answers = redis(
            &cluster,
            &[format!("GET {lost}"), format!("SET {lost} 2"), format!("GET {lost}")],
        )?;
        ensure!(answers == ["(nil)", "OK", "2"], "the lost key afterwards: {answers:?}");
        Ok(())
    })
}

/// Deletes the claim of the volume, which goes with its pod.
fn lose_volume(cluster: &Cluster) -> anyhow::Result<()> {
    let before = cluster.pod(LOSER)?;
    let claim = format!("data-{LOSER}");
    cluster.kubectl.run(&["delete", "persistentvolumeclaim", &claim, "--wait=false"])?;
    pod::kill(cluster.settings, &cluster.kubectl, &before)
}

/// The incarnation that is lost: it was the server's in the ring, and the message names it.
fn incarnation(resource: &Value, told: &str) -> anyhow::Result<String> {
    let members = resource["status"]["ring"]["members"].as_array().context("a ring has members")?;
    let member = members.iter().find(|member| member["name"] == LOSER).context("not a member")?;
    let incarnation = member["incarnation"].as_str().context("without an incarnation")?;
    ensure!(told.contains(incarnation), "the message does not name {incarnation}: {told}");
    Ok(incarnation.to_owned())
}

fn accept(cluster: &Cluster, incarnation: &str) -> anyhow::Result<()> {
    let annotation = format!("{ACCEPT}={LOSER}/{incarnation}");
    let resource = format!("kvcluster/{}", cluster.name);
    cluster.kubectl.run(&["annotate", &resource, &annotation, "--overwrite"]).map(drop)
}

fn redis(cluster: &Cluster, commands: &[String]) -> anyhow::Result<Vec<String>> {
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    Forward::to_router(cluster)?.redis(&commands)
}

/// Requires that the keys of the other servers are all there.
fn require_kept(cluster: &Cluster, kept: &[String]) -> anyhow::Result<()> {
    let reads: Vec<String> = kept.iter().map(|name| format!("GET {name}")).collect();
    let answers = redis(cluster, &reads)?;
    let wrong: BTreeMap<_, _> =
        kept.iter().zip(&answers).filter(|(name, answer)| name != answer).collect();
    ensure!(wrong.is_empty(), "keys of the other servers: {wrong:?}");
    Ok(())
}
