//! Shell. Two operators: one leads, and the other takes over when that one is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::slow;
use crate::harness::cluster::Cluster;
use crate::harness::kubectl::Kubectl;
use crate::harness::load::{Load, Settings};
use crate::harness::namespace::scenario_alone;
use crate::harness::pod::{self, is_ready};
use crate::harness::{operator, settings, wait};

const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(60);
const BYTES_PER_SECOND: u32 = 60_000;
const LOAD: Settings = Settings { keys: 6_000, value_bytes: 400, rate: 300 };

#[test]
fn another_operator_takes_over_in_the_middle_of_a_change() -> anyhow::Result<()> {
    scenario_alone("standby", |namespace| {
        let cluster = Cluster::start(namespace, "demo", &slow(2, BYTES_PER_SECOND))?;
        let load = Load::start(&cluster, LOAD, None)?;
        let pair = Pair::start(namespace.settings)?;
        let leader = pair.leader()?;
        cluster.scale(3)?;
        cluster.wait_moving()?;
        pair.kill(&leader)?;
        let next = pair.wait_taken_over(&leader)?;
        println!("    {leader} was killed, {next} leads");
        cluster.wait_settled(3)?;
        load.finish()?.require_spotless()
    })
}

/// Two operators, until this is dropped.
struct Pair {
    settings: &'static settings::Settings,
    kubectl: Kubectl,
}

impl Pair {
    fn start(settings: &'static settings::Settings) -> anyhow::Result<Self> {
        let pair = Self { settings, kubectl: Kubectl::of(settings, operator::NAMESPACE) };
        pair.scale(2)?;
        wait::until("two operators run", TAKEN_OVER_WITHIN, || {
            let pods = pair.pods().map_err(|error| error.to_string())?;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            if ready == 2 { Ok(()) } else { Err(format!("{ready} are ready")) }
        })?;
        Ok(pair)
    }

    fn scale(&self, replicas: usize) -> anyhow::Result<()> {
        let deployment = format!("deployment/{}", operator::RELEASE);
        let replicas = format!("--replicas={replicas}");
        self.kubectl.run(&["scale", &deployment, &replicas]).map(drop)
    }

    fn pods(&self) -> anyhow::Result<Vec<Value>> {
        self.kubectl.list(&["pods", "--selector", operator::SELECTOR])
    }

    /// The pod that holds the Lease.
    fn leader(&self) -> anyhow::Result<String> {
        let leases = self.kubectl.list(&["leases"])?;
        ensure!(leases.len() == 1, "{} leases", leases.len());
        let holder = leases[0]["spec"]["holderIdentity"].as_str().context("nobody leads")?;
        let names: BTreeSet<String> =
            self.pods()?.iter().map(|pod| pod::name(pod).to_owned()).collect();
        ensure!(names.contains(holder), "{holder} leads, and there are {names:?}");
        Ok(holder.to_owned())
    }

    fn kill(&self, name: &str) -> anyhow::Result<()> {
        let pod = self.kubectl.get(&["pod", name])?;
        pod::kill(self.settings, &self.kubectl, &pod)
    }

    fn wait_taken_over(&self, former: &str) -> anyhow::Result<String> {
        wait::until("another one leads", TAKEN_OVER_WITHIN, || {
            let leader = self.leader().map_err(|error| format!("{error:#}"))?;
            if leader == former { Err(leader) } else { Ok(leader) }
        })
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let ended = self.scale(1).and_then(|()| operator::wait_ready(self.settings).map(drop));
        if let Err(error) = ended {
            println!("    there are still two operators: {error:#}");
        }
    }
}
