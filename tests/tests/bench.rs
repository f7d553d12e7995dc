//! `ringkv bench` against real clusters: what it measures, checks, starts, ends and draws.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::cluster::{LocalCluster, Options, binary};
use e2e::ledger::Ledger;
use e2e::process::{children_of, interrupt, wait_gone};
use e2e::workload::{Plan, write_all};
use e2e::{scenario, wait};
use serde_json::Value;

const DATA: Plan = Plan { keys: 3_000, clients: 1, value_bytes: 100, seed: 1 };
/// A handoff of a third of the data takes a second or two.
const BYTES_PER_SECOND: u64 = 100_000;
const ENDS_WITHIN: Duration = Duration::from_secs(120);

#[test]
fn every_answer_of_a_cluster_is_right() -> anyhow::Result<()> {
    scenario(async {
        let mut cluster = LocalCluster::start(Options::nodes(3)).await?;
        for load in [&["--pipeline", "10"][..], &["--rate", "2000"]] {
            let target = cluster.resp();
            let mut arguments = vec!["bench", "--target", &target, "--clients=5", "--keys=500"];
            let mix = "--mix=get=40,set=40,incr=10,del=5,exists=5";
            arguments.extend(["--requests=5000", "--preload", "--verify", "--json", mix]);
            arguments.extend(load);
            let runs = json(&arguments)?;
            let result = &runs[0]["result"];
            ensure!(result["operations"] == 5_000 && result["errors"] == 0, "{runs}");
            ensure!(result["violations"] == 0 && runs[0]["run"]["verify"] == true, "{runs}");
        }
        cluster.stop().await
    })
}

#[test]
fn a_sweep_over_servers_is_measured_and_drawn() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let csv = directory.path().join("servers.csv");
    let mut sweep = bench(&directory, &["--sweep=servers=1,2", "--requests=2000", "--verify"])?;
    sweep.args(["--clients=4", "--keys=1000", "--durability=everysec", "--csv"]).arg(&csv);
    let output = sweep.output()?;
    ensure!(output.status.success(), "{output:?}");
    let table = fs::read_to_string(&csv)?;
    ensure!(table.lines().count() == 3, "{table}");
    let left: Vec<String> = names_in(directory.path())?;
    ensure!(left == ["servers.csv"], "left over: {left:?}");

    for (name, begin) in [("chart.svg", &b"<svg"[..]), ("chart.png", b"\x89PNG")] {
        let chart = directory.path().join(name);
        let plot = [Path::new("bench"), Path::new("plot"), &csv, Path::new("-o"), &chart];
        let output = Command::new(binary()?).args(plot).output()?;
        ensure!(output.status.success() && fs::read(&chart)?.starts_with(begin), "{output:?}");
    }
    Ok(())
}

#[test]
fn an_interrupted_sweep_leaves_nothing_behind() -> anyhow::Result<()> {
    scenario(async {
        let directory = tempfile::tempdir()?;
        let mut sweep = bench(&directory, &["--sweep=servers=2", "--seconds=600"])?;
        let mut sweep = sweep.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let started = wait::until("servers run", ENDS_WITHIN, || async {
            let supervisors = children_of(sweep.id());
            let inner = supervisors.first().map(|one| children_of(one.id)).unwrap_or_default();
            if inner.len() >= 3 { Ok([supervisors, inner].concat()) } else { Err(inner) }
        });
        let processes = started.await?;
        interrupt(sweep.id())?;
        let status = wait_end(&mut sweep).await?;
        ensure!(status.code() == Some(1), "{status:?}");
        wait_gone(&processes).await?;
        let left = names_in(directory.path())?;
        ensure!(left.is_empty(), "left over: {left:?}");
        Ok(())
    })
}

#[test]
fn a_timeline_marks_when_data_moves() -> anyhow::Result<()> {
    scenario(async {
        let options = Options::nodes(2).bytes_per_second(BYTES_PER_SECOND);
        let mut cluster = LocalCluster::start(options).await?;
        write_all(DATA, &cluster.resp(), &mut Ledger::new()).await?;
        let directory = tempfile::tempdir()?;
        let csv = directory.path().join("time.csv");
        let mut command = bench(&directory, &["--clients=2", "--seconds=8", "--rate=500"])?;
        command.args(["--verify", "--keys=200", "--target", &cluster.resp(), "--timeline"]);
        command.arg(&csv).args(["--watch-rebalance", &format!("http://{}", cluster.http())]);
        let mut running = command.stdout(Stdio::null()).spawn()?;
        cluster.add_server().await?;
        cluster.wait_settled(3).await?;
        let status = wait_end(&mut running).await?;
        ensure!(status.success(), "{status:?}");
        let table = fs::read_to_string(&csv)?;
        let handoffs = table.lines().skip(2).filter_map(|line| line.rsplit(',').next());
        let marked = handoffs.filter(|count| *count != "0").count();
        ensure!(marked > 0 && marked < 80, "{marked} intervals marked:\n{table}");
        let chart = directory.path().join("time.svg");
        let plot = [Path::new("bench"), Path::new("plot"), &csv, Path::new("-o"), &chart];
        let output = Command::new(binary()?).args(plot).output()?;
        let svg = fs::read_to_string(&chart)?;
        ensure!(output.status.success() && svg.contains("handoffs under way"), "{output:?}");
        cluster.stop().await
    })
}

#[test]
fn an_absent_server_and_wrong_usage_are_told_apart() -> anyhow::Result<()> {
    let nowhere = format!("127.0.0.1:{}", e2e::cluster::free_port()?);
    let absent = run(&["bench", "--target", &nowhere])?;
    let text = String::from_utf8_lossy(&absent.stderr).into_owned();
    ensure!(absent.status.code() == Some(69) && text.contains("--target"), "{absent:?}");
    for usage in [&["--clients=0"][..], &["--mix=odd"], &["--sweep=servers"], &["plot", "x.csv"]] {
        let output = run(&[&["bench"], usage].concat())?;
        ensure!(output.status.code() == Some(64), "{usage:?}: {output:?}");
    }
    Ok(())
}

/// A command with its temporary files in this directory.
fn bench(directory: &tempfile::TempDir, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(binary()?);
    command.arg("bench").args(arguments).env("TMPDIR", directory.path());
    Ok(command)
}

fn names_in(directory: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(directory)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

async fn wait_end(child: &mut Child) -> anyhow::Result<ExitStatus> {
    wait::until("the command ends", ENDS_WITHIN, || {
        let ended = child.try_wait().ok().flatten();
        async move { ended.ok_or("it runs") }
    })
    .await
}

fn run(arguments: &[&str]) -> anyhow::Result<Output> {
    Ok(Command::new(binary()?).args(arguments).output()?)
}

fn json(arguments: &[&str]) -> anyhow::Result<Value> {
    let output = run(arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).context("the answer is no JSON")
}
