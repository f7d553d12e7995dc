//! Shell. A node without a network takes its own arcs away and no others, with clear errors after a
//! bounded wait; they answer again when it is back.

use anyhow::{Context, ensure};
use e2e::client_error::ErrorKind;
use e2e::outage::Victim;

use super::drain::node_of;
use super::small;
use crate::harness::cluster::Cluster;
use crate::harness::load::{Load, Settings, now_ms};
use crate::harness::namespace::scenario_alone;
use crate::harness::nodes::{self, CutOff};

/// The longest that a client may wait for an error of a server that is away.
const REFUSED_WITHIN_MS: u64 = 20_000;

#[test]
fn a_node_that_is_cut_off_takes_its_own_arcs_away() -> anyhow::Result<()> {
    scenario_alone("cut-off", |namespace| {
        if !namespace.settings.can_break_nodes("a node is cut off") {
            return Ok(());
        }
        let nodes = nodes::names(namespace.settings)?;
        let cluster = Cluster::start(namespace, "demo", &small(3))?;
        let servers = cluster.pods("node")?;
        let routers = cluster.pods("router")?;
        // A node with a server, if possible without a router; the load is elsewhere.
        let has_router = |node: &str| routers.values().any(|pod| node_of(pod) == node);
        // Not that of the operator, which could tell nobody then.
        let operator = crate::harness::operator::wait_ready(namespace.settings)?;
        let others = || servers.values().filter(|pod| node_of(pod) != node_of(&operator));
        let victim = others()
            .find(|pod| !has_router(node_of(pod)))
            .or_else(|| others().next())
            .context("there is no server apart from the operator")?;
        let (victim, node) = (crate::harness::pod::name(victim).to_owned(), node_of(victim));
        let quiet = nodes.iter().find(|other| *other != node).context("there is one node only")?;
        let mut load = Load::start(&cluster, Settings::default(), Some(quiet))?;

        let began = now_ms();
        let cut = CutOff::cut(namespace.settings, node)?;
        let isolated_ms = now_ms();
        cut.wait_noticed()?;
        cluster.wait_condition("Available", "False", nodes::NOTICED_WITHIN)?;
        cut.give_back()?;
        cluster.wait_settled(3)?;
        load.note_outage(Victim::Server(victim.clone()), began);
        if has_router(node) {
            load.note_outage(Victim::IsolatedRouter { isolated_ms }, began);
        }
        let finished = load.finish()?;
        finished.require_explained()?;
        let errors = finished.report.error_list.iter();
        let refusals: Vec<_> = errors.filter(|error| error.kind == ErrorKind::TryAgain).collect();
        ensure!(!refusals.is_empty(), "no key was refused: was the node cut off?");
        // A router that was cut off, too, could answer only when it was back.
        let bounded = refusals.iter().filter(|e| !has_router(node) || e.called_ms > isolated_ms);
        let waits = bounded.map(|error| error.answered_ms.saturating_sub(error.called_ms));
        let slowest = waits.max().unwrap_or_default();
        ensure!(slowest <= REFUSED_WITHIN_MS, "an error of {victim} took {slowest} ms");
        println!("    errors of {victim} came within {slowest} ms");
        Ok(())
    })
}
