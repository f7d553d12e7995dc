//! Shell. `cargo xtask cost`: what ringkv needs that does nothing, holds many connections, or has
//! much more data than cache; and how long it takes to start, with nothing and with much.

mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::local_cluster::LocalCluster;
use crate::peers::connection::{Connection, Reply, Route, write_all};
use crate::peers::protocol::{key, put_command, value};
use crate::peers::statistics::median;
use crate::processes::children_of;
use crate::release;
use report::{Cost, Memory, memory, table};

const HELP: &str = "\
cargo xtask cost [--keys N] [--connections N] [--program FILE]
  --keys N         keys of 100 bytes that one server has in the end [default: 5000000]
  --connections N  idle connections of one router [default: 10000, its bound]
  --program FILE   a ringkv that is built already";
const VALUE_BYTES: u32 = 100;
const STARTS: usize = 3;
/// Commands that are sent before their answers are read.
const AT_ONCE: usize = 200;
/// How long a cluster is left alone before its memory is looked at.
const SETTLES: Duration = Duration::from_secs(3);
/// How long a server that was killed may take until it answers.
const BACK_WITHIN: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
const EVERYSEC: [&str; 2] = ["--durability", "everysec"];

struct Options {
    keys: u64,
    connections: usize,
    program: Option<PathBuf>,
}

fn parse(words: &[String]) -> anyhow::Result<Option<Options>> {
    let mut options = Options { keys: 5_000_000, connections: 10_000, program: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--help" {
            return Ok(None);
        }
        let value = words.next().with_context(|| format!("{word} needs a value\n{HELP}"))?;
        match word.as_str() {
            "--keys" => options.keys = value.parse().context("--keys needs a number")?,
            "--connections" => {
                options.connections = value.parse().context("--connections needs a number")?;
            }
            "--program" => options.program = Some(value.into()),
            _ => bail!("unknown flag {word}\n{HELP}"),
        }
    }
    ensure!(options.keys > 0 && options.connections > 0, "there has to be something to measure");
    Ok(Some(options))
}

/// Measures, and prints a table.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let Some(options) = parse(words)? else {
        println!("{HELP}");
        return Ok(());
    };
    let program = release::given_or_built(options.program.as_deref())?;
    let directory = tempfile::Builder::new().prefix("ringkv-cost-").tempdir()?;
    let mut costs = starts(&program, directory.path())?;
    costs.extend(idle(&program, directory.path(), options.connections)?);
    costs.extend(data(&program, directory.path(), options.keys)?);
    println!("\n{}", table(&costs));
    Ok(())
}

/// From the command to the first answer, of new clusters.
fn starts(program: &Path, directory: &Path) -> anyhow::Result<Vec<Cost>> {
    let mut took = Vec::new();
    for n in 0..STARTS {
        let began = Instant::now();
        let cluster = LocalCluster::start(program, directory, &format!("start-{n}"), 5, &[])?;
        let reply = Connection::open(cluster.resp)?.ask(&[b"SET", b"first", b"answer"])?;
        ensure!(reply == Reply::Simple("OK".to_owned()), "SET was answered {reply:?}");
        took.push(began.elapsed().as_secs_f64());
    }
    let median = Duration::try_from_secs_f64(median(took)).context("no start")?;
    Ok(vec![Cost::seconds("start of 5 servers and a router, to the first SET", median, 2.0)])
}

/// Memory of what has no data, and of idle connections.
fn idle(program: &Path, directory: &Path, connections: usize) -> anyhow::Result<Vec<Cost>> {
    let cluster = LocalCluster::start(program, directory, "idle", 5, &[])?;
    sleep(SETTLES);
    let router = only(&children_of(cluster.process.id(), "router"))?;
    let servers = children_of(cluster.process.id(), "node");
    let mut largest = 0;
    for server in servers {
        largest = largest.max(memory_of(server)?.now_bytes);
    }
    let empty = memory_of(router)?.now_bytes;
    let mut open = Vec::new();
    for n in 0..connections {
        let mut connection = Connection::open(cluster.resp)?;
        ping(&mut connection).with_context(|| format!("connection {n}"))?;
        open.push(connection);
    }
    sleep(SETTLES);
    let full = memory_of(router)?.now_bytes;
    for (n, connection) in open.iter_mut().enumerate() {
        ping(connection).with_context(|| format!("connection {n}, after idling"))?;
    }
    let each = full.saturating_sub(empty) / connections as u64;
    let connections = format!("a connection of a router, of {connections} idle ones");
    Ok(vec![
        Cost::bytes("a server without data", largest, 32 << 20),
        Cost::bytes("a router", empty, 24 << 20),
        Cost::bytes(&connections, each, 64 << 10),
    ])
}

