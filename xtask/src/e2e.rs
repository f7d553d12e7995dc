//! Shell. `cargo xtask e2e`: the end-to-end tests on a Kubernetes, the one that KUBECONFIG names or
//! else the test cluster of this repository, which it starts and ends where none runs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::cluster::{self, Image};
use crate::stage::Report;
use crate::suite::Options;
use crate::{release, root};

/// The image as the chart names it, so that the README's commands find it.
const IMAGE: &str = concat!("ghcr.io/ringkv/ringkv:", env!("CARGO_PKG_VERSION"));
/// The same under another name, to which a test rolls.
const NEXT_IMAGE: &str = concat!("ghcr.io/ringkv/ringkv:", env!("CARGO_PKG_VERSION"), "-next");
/// The load that tests put on a cluster.
const LOAD_IMAGE: &str = "localhost/ringkv-load:e2e";
/// Where it is set, nothing is skipped for want of a Kubernetes.
const REQUIRED: &str = "RINGKV_REQUIRE_KUBERNETES";
/// So many scenarios run at a time.
const THREADS: &str = "--test-threads=3";
/// As in the Containerfile.
const USER: &str = "65532:65532";

/// Runs the tests whose names contain one of the words, or all of them.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let mut report = Report::new();
    let options = Options::default();
    if is_given() {
        tests(&mut report, options, words, |_| ())?;
    } else {
        cluster::can_run().map_err(|reason| anyhow::anyhow!("{reason}"))?;
        on_test_cluster(&mut report, options, words)?;
    }
    report.finish();
    Ok(())
}

/// The same as stages of a larger run; says so where there is no cluster and none can be made.
pub(crate) fn stages(report: &mut Report, options: Options) -> anyhow::Result<()> {
    if is_given() {
        return tests(report, options, &[], |_| ());
    }
    match cluster::can_run() {
        Ok(()) => on_test_cluster(report, options, &[]),
        Err(reason) if env::var_os(REQUIRED).is_some() => {
            anyhow::bail!("the tests on Kubernetes cannot run, and {REQUIRED} is set: {reason}")
        }
        Err(reason) => {
            println!("\nskipped: the tests on Kubernetes; KUBECONFIG is not set, and {reason}");
            Ok(())
        }
    }
}

/// Whether somebody else has a cluster ready, with the images on it.
fn is_given() -> bool {
    env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty())
}

fn on_test_cluster(report: &mut Report, options: Options, words: &[String]) -> anyhow::Result<()> {
    release::build(report, options)?;
    let mut archives = Vec::new();
    report.call("images", || {
        archives = pack()?;
        Ok(())
    })?;
    let directory = root().join("target/cluster");
    let ran_before = cluster::runs(&directory);
    report.call("test cluster", || cluster::run(&["up".to_owned()]))?;
    let result = report
        .call("load the images", || load(&archives))
        .and_then(|()| tests(report, options, words, |command| use_cluster(command, &directory)));
    if ran_before {
        println!("\nthe test cluster was there before, and goes on");
        return result;
    }
    result.and(report.call("end of the test cluster", || cluster::run(&["down".to_owned()])))
}

fn load(archives: &[PathBuf]) -> anyhow::Result<()> {
    let archives = archives.iter().map(|archive| archive.display().to_string());
    cluster::run(&std::iter::once("load-image".to_owned()).chain(archives).collect::<Vec<_>>())
}

/// Packs the images; their archives.
fn pack() -> anyhow::Result<Vec<PathBuf>> {
    let directory = root().join("target/images");
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let images = [("ringkv", vec![IMAGE, NEXT_IMAGE]), ("ringkv-load", vec![LOAD_IMAGE])];
    let mut archives = Vec::new();
    for (program, names) in images {
        let archive = directory.join(format!("{program}.tar"));
        let image = Image { program: &release::program(program), file: program, user: USER };
        image.pack(&names, &archive)?;
        archives.push(archive);
    }
    Ok(archives)
}

fn use_cluster(command: &mut Command, directory: &Path) {
    command
        .env("KUBECONFIG", directory.join("kubeconfig"))
        .env("KUBECTL", directory.join("bin/kubectl"))
        .env("HELM", directory.join("bin/helm"))
        .env("RINGKV_IMAGE", IMAGE)
        .env("RINGKV_NEXT_IMAGE", NEXT_IMAGE)
        .env("RINGKV_LOAD_IMAGE", LOAD_IMAGE)
        .env("RINGKV_TEST_CLUSTER", "1");
}

fn tests(
    report: &mut Report,
    options: Options,
    words: &[String],
    environment: impl FnOnce(&mut Command),
) -> anyhow::Result<()> {
    let mut command = release::tests(options, &["--test", "kubernetes"]);
    command.args(["--", "--nocapture", THREADS]);
    command.args(words).env(REQUIRED, "1");
    if let Ok(xtask) = env::current_exe() {
        command.env("XTASK", xtask);
    }
    environment(&mut command);
    report.run("tests on Kubernetes", &mut command)
}
