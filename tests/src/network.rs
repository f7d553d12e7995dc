//! Shell. The network between the processes of a cluster: a proxy of our own through which they
//! reach each other, and which delays, holds, breaks or forgets what they send.
//!
//! `ringkv local --reached-at IP` listens on 127.0.0.1 and tells everybody that its ports are at
//! IP; the proxy takes the same ports there. Who connects is looked up, so that a rule can be for
//! one link alone.

mod connection;
mod lookup;
mod rules;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::process;
use connection::Ends;
use lookup::Lookup;
pub use rules::{Effect, Party, Rule, Rules, Whom};

/// Where the processes of a cluster believe each other to be.
pub const REACHED_AT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How often it is looked whether there are new ports.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running proxy.
pub struct Network {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

struct Shared {
    /// The file in which the ports of the servers stand.
    cluster_file: PathBuf,
    supervisor: AtomicU32,
    rules: watch::Sender<Rules>,
    stop: AtomicBool,
    connections: AtomicU64,
    unknown: AtomicU64,
}

impl Network {
    /// Starts the proxy for a cluster whose data lies there.
    ///
    /// # Errors
    /// No thread.
    pub fn start(data: &Path) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            cluster_file: data.join("cluster.json"),
            supervisor: AtomicU32::new(0),
            rules: watch::Sender::new(Rules::default()),
            stop: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        });
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || crate::scenario(run(shared))
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Tells it which process is the supervisor now.
    pub fn set_supervisor(&self, id: u32) {
        self.shared.supervisor.store(id, Ordering::Relaxed);
    }

    /// From now on these rules hold, and no others.
    pub fn set_rules(&self, rules: Rules) {
        self.shared.rules.send_replace(rules);
    }

    /// How many connections there were, and of how many nobody knows who made them.
    #[must_use]
    pub fn connections(&self) -> (u64, u64) {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (of(&self.shared.connections), of(&self.shared.unknown))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the proxy failed: {error:#}");
        }
    }
}

async fn run(shared: Arc<Shared>) -> anyhow::Result<()> {
    let mut known = Known::default();
    let lookup = Rc::new(RefCell::new(Lookup::new()?));
    let mut listeners: BTreeMap<(u16, Party), tokio::task::JoinHandle<()>> = BTreeMap::new();
    while !shared.stop.load(Ordering::Relaxed) {
        known.refresh(&shared);
        let ports = known.ports();
        listeners.retain(|port, listener| {
            let stays = ports.contains(port);
            if !stays {
                listener.abort();
            }
            stays
        });
        for port in &ports {
            if listeners.contains_key(port) {
                continue;
            }
            // Where the port is still in use by the one before, the next look takes it.
            if let Ok(listener) = TcpListener::bind((REACHED_AT, port.0)).await {
                let task = accept(listener, port.clone(), Arc::clone(&shared), Rc::clone(&lookup));
                listeners.insert(port.clone(), tokio::task::spawn_local(task));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn accept(
    listener: TcpListener,
    (port, to): (u16, Party),
    shared: Arc<Shared>,
    lookup: Rc<RefCell<Lookup>>,
) {
    let address = format!("{}:{port}", Ipv4Addr::LOCALHOST);
    let own = SocketAddrV4::new(REACHED_AT, port);
    loop {
        let Ok((client, SocketAddr::V4(peer))) = listener.accept().await else {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let supervisor = shared.supervisor.load(Ordering::Relaxed);
        let from = lookup.borrow_mut().who(supervisor, peer, own);
        if from.is_none() {
            shared.unknown.fetch_add(1, Ordering::Relaxed);
        }
        let (to, rules, address) = (to.clone(), shared.rules.subscribe(), address.clone());
        tokio::task::spawn_local(async move {
            match from {
                Some(from) => connection::pass(client, &address, &Ends { from, to }, rules).await,
                None => pass_plainly(client, &address).await,
            }
        });
    }
}

/// For those who are no part of the cluster, such as a test that looks at a disk.
async fn pass_plainly(mut client: TcpStream, address: &str) {
    if let Ok(mut server) = TcpStream::connect(address).await {
        // Its end, however it comes, is the end of both sides.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}

/// The part of cluster.json that is needed here.
#[derive(Deserialize)]
struct ClusterFile {
    servers: Vec<ServerEntry>,
}

#[derive(Deserialize)]
struct ServerEntry {
    name: String,
    ports: Ports,
}

#[derive(Deserialize)]
struct Ports {
    resp: u16,
    http: u16,
    peer: u16,
}

/// The ports that there are, and of when that is.
#[derive(Default)]
struct Known {
    supervisor: u32,
    coordinator: Option<u16>,
    written: Vec<u8>,
    servers: Vec<(u16, Party)>,
}

impl Known {
    /// Looks what has changed.
    fn refresh(&mut self, shared: &Shared) {
        let supervisor = shared.supervisor.load(Ordering::Relaxed);
        if supervisor != self.supervisor {
            self.coordinator = None;
            self.supervisor = supervisor;
        }
        if self.coordinator.is_none() && supervisor != 0 {
            self.coordinator = process::listening_port(supervisor);
        }
        // Not by the time of the last change: two changes may have the same.
        let written = fs::read(&shared.cluster_file).unwrap_or_default();
        if written != self.written {
            let file = serde_json::from_slice::<ClusterFile>(&written);
            self.servers = file.map(|file| file.ports()).unwrap_or_default();
            self.written = written;
        }
    }

    /// Every port to be taken, with whom it leads to.
    fn ports(&self) -> Vec<(u16, Party)> {
        let coordinator = self.coordinator.map(|port| (port, Party::Coordinator));
        coordinator.into_iter().chain(self.servers.iter().cloned()).collect()
    }
}

impl ClusterFile {
    fn ports(&self) -> Vec<(u16, Party)> {
        let of = |entry: &ServerEntry| {
            let Ports { resp, http, peer } = entry.ports;
            [resp, http, peer].map(|port| (port, Party::Server(entry.name.clone())))
        };
        let all = self.servers.iter().flat_map(of);
        // 0 stands for a port that is not chosen yet.
        all.filter(|(port, _)| *port != 0).collect()
    }
}

#[cfg(test)]
mod tests;
