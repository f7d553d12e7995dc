//! Shell. The manifests in `examples/`: all of them are taken, and those that fit run.

use std::fs;
use std::path::PathBuf;

use anyhow::ensure;

use crate::harness::cluster::{AVAILABLE_WITHIN, Cluster};
use crate::harness::forward::Forward;
use crate::harness::namespace::scenario;
use crate::harness::settings::root;

/// What is too large for a small machine, and only tried.
const TOO_LARGE: [&str; 1] = ["production.yaml"];

#[test]
fn examples_are_taken_and_run() -> anyhow::Result<()> {
    scenario("examples", |namespace| {
        for file in examples()? {
            let path = file.display().to_string();
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let apply = ["apply", "--validate=strict", "--filename", &path];
            namespace.kubectl.run(&[&apply[..], &["--dry-run=server"]].concat())?;
            if TOO_LARGE.contains(&name.as_str()) {
                println!("    {name}: taken, and too large to run here");
                continue;
            }
            namespace.kubectl.run(&apply)?;
            for resource in namespace.kubectl.list(&["kvclusters"])? {
                let name = crate::harness::pod::name(&resource).to_owned();
                let cluster = Cluster::existing(namespace, &name);
                cluster.wait_condition("Available", "True", AVAILABLE_WITHIN)?;
                require_access(&cluster)?;
            }
            namespace.kubectl.run(&["delete", "--filename", &path, "--timeout=90s"])?;
        }
        Ok(())
    })
}

fn examples() -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root().join("examples"))?;
    let mut files =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    ensure!(files.len() > 2, "the examples are gone");
    Ok(files)
}

/// Requires that clients come in, with the password where the cluster has one and not without it.
fn require_access(cluster: &Cluster) -> anyhow::Result<()> {
    let forward = Forward::to_router(cluster)?;
    let auth = cluster.get()?["spec"]["auth"].clone();
    if auth.is_null() {
        let answers = forward.redis(&["SET a 1", "GET a"])?;
        ensure!(answers == ["OK", "1"], "{}: {answers:?}", cluster.name);
        return Ok(());
    }
    let refused = forward.redis(&["GET a", "AUTH wrong", "GET a"])?;
    ensure!(refused.iter().all(|text| text.starts_with('-')), "without a password: {refused:?}");
    let generated = format!("{}-auth", cluster.name);
    let secret = auth["existingSecret"].as_str().unwrap_or(&generated);
    let template = "--template={{ .data.password | base64decode }}";
    let password = cluster.kubectl.run(&["get", "secret", secret, template])?;
    ensure!(password.len() >= 16, "a password of {} characters", password.len());
    let auth = format!("AUTH {password}");
    let answers = forward.redis(&[&auth, "SET a 1", "GET a"])?;
    ensure!(answers == ["OK", "OK", "1"], "{}: {answers:?}", cluster.name);
    Ok(())
}
