//! Shell. The charts: lint, what they render for each set of values, and a cluster by the chart
//! with its own test.

use std::fs;

use anyhow::ensure;

use crate::harness::cluster::{AVAILABLE_WITHIN, Cluster};
use crate::harness::helm::helm;
use crate::harness::namespace::{Namespace, scenario};
use crate::harness::settings::root;

const CHARTS: [&str; 2] = ["ringkv", "kvcluster"];
/// Kinds that only the Prometheus operator knows.
const MONITORING: &str = "apiVersion: monitoring.coreos.com/";

#[test]
fn charts_are_clean_and_render_what_the_server_takes() -> anyhow::Result<()> {
    scenario("charts", |namespace| {
        for chart in CHARTS {
            let path = format!("charts/{chart}");
            helm(namespace.settings, &["lint", "--strict", &path])?;
            let mut tried = 0;
            for entry in fs::read_dir(root().join(&path).join("ci"))? {
                let values = entry?.path().display().to_string();
                helm(namespace.settings, &["lint", "--strict", &path, "--values", &values])?;
                require_taken(namespace, chart, &values)?;
                tried += 1;
            }
            println!("    {chart}: {tried} sets of values");
        }
        Ok(())
    })
}

#[test]
fn a_cluster_by_the_chart_passes_its_test() -> anyhow::Result<()> {
    scenario("kvcluster-chart", |namespace| {
        let settings = namespace.settings;
        let release = ["demo", "charts/kvcluster", "--namespace", &namespace.name];
        let values = ["--values", "charts/kvcluster/ci/small-values.yaml"];
        let image = format!("tests.image={}", settings.image);
        let set = ["--set", &image];
        helm(settings, &[&["install"], &release[..], &values, &set].concat())?;
        let cluster = Cluster::existing(namespace, "demo");
        cluster.wait_condition("Available", "True", AVAILABLE_WITHIN)?;
        helm(settings, &["test", "demo", "--namespace", &namespace.name, "--timeout", "90s"])?;
        // Somebody else's number of servers is left alone by an upgrade without one.
        cluster.scale(2)?;
        cluster.wait_settled(2)?;
        helm(settings, &["uninstall", "demo", "--namespace", &namespace.name, "--wait"])?;
        cluster.wait_claims(&[])
    })
}

/// Requires that the API server takes everything that the chart renders for these values.
fn require_taken(namespace: &Namespace, chart: &str, values: &str) -> anyhow::Result<()> {
    let path = format!("charts/{chart}");
    let arguments = ["template", "demo", &path, "--namespace", &namespace.name, "--values", values];
    let rendered = helm(namespace.settings, &arguments)?;
    let documents = rendered.split("\n---\n").filter(|text| !text.contains(MONITORING));
    let documents: Vec<&str> = documents.collect();
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "--filename=-",
    ];
    let text = documents.join("\n---\n");
    if !text.contains("kind: ") {
        return Ok(());
    }
    // A Role may be for a namespace that the values name, so the manifests say which.
    let kubectl = crate::harness::kubectl::Kubectl::cluster(namespace.settings);
    let outcome = kubectl.output(&apply, Some(&text))?;
    ensure!(outcome.succeeded, "{values}: {}", outcome.stderr);
    Ok(())
}
