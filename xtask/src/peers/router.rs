//! Shell. What is in front of the servers alone: ringkv's router and nutcracker before the very
//! same redis-servers, and one of these servers with nothing before it.
//!
//! Servers of ringkv refuse keys that their ring gives to others, so nutcracker, whose ring is
//! another one, cannot stand before several of them. A redis-server refuses nothing, and the router
//! takes it for a server of its own if two things are so. Its greeting, `RINGKV.HELLO` with four
//! arguments, has to be answered by a status: each redis-server has its MSET under that name, which
//! nothing else here uses. And somebody has to tell the router who shares the ring: a coordinator
//! of this task, see [`super::coordinator`]. Each of the two in front keeps to its own ring, so each
//! finds what it has written, and the servers do the same work for both, in memory only.
//!
//! All of the client, what is in front and the servers share the processors of the machine. With
//! five servers a front saves what a client that talks to five would need, which a client of one
//! does not: for the ratio to direct, `--servers 1` compares the same work.

use std::path::Path;

use super::Findings;
use super::cell::{Durability, cells};
use super::coordinator::Coordinator;
use super::options::Options;
use super::path::measure_all;
use super::processes::{Process, free_ports};
use super::sides::{READY_WITHIN, Side, nutcracker, redis};
use super::{connection, membership};

/// The names of the sides.
pub(crate) const NAMES: [&str; 3] = ["ringkv", "nutcracker", "direct"];
/// The command by which a redis-server answers the router's greeting.
const GREETED: [&str; 3] = ["--rename-command", "MSET", membership::GREETING];

/// Measures every cell.
pub(crate) fn run(
    program: &Path,
    directory: &Path,
    options: &Options,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let (mut processes, mut ports) = (Vec::new(), Vec::new());
    for index in 0..options.servers {
        let name = format!("redis-{index}");
        let (server, port) = redis(&name, directory, Durability::Memory, &GREETED)?;
        processes.push(server);
        ports.push(port);
    }
    let servers: Vec<u32> = processes.iter().map(Process::id).collect();
    let coordinator = Coordinator::start(&ports)?;
    let (router, port) = ringkv_router(program, directory, &coordinator, options)?;
    let ours = Side::of("ringkv", port, vec![router.id()], servers.clone());
    let (proxy, port) = nutcracker(directory, &ports)?;
    let peer = Side::of("nutcracker", port, vec![proxy.id()], servers.clone());
    let first = ports.first().copied().unwrap_or_default();
    let direct = Side::of("direct", first, Vec::new(), servers);
    let sides = [ours.owning(vec![router]), peer.owning(vec![proxy]), direct.owning(processes)];
    let mut chosen = options.cells.clone();
    if chosen.is_empty() {
        chosen = cells(options.quick);
    }
    chosen.sort_by_key(|cell| cell.value_bytes);
    measure_all(&sides, Durability::Memory, &chosen, options, directory, findings)
}

fn ringkv_router(
    program: &Path,
    directory: &Path,
    coordinator: &Coordinator,
    options: &Options,
) -> anyhow::Result<(Process, u16)> {
    let ports = free_ports(2)?;
    let [resp, http] = ports.as_slice() else { anyhow::bail!("two ports were asked for") };
    let mut words = vec!["router".to_owned()];
    words.extend(["--resp".to_owned(), format!("127.0.0.1:{resp}")]);
    words.extend(["--http".to_owned(), format!("127.0.0.1:{http}")]);
    words.extend(["--coordinator".to_owned(), format!("http://127.0.0.1:{}", coordinator.port())]);
    if let Some(threads) = options.router_threads {
        words.extend(["--threads".to_owned(), threads.to_string()]);
    }
    let mut router = Process::start("router", directory, program, &words)?;
    router.wait_until("answer through it", READY_WITHIN, |_| {
        connection::hit_share(*resp, options.keys).is_ok()
    })?;
    Ok((router, *resp))
}
