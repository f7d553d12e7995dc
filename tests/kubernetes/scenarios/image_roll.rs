//! Shell. A new image under load: one server at a time, and a broken one stops the roll until the
//! image is corrected.

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::outage::Victim;
use serde_json::{Value, json};

use super::small;
use crate::harness::cluster::{Cluster, SETTLED_WITHIN};
use crate::harness::load::{Load, Settings, now_ms};
use crate::harness::namespace::scenario;
use crate::harness::pod::is_ready;
use crate::harness::wait;
use crate::harness::watch::{Watch, most_away};

const NOTICED_WITHIN: Duration = Duration::from_secs(60);
/// An image that is nowhere.
const BROKEN: &str = "localhost/ringkv-that-is-nowhere:1";

#[test]
fn an_image_rolls_one_server_at_a_time() -> anyhow::Result<()> {
    scenario("image-roll", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &small(3))?;
        let mut load = Load::start(&cluster, Settings::default(), None)?;
        let watch = Watch::servers(&cluster)?;
        let began = now_ms();
        cluster.patch_spec(&json!({ "image": namespace.settings.next_image }))?;
        wait_image(&cluster, &namespace.settings.next_image)?;
        cluster.wait_settled(3)?;
        cluster.wait_routers()?;
        for ordinal in 0..3 {
            load.note_outage(Victim::Server(cluster.server(ordinal)), began);
        }
        load.note_outage(Victim::Router, began);
        let events = watch.stop()?;
        load.finish()?.require_explained()?;
        let (most, which) = most_away(&events);
        ensure!(most == 1, "{most} servers were away at a time: {which:?}");
        Ok(())
    })
}

#[test]
fn a_broken_image_takes_one_server_and_can_be_corrected() -> anyhow::Result<()> {
    scenario("broken-image", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &small(3))?;
        let image = namespace.settings.image.clone();
        let watch = Watch::servers(&cluster)?;
        cluster.patch_spec(&json!({ "image": BROKEN }))?;
        let broken = wait::until("a server has the broken image", NOTICED_WITHIN, || {
            let pods = cluster.pods("node").map_err(|error| error.to_string())?;
            let broken = pods.iter().find(|(_, pod)| image_of(pod) == BROKEN && !is_ready(pod));
            broken.map(|(name, _)| name.clone()).ok_or_else(|| "none has".to_owned())
        })?;
        cluster.wait("the trouble is named", NOTICED_WITHIN, |resource| {
            let conditions = resource["status"]["conditions"].to_string();
            (conditions.contains(&broken)).then_some(())
        })?;
        cluster.patch_spec(&json!({ "image": image }))?;
        wait_image(&cluster, &image)?;
        cluster.wait_settled(3)?;
        cluster.wait_routers()?;
        let (most, which) = most_away(&watch.stop()?);
        ensure!(most == 1, "{most} servers were away at a time: {which:?}");
        Ok(())
    })
}

/// Waits until every server runs that image.
fn wait_image(cluster: &Cluster, image: &str) -> anyhow::Result<()> {
    wait::until("every server has the image", SETTLED_WITHIN, || {
        let pods = cluster.pods("node").map_err(|error| error.to_string())?;
        let images: Vec<_> = pods.values().map(|pod| (image_of(pod), is_ready(pod))).collect();
        let all = images.iter().all(|(of, is_ready)| of == image && *is_ready);
        if all && !images.is_empty() { Ok(()) } else { Err(format!("{images:?}")) }
    })
    .context("the roll")
}

fn image_of(pod: &Value) -> String {
    pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
}
