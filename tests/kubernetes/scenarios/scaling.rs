//! Shell. 3 -> 5 -> 2 -> 4 servers under load, while the operator, a router, a source and a target
//! are killed once each.

use anyhow::{Context, ensure};
use e2e::outage::Victim;
use serde_json::Value;

use super::slow;
use crate::harness::cluster::Cluster;
use crate::harness::kubectl::Kubectl;
use crate::harness::load::{Load, Settings, now_ms};
use crate::harness::namespace::scenario_alone;
use crate::harness::watch::{Event, Watch};
use crate::harness::{operator, pod};

const BYTES_PER_SECOND: u32 = 100_000;
const LOAD: Settings = Settings { keys: 12_000, value_bytes: 400, rate: 600 };

#[test]
fn three_five_two_four_under_load_and_kills() -> anyhow::Result<()> {
    scenario_alone("scaling", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &slow(3, BYTES_PER_SECOND))?;
        let mut load = Load::start(&cluster, LOAD, None)?;
        let pods = Watch::servers(&cluster)?;
        let resource = Watch::resource(&cluster)?;

        cluster.scale(5)?;
        cluster.wait_moving()?;
        kill_server(&cluster, &mut load, 0).context("a source")?;
        kill_operator(&cluster)?;
        cluster.wait_settled(5)?;
        load.note_ring()?;
        cluster.wait_claims(&[0, 1, 2, 3, 4])?;

        cluster.scale(2)?;
        cluster.wait_moving()?;
        kill_server(&cluster, &mut load, 1).context("a target")?;
        kill_router(&cluster, &mut load)?;
        cluster.wait_settled(2)?;
        load.note_ring()?;
        cluster.wait_claims(&[0, 1])?;

        cluster.scale(4)?;
        cluster.wait_settled(4)?;
        load.note_ring()?;
        cluster.wait_claims(&[0, 1, 2, 3])?;

        load.finish()?.require_explained()?;
        require_told(&cluster)?;
        require_left_with_nothing(&pods.stop()?, &resource.stop()?)
    })
}

fn kill_server(cluster: &Cluster, load: &mut Load, ordinal: usize) -> anyhow::Result<()> {
    let name = cluster.server(ordinal);
    let before = cluster.pod(&name)?;
    let began = now_ms();
    pod::kill(cluster.settings, &cluster.kubectl, &before)?;
    cluster.wait_replaced(&before)?;
    load.note_outage(Victim::Server(name), began);
    Ok(())
}

fn kill_router(cluster: &Cluster, load: &mut Load) -> anyhow::Result<()> {
    let routers = cluster.pods("router")?;
    let router = routers.values().next().context("there is no router")?;
    let began = now_ms();
    pod::kill(cluster.settings, &cluster.kubectl, router)?;
    cluster.wait_routers()?;
    load.note_outage(Victim::Router, began);
    Ok(())
}

fn kill_operator(cluster: &Cluster) -> anyhow::Result<()> {
    let before = operator::wait_ready(cluster.settings)?;
    let kubectl = Kubectl::of(cluster.settings, operator::NAMESPACE);
    pod::kill(cluster.settings, &kubectl, &before)?;
    operator::wait_ready(cluster.settings).map(drop)
}

/// Requires that the events tell that it was scaled, and which servers left.
fn require_told(cluster: &Cluster) -> anyhow::Result<()> {
    let events = cluster.events()?;
    for server in ["demo-3", "demo-4"] {
        let told = events.iter().any(|event| event.contains(server));
        ensure!(told, "no event names {server}: {events:#?}");
    }
    Ok(())
}

/// Requires that no pod was asked to go for good while its server was in the ring or owned
/// something. A pod that was killed came back, so only the last event of each name counts.
fn require_left_with_nothing(pods: &[Event], resource: &[Event]) -> anyhow::Result<()> {
    let mut left = 0;
    for name in ["demo-2", "demo-3", "demo-4"] {
        // From the ending of the five servers: the first time that the pod is asked to go.
        let asked = pods.iter().find(|event| {
            pod::name(&event.object) == name
                && !event.object["metadata"]["deletionTimestamp"].is_null()
        });
        let asked = asked.with_context(|| format!("{name} never left"))?;
        let before = resource.iter().rfind(|event| event.version() < asked.version());
        let status = &before.context("nothing is known of that time")?.object["status"];
        ensure!(!is_member(status, name), "{name} was asked to go while in the ring: {status:#}");
        let server = server(status, name);
        let share = server.map(|server| server["share"].as_str().unwrap_or_default().to_owned());
        ensure!(
            share.as_deref().is_none_or(|share| share.starts_with("0.0")),
            "{name} was asked to go while it owned {share:?}: {status:#}"
        );
        left += 1;
    }
    println!("    {left} servers left, and owned nothing by then");
    Ok(())
}

fn is_member(status: &Value, name: &str) -> bool {
    let members = status["ring"]["members"].as_array();
    members.is_some_and(|members| members.iter().any(|member| member["name"] == name))
}

fn server<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["servers"].as_array()?.iter().find(|server| server["name"] == name)
}
