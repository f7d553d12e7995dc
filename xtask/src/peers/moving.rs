//! Shell. Moving data from three servers to four: ringkv beside a Redis Cluster whose fourth master
//! is there and empty. Each move starts with new clusters on both sides and ends with the command
//! that was given for it; that of ringkv starts the new server besides.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::benchmark::KEY_BYTES;
use super::cell::Durability;
use super::connection::{Connection, Reply, Route, write_all};
use super::moves::{Case, Move, Run, of_status};
use super::options::Options;
use super::protocol::SLOTS;
use super::sides::{redis, ringkv};
use super::traffic::Traffic;
use crate::processes::{Process, cpu_seconds, free_ports, output_of};

/// Sizes of values.
const VALUES: [u32; 2] = [100, 1_024];
/// Servers before the move.
const SERVERS: u16 = 3;
/// How long a move may take.
const MOVED_WITHIN: Duration = Duration::from_secs(1_800);
/// How long a Redis Cluster may take to agree.
const AGREES_WITHIN: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// How long a side is left alone after its keys are written.
const SETTLES: Duration = Duration::from_secs(1);

/// Measures each size, without and with a load. Cases that are done are kept where a later one
/// fails.
pub(crate) fn run(
    program: &Path,
    directory: &Path,
    options: &Options,
    cases: &mut Vec<Case>,
) -> anyhow::Result<()> {
    let values = options.value_bytes.map_or(VALUES.to_vec(), |value| vec![value]);
    for value_bytes in values {
        for loaded in [false, true] {
            let mut case = Case { value_bytes, loaded, rounds: Vec::new() };
            for round in 0..options.rounds {
                let each = |of: fn(&Path, &Task) -> anyhow::Result<Move>| {
                    let directory = tempfile::tempdir_in(directory)?;
                    let directory = directory.path();
                    of(program, &Task { directory, options, value_bytes, loaded })
                };
                case.rounds.push(if round % 2 == 0 {
                    let ours = each(ours)?;
                    [ours, each(theirs)?]
                } else {
                    let theirs = each(theirs)?;
                    [each(ours)?, theirs]
                });
                println!("{}", case.last());
            }
            cases.push(case);
        }
    }
    Ok(())
}

/// One move.
struct Task<'a> {
    directory: &'a Path,
    options: &'a Options,
    value_bytes: u32,
    loaded: bool,
}

impl Task<'_> {
    fn durability(&self) -> Durability {
        self.options.durability.unwrap_or(Durability::Everysec)
    }

    fn write_keys(&self, route: &Route) -> anyhow::Result<()> {
        write_all(route, self.options.keys, self.value_bytes)?;
        sleep(SETTLES);
        Ok(())
    }

    /// Runs the command that moves data, with traffic if there shall be any. Which processes there
    /// are is asked before and after.
    fn run(
        &self,
        route: &Route,
        command: &mut Command,
        processes: impl Fn() -> Vec<u32>,
    ) -> anyhow::Result<Run> {
        let traffic = self.loaded.then(|| {
            let mut traffic = Traffic::start(route, self.options.keys, self.value_bytes);
            sleep(Duration::from_secs_f64(self.options.seconds));
            traffic.next_phase();
            traffic
        });
        let (used, began) = (cpu_seconds(&processes())?, Instant::now());
        output_of(command, MOVED_WITHIN)?;
        let seconds = began.elapsed().as_secs_f64();
        let seen = traffic.map_or(Ok(Vec::new()), Traffic::end)?;
        Ok(Run { seconds, cpu_seconds: cpu_seconds(&processes())? - used, seen })
    }
}

fn ours(program: &Path, task: &Task) -> anyhow::Result<Move> {
    let (side, api) = ringkv(program, task.directory, usize::from(SERVERS), task.durability())?;
    let route = Route::One(side.port);
    task.write_keys(&route).context("ringkv")?;
    let mut scale = api.scale(usize::from(SERVERS) + 1);
    let run = task.run(&route, &mut scale, || side.all()).context("ringkv")?;
    of_status(&output_of(&mut api.status(), AGREES_WITHIN)?, run)
}

fn theirs(_: &Path, task: &Task) -> anyhow::Result<Move> {
    let (mut masters, mut ports): (Vec<Process>, Vec<u16>) = (Vec::new(), Vec::new());
    for index in 0..=SERVERS {
        let bus = free_ports(1)?.first().copied().unwrap_or_default().to_string();
        let more = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        let name = format!("redis-{index}");
        let (master, port) = redis(&name, task.directory, task.durability(), &more)?;
        masters.push(master);
        ports.push(port);
    }
    let (empty, full) = ports.split_last().context("no master")?;
    let first = full.first().context("no master")?;
    let address = |port: &u16| format!("127.0.0.1:{port}");
    let addresses: Vec<String> = full.iter().map(address).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    cluster("create", &addresses)?;
    wait_until_all(&ports[..full.len()], full.len())?;
    cluster("add-node", &[&address(empty), &address(first)])?;
    wait_until_all(&ports, ports.len())?;
    let route = Route::even(full)?;
    task.write_keys(&route).context("redis")?;
    let id = text_of(Connection::open(*empty)?.ask(&[b"CLUSTER", b"MYID"])?)?;
    let slots = (SLOTS / (SERVERS + 1)).to_string();
    let mut reshard = redis_cli("reshard", &[&address(first)]);
    reshard.args(["--cluster-from", "all", "--cluster-to", &id, "--cluster-slots", &slots]);
    let pids = || masters.iter().map(Process::id).collect();
    let run = task.run(&route, &mut reshard, pids).context("redis")?;
    let keys = text_of(Connection::open(*empty)?.ask(&[b"DBSIZE"])?)?;
    let keys: u64 = keys.parse().with_context(|| format!("DBSIZE {keys}"))?;
    ensure!(keys > 0, "redis-cli --cluster reshard has moved nothing");
    let bytes = keys * (KEY_BYTES + u64::from(task.value_bytes));
    Ok(Move { keys, bytes, run, own_seconds: None, pause_ms: None })
}

fn redis_cli(what: &str, words: &[&str]) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["--cluster", what]).args(words).arg("--cluster-yes");
    command
}

fn cluster(what: &str, words: &[&str]) -> anyhow::Result<()> {
    output_of(&mut redis_cli(what, words), AGREES_WITHIN).map(drop)
}

/// Waits until each of these serves every slot and knows so many nodes.
fn wait_until_all(ports: &[u16], nodes: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    let known = format!("cluster_known_nodes:{nodes}");
    for port in ports {
        loop {
            let info = text_of(Connection::open(*port)?.ask(&[b"CLUSTER", b"INFO"])?)?;
            if info.contains("cluster_state:ok") && info.lines().any(|line| line == known) {
                break;
            }
            ensure!(began.elapsed() < AGREES_WITHIN, "the Redis Cluster does not agree:\n{info}");
            sleep(BETWEEN_LOOKS);
        }
    }
    Ok(())
}

fn text_of(reply: Reply) -> anyhow::Result<String> {
    match reply {
        Reply::Simple(text) => Ok(text),
        Reply::Bulk(Some(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        other => anyhow::bail!("an unexpected answer: {other:?}"),
    }
}
