//! Shell. The servers of a local cluster: their processes, ports, directories, and what is kept
//! about them in cluster.json.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use node_api::ServerAddresses;
use shell::rng::OsRng;
use tokio::sync::watch;

use super::cluster_file::{ClusterFile, Ports};
use super::data_dir::DataDir;
use super::keeper::Keeper;
use super::ports;
use crate::bars::Console;
use crate::failure::Failure;

/// How long a server may take to end before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// Where servers are reached, by name.
type Addresses = BTreeMap<String, ServerAddresses>;

/// How the processes of a cluster find each other.
#[derive(Clone, Debug)]
pub(super) struct Meeting {
    /// The address of the servers' ports for everybody else.
    pub(super) reached_at: IpAddr,
    /// Where the coordinator answers.
    pub(super) coordinator_url: String,
}

/// All servers that have a process.
pub(super) struct Fleet {
    data: DataDir,
    console: Console,
    meeting: Meeting,
    addresses: watch::Sender<Addresses>,
    state: Mutex<State>,
}

struct State {
    cluster: ClusterFile,
    keepers: BTreeMap<String, Keeper>,
}

impl Fleet {
    /// No process is started yet.
    pub(super) fn new(
        data: DataDir,
        cluster: ClusterFile,
        console: Console,
        meeting: Meeting,
    ) -> Self {
        let state = Mutex::new(State { cluster, keepers: BTreeMap::new() });
        let addresses = watch::Sender::new(Addresses::new());
        Self { data, console, meeting, addresses, state }
    }

    /// Where the servers are reached, with each change.
    pub(super) fn watch_addresses(&self) -> watch::Receiver<Addresses> {
        self.addresses.subscribe()
    }

    /// What is kept in cluster.json.
    pub(super) fn cluster(&self) -> ClusterFile {
        self.state().cluster.clone()
    }

    pub(super) fn data(&self) -> &DataDir {
        &self.data
    }

    /// Starts every server that cluster.json names, and finishes the removal of those that were
    /// being removed.
    pub(super) fn start_known(self: &Arc<Self>) -> anyhow::Result<()> {
        let cluster = self.cluster();
        for entry in cluster.servers.iter().filter(|entry| entry.removing) {
            self.data.delete_server(&entry.name)?;
            self.forget(&entry.name)?;
        }
        let known = cluster.servers.iter().filter(|entry| !entry.removing);
        self.start(known.map(|entry| &entry.name).chain(&cluster.wanted))
    }

    /// Starts those of the servers that have no process yet.
    pub(super) fn start<'a>(
        self: &Arc<Self>,
        names: impl IntoIterator<Item = &'a String>,
    ) -> anyhow::Result<()> {
        for name in names {
            let mut state = self.state();
            if state.keepers.contains_key(name) {
                continue;
            }
            let (fleet, server) = (Arc::clone(self), name.clone());
            let arguments = Box::new(move || fleet.prepare_start(&server));
            let log = self.data.log(name);
            let keeper = Keeper::start(name, &log, arguments, self.console.clone())?;
            state.keepers.insert(name.clone(), keeper);
        }
        Ok(())
    }

    /// Keeps durably which servers are wanted in the ring.
    pub(super) fn store_wanted(&self, wanted: Vec<String>) -> anyhow::Result<()> {
        let mut state = self.state();
        state.cluster.wanted = wanted;
        self.data.store(&state.cluster)
    }

    /// Stops a server that has retired, and deletes all that it had. A crash in between is taken
    /// up again by [`Fleet::start_known`].
    pub(super) async fn remove(&self, name: &str) -> anyhow::Result<()> {
        let keeper = {
            let mut state = self.state();
            state.cluster.server_mut(name).removing = true;
            self.data.store(&state.cluster)?;
            state.keepers.remove(name)
        };
        if let Some(keeper) = keeper {
            keeper.stop(STOP_GRACE).await;
        }
        self.data.delete_server(name)?;
        self.forget(name)
    }

    /// Stops all servers at the same time.
    pub(super) async fn stop(&self) {
        let keepers = std::mem::take(&mut self.state().keepers);
        let stops: Vec<_> =
            keepers.into_values().map(|keeper| tokio::spawn(keeper.stop(STOP_GRACE))).collect();
        for stop in stops {
            let _ = stop.await;
        }
    }

    fn forget(&self, name: &str) -> anyhow::Result<()> {
        let mut state = self.state();
        state.cluster.servers.retain(|entry| entry.name != name);
        self.data.store(&state.cluster)?;
        self.addresses.send_modify(|addresses| {
            addresses.remove(name);
        });
        Ok(())
    }

    /// Settles the ports of a server that is about to start, tells everybody, and makes its
    /// command line.
    fn prepare_start(&self, name: &str) -> anyhow::Result<Vec<OsString>> {
        let mut state = self.state();
        let taken = state.cluster.ports_beside(name);
        let entry = state.cluster.server_mut(name);
        let stored = entry.ports;
        let chosen = ports::choose(stored, &taken, &OsRng).map_err(Failure::into_error)?;
        if chosen != stored {
            entry.ports = chosen;
            self.data.store(&state.cluster)?;
        }
        self.addresses.send_if_modified(|addresses| {
            let new = addresses_of(self.meeting.reached_at, chosen);
            addresses.insert(name.to_owned(), new.clone()) != Some(new)
        });
        Ok(self.arguments(&state.cluster, name, chosen))
    }

    fn arguments(&self, cluster: &ClusterFile, name: &str, ports: Ports) -> Vec<OsString> {
        let addresses = addresses_of(Ipv4Addr::LOCALHOST.into(), ports);
        let mut arguments: Vec<OsString> = vec!["node".into()];
        let mut push = |option: &str, value: OsString| arguments.extend([option.into(), value]);
        push("--name", name.into());
        push("--cluster", cluster.cluster.to_string().into());
        push("--data", self.data.server(name).into());
        push("--resp", addresses.resp.into());
        push("--http", addresses.http.into());
        push("--peer", addresses.peer.into());
        push("--coordinator", self.meeting.coordinator_url.clone().into());
        push("--durability", cluster.durability.as_str().into());
        arguments.push("--exit-with-stdin".into());
        arguments
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn addresses_of(ip: IpAddr, ports: Ports) -> ServerAddresses {
    let address = |port| SocketAddr::new(ip, port).to_string();
    ServerAddresses {
        resp: address(ports.resp),
        http: address(ports.http),
        peer: address(ports.peer),
    }
}
