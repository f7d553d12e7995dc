//! Shell. What is in front of the servers alone: ringkv's router and nutcracker before the very
//! same redis-servers, and one of these servers with nothing before it.
//!
//! Servers of ringkv refuse keys that their ring gives to others, so nutcracker, whose ring is
//! another one, cannot stand before several of them. A redis-server refuses nothing, and the router
//! takes it for a server of its own if it answers like one. Each redis-server here has two commands
//! that nothing else uses under other names: MSET answers the router's greeting, `RINGKV.HELLO`
//! with four arguments, by a status; GETEX answers its question what the server owns,
//! `RINGKV.WATCH 0`, by what is written under the key 0. That key goes away when the router knows
//! its ring, so that it does not ask over and over: it keeps to what it was told last, and tries
//! again once a second. Which servers there are it learns from a coordinator of this task, see
//! [`super::coordinator`]. Each of the two in front keeps to a ring of its own and finds what it
//! has written; the servers do the same work for both, in memory.
//!
//! All of the client, what is in front and the servers share the processors of the machine. With
//! five servers a front saves what a client that talks to five would need, which a client of one
//! does not: for the ratio to direct, `--servers 1` compares the same work.

use std::path::Path;

use super::Findings;
use super::cell::{Durability, cells};
use super::connection::{Connection, hit_share};
use super::coordinator::Coordinator;
use super::membership::{FIRST, GREETING, QUESTION, owned};
use super::options::Options;
use super::path::measure_all;
use super::sides::{READY_WITHIN, Side, nutcracker, redis};
use crate::processes::{Process, free_ports};

/// The names of the sides.
pub(crate) const NAMES: [&str; 3] = ["ringkv", "nutcracker", "direct"];
/// How a redis-server answers what a router says to its servers.
const RENAMED: [&str; 6] =
    ["--rename-command", "MSET", GREETING, "--rename-command", "GETEX", QUESTION];

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
        let (server, port) = redis(&name, directory, Durability::Memory, &RENAMED)?;
        processes.push(server);
        ports.push(port);
    }
    let servers: Vec<u32> = processes.iter().map(Process::id).collect();
    let coordinator = Coordinator::start(&ports)?;
    for (server, port) in (0..).zip(&ports) {
        let owned = owned(server, options.servers).to_string();
        Connection::open(*port)?.ask(&[b"SET", FIRST.as_bytes(), owned.as_bytes()])?;
    }
    let (router, port) = ringkv_router(program, directory, &coordinator, options)?;
    for port in &ports {
        Connection::open(*port)?.ask(&[b"DEL", FIRST.as_bytes()])?;
    }
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
        hit_share(*resp, options.keys).is_ok()
    })?;
    Ok((router, *resp))
}