/// One server with much more data than cache, and its start with that.
fn data(program: &Path, directory: &Path, keys: u64) -> anyhow::Result<Vec<Cost>> {
    let began = Instant::now();
    let cluster = LocalCluster::start(program, directory, "data", 1, &EVERYSEC)?;
    write_all(&Route::One(cluster.resp), keys, VALUE_BYTES)?;
    println!("{keys} keys written in {:.1} s", began.elapsed().as_secs_f64());
    sleep(SETTLES);
    let server = only(&children_of(cluster.process.id(), "node"))?;
    let written = memory_of(server)?;
    let killed = Instant::now();
    let pid = i32::try_from(server).ok().and_then(Pid::from_raw).context("no process id")?;
    kill_process(pid, Signal::KILL).context("cannot kill the server")?;
    until_right(cluster.resp, keys)?;
    let after_kill = killed.elapsed();
    read_some(cluster.resp, keys)?;
    let read = memory_of(only(&children_of(cluster.process.id(), "node"))?)?;
    drop(cluster);
    let began = Instant::now();
    let cluster = LocalCluster::start(program, directory, "data", 1, &EVERYSEC)?;
    until_right(cluster.resp, keys)?;
    let in_order = began.elapsed();
    let bytes = keys * (key(0).len() as u64 + u64::from(VALUE_BYTES));
    let of = format!("{keys} keys ({} MiB)", bytes >> 20);
    Ok(vec![
        Cost::bytes(&format!("a server at most, while {of} are written"), written.most_bytes, 0),
        Cost::bytes("the same, started anew, after reads all over them", read.most_bytes, 0),
        Cost::seconds(&format!("a killed server with {of}, to its next answer"), after_kill, 10.0),
        Cost::seconds(&format!("start of a cluster with {of}, to its answer"), in_order, 10.0),
    ])
}

/// Reads every tenth key, and so about every block on disk, as keys lie by their hashes.
fn read_some(port: u16, keys: u64) -> anyhow::Result<()> {
    let mut connection = Connection::open(port)?;
    let numbers: Vec<u64> = (0..keys).step_by(10).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let mut commands = Vec::new();
        numbers.iter().for_each(|n| put_command(&mut commands, &[b"GET", key(*n).as_bytes()]));
        connection.send(&commands)?;
        for n in numbers {
            let reply = connection.reply()?;
            let is_right = reply == Reply::Bulk(Some(value(*n, VALUE_BYTES)));
            ensure!(is_right, "key {n} is {reply:?}");
        }
    }
    Ok(())
}

/// Asks until the last key has its value.
fn until_right(port: u16, keys: u64) -> anyhow::Result<()> {
    let (last, began) = (keys - 1, Instant::now());
    let expected = Reply::Bulk(Some(value(last, VALUE_BYTES)));
    loop {
        let asked = Connection::open(port)
            .and_then(|mut connection| connection.ask(&[b"GET", key(last).as_bytes()]));
        match asked {
            Ok(reply) if reply == expected => return Ok(()),
            Ok(Reply::Error(_)) | Err(_) if began.elapsed() < BACK_WITHIN => sleep(BETWEEN_LOOKS),
            other => bail!("the last key is {other:?}"),
        }
    }
}

fn ping(connection: &mut Connection) -> anyhow::Result<()> {
    let reply = connection.ask(&[b"PING"])?;
    ensure!(reply == Reply::Simple("PONG".to_owned()), "PING was answered {reply:?}");
    Ok(())
}

fn only(pids: &[u32]) -> anyhow::Result<u32> {
    match pids {
        [pid] => Ok(*pid),
        other => bail!("one process was to be there, not {}", other.len()),
    }
}

fn memory_of(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    memory(&fs::read_to_string(&path).with_context(|| path.clone())?).context(path)
}
