//! Shell. What is compared, as it is started: ringkv, redis-servers, and nutcracker.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::cell::Durability;
use super::connection;
use super::options::Pin;
use crate::local_cluster::{Api, LocalCluster};
use crate::processes::{Process, children_of, free_ports, pin};

/// How long a side may take from its start to its first answer.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(60);
/// The first arguments of its children.
const NODE: &str = "node";
const ROUTER: &str = "router";

/// One side.
pub(crate) struct Side {
    /// As in the table.
    pub(crate) name: &'static str,
    /// Where redis-benchmark connects.
    pub(crate) port: u16,
    /// Processes in front of the servers.
    pub(crate) front: Vec<u32>,
    /// The servers, with who watches over them.
    pub(crate) servers: Vec<u32>,
    /// Those that end with this side.
    processes: Vec<Process>,
}

impl Side {
    /// Processes that others own.
    pub(crate) fn of(name: &'static str, port: u16, front: Vec<u32>, servers: Vec<u32>) -> Self {
        Self { name, port, front, servers, processes: Vec::new() }
    }

    /// The same, owning these.
    pub(crate) fn owning(mut self, processes: Vec<Process>) -> Self {
        self.processes.extend(processes);
        self
    }

    /// Every process, and servers that have joined since the start.
    pub(crate) fn all(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.front.iter().chain(&self.servers).copied().collect();
        for owned in &self.processes {
            let children = children_of(owned.id(), NODE);
            all.extend(children.iter().filter(|pid| !self.servers.contains(pid)));
        }
        all
    }

    /// Pins what is in front and the servers to their processors.
    pub(crate) fn pin(&self, to: Option<&Pin>) -> anyhow::Result<()> {
        let Some(to) = to else { return Ok(()) };
        pin(&self.front, &to.proxy)?;
        pin(&self.servers, &to.servers)
    }
}

/// A whole cluster of ringkv, with its commands.
pub(crate) fn ringkv(
    program: &Path,
    parent: &Path,
    nodes: usize,
    durability: Durability,
) -> anyhow::Result<(Side, Api)> {
    let more = ["--durability", durability.name()];
    let LocalCluster { resp, api, process } =
        LocalCluster::start(program, parent, "ringkv", nodes, &more)?;
    let front = children_of(process.id(), ROUTER);
    let mut servers = children_of(process.id(), NODE);
    anyhow::ensure!(
        front.len() == 1 && servers.len() == nodes,
        "ringkv local runs other processes"
    );
    servers.push(process.id());
    Ok((Side::of("ringkv", resp, front, servers).owning(vec![process]), api))
}

/// A redis-server, with its port.
pub(crate) fn redis(
    name: &str,
    parent: &Path,
    durability: Durability,
    more: &[&str],
) -> anyhow::Result<(Process, u16)> {
    let port = *free_ports(1)?.first().context("a port was asked for")?;
    let mut words: Vec<String> =
        ["--bind", "127.0.0.1", "--save", "", "--port"].map(str::to_owned).to_vec();
    words.push(port.to_string());
    let keeps = if durability == Durability::Memory { "no" } else { "yes" };
    words.extend(["--appendonly".to_owned(), keeps.to_owned()]);
    if durability != Durability::Memory {
        words.extend(["--appendfsync".to_owned(), durability.name().to_owned()]);
    }
    words.extend(more.iter().map(|word| (*word).to_owned()));
    let mut server = Process::start(name, parent, Path::new("redis-server"), &words)?;
    server.wait_until("answer to PING", READY_WITHIN, |_| connection::answers(port))?;
    Ok((server, port))
}

/// nutcracker before those servers, with its port. It knows them by name, so that who has which key
/// does not depend on ports.
pub(crate) fn nutcracker(parent: &Path, servers: &[u16]) -> anyhow::Result<(Process, u16)> {
    let ports = free_ports(2)?;
    let [port, stats] = ports.as_slice() else { anyhow::bail!("two ports were asked for") };
    let mut config = format!(
        "ringkv:\n  listen: 127.0.0.1:{port}\n  hash: md5\n  distribution: ketama\n  \
         redis: true\n  preconnect: true\n  auto_eject_hosts: false\n  timeout: 20000\n  \
         backlog: 1024\n  server_connections: 1\n  servers:\n"
    );
    for (index, server) in servers.iter().enumerate() {
        config.push_str(&format!("   - 127.0.0.1:{server}:1 kv-{index}\n"));
    }
    let path = parent.join("nutcracker.yml");
    fs::write(&path, config).with_context(|| path.display().to_string())?;
    let path = path.display().to_string();
    let stats = stats.to_string();
    let words = ["-c", &path, "-a", "127.0.0.1", "-s", &stats, "-o", "nutcracker.log", "-p", "pid"];
    let words = words.map(str::to_owned);
    let mut proxy = Process::start("nutcracker", parent, Path::new("nutcracker"), &words)?;
    proxy.wait_until("answer to PING", READY_WITHIN, |_| connection::answers(*port))?;
    Ok((proxy, *port))
}
