//! Shell. Two servers that share a ring, with the test as their coordinator.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use handoff::{HandoffId, Terms};
use node_api::{Change, NodeState, Peers};
use ring::{Arc, ArcSet, Point};

use super::coordinator::{Coordinator, TERM};
use super::disk::Disk;
use super::{decisions, facts};
use crate::random::Random;
use crate::server::{Server, Settings};
use crate::{inventory, wait};

/// How long handoffs may take to end once nothing stands against them.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How many arcs a handoff has at most.
const ARCS_MAX: u32 = 6;

/// A server and the disk that is its own, if it has one.
pub struct Machine {
    /// The server.
    pub server: Server,
    /// A file system that can lose its power.
    pub disk: Option<Disk>,
    /// What it last said before it crashed.
    seen: Option<NodeState>,
}

/// See the module.
pub struct Pair {
    /// Both servers.
    pub machines: [Machine; 2],
    coordinator: Coordinator,
    bytes_per_second: Option<u64>,
    n_handoffs: u128,
}

/// What was found in a server's files right after its death.
#[derive(Clone, Debug)]
pub struct Autopsy {
    /// The number of its newest whole decisions.
    pub stamp: u64,
    /// Which sides of handoffs it was.
    pub sides: Vec<String>,
}

impl Pair {
    /// Starts both servers on new directories and makes a ring of them.
    ///
    /// # Errors
    /// They do not come up.
    pub async fn start(
        directory: &Path,
        durability: &'static str,
        disks: Option<[Disk; 2]>,
    ) -> anyhow::Result<Self> {
        let coordinator = Coordinator::start().await?;
        let mut disks = disks.map(<[Disk; 2]>::into_iter);
        let mut machine = |number: u32| {
            let disk = disks.as_mut().and_then(Iterator::next);
            let own = directory.join(format!("kv-{number}"));
            let data = disk.as_ref().map_or(own, |disk| disk.path().join("data"));
            let settings = Settings {
                name: format!("kv-{number}"),
                data,
                log: directory.join(format!("kv-{number}.log")),
                coordinator: coordinator.address().to_owned(),
                durability,
                wrapper: Vec::new(),
            };
            anyhow::Ok(Machine { server: Server::prepare(settings)?, disk, seen: None })
        };
        let machines = [machine(0)?, machine(1)?];
        let mut pair = Self { machines, coordinator, bytes_per_second: None, n_handoffs: 0 };
        pair.bootstrap().await?;
        Ok(pair)
    }

    async fn bootstrap(&mut self) -> anyhow::Result<()> {
        let [one, two] = &mut self.machines;
        one.server.start()?;
        two.server.start()?;
        self.coordinator.bootstrap(&mut [&mut one.server, &mut two.server]).await?;
        self.tell_peers().await
    }

    /// One of the two.
    ///
    /// # Errors
    /// There are only two.
    pub fn machine(&mut self, index: usize) -> anyhow::Result<&mut Machine> {
        self.machines.get_mut(index).context("no such server")
    }

    /// Commits the next epoch of the ring: a decision of every server.
    ///
    /// # Errors
    /// A server does not take it.
    pub async fn next_ring(&mut self) -> anyhow::Result<()> {
        let [one, two] = &self.machines;
        self.coordinator.next_ring(&[&one.server, &two.server]).await
    }

    /// Tells each server where the other one is, and how fast to move data.
    ///
    /// # Errors
    /// A server does not take it.
    pub async fn tell_peers(&self) -> anyhow::Result<()> {
        let [one, two] = &self.machines;
        let at = |server: &Server| (server.name().to_owned(), server.peer());
        let addresses = BTreeMap::from([at(&one.server), at(&two.server)]);
        let peers = Peers { addresses, max_bytes_per_second: self.bytes_per_second };
        for machine in &self.machines {
            machine.server.change(TERM, Change::Peers(peers.clone())).await?;
        }
        Ok(())
    }

    /// Where clients connect.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.machines.iter().map(|machine| machine.server.resp()).collect()
    }

    /// What both say of themselves.
    ///
    /// # Errors
    /// One of them does not answer.
    pub async fn states(&self) -> anyhow::Result<[NodeState; 2]> {
        let [one, two] = &self.machines;
        Ok([one.server.state().await?, two.server.state().await?])
    }

    /// Begins a handoff of some arcs of one server to the other, at most so fast. Nothing where
    /// that one owns nothing.
    ///
    /// # Errors
    /// It is refused.
    pub async fn begin_handoff(
        &mut self,
        source: usize,
        bytes_per_second: Option<u64>,
        random: &mut Random,
    ) -> anyhow::Result<bool> {
        self.bytes_per_second = bytes_per_second;
        self.tell_peers().await?;
        let states = self.states().await?;
        let target = (source + 1) % 2;
        let (from, to) = (&states[source], &states[target]);
        let arcs = some_arcs(&from.owned.arcs(), random);
        if arcs.is_empty() {
            return Ok(false);
        }
        self.n_handoffs += 1;
        let id = HandoffId(u128::from(random.next()) << 64 | self.n_handoffs);
        let epoch = 1 + from.highest_epoch.max(to.highest_epoch);
        let terms =
            |peer: &NodeState| Terms { peer: peer.server.clone(), arcs: arcs.clone(), epoch };
        let receive = Change::Receive { id, terms: terms(from) };
        let give = Change::Give { id, terms: terms(to) };
        self.machine(target)?.server.change(TERM, receive).await?;
        self.machine(source)?.server.change(TERM, give).await?;
        Ok(true)
    }

    /// Takes down what a server says of itself, to be held against what it says after its crash.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn take_down(&mut self, index: usize) -> anyhow::Result<()> {
        let machine = self.machine(index)?;
        let state = machine.server.state().await?;
        if let Some(earlier) = &machine.seen {
            facts::require_remembered(earlier, &state).map_err(|error| anyhow!(error))?;
        }
        machine.seen = Some(state);
        Ok(())
    }

    /// Reads a dead server's decisions.
    ///
    /// # Errors
    /// No whole decisions are left.
    pub fn autopsy(&mut self, index: usize) -> anyhow::Result<Autopsy> {
        let data = self.machine(index)?.server.data().to_owned();
        let files: Vec<Vec<u8>> = decisions::FILES
            .iter()
            .map(|name| fs::read(data.join(name)).unwrap_or_default())
            .collect();
        let (stamp, decisions) = decisions::newest(&files)
            .with_context(|| format!("no whole decisions in {}", data.display()))?;
        Ok(Autopsy { stamp, sides: decisions::open_sides(&decisions) })
    }

    /// Starts these servers again; they serve and remember everything.
    ///
    /// # Errors
    /// They do not, or have forgotten a decision.
    pub async fn restart(&mut self, indices: &[usize]) -> anyhow::Result<()> {
        for index in indices {
            self.machine(*index)?.server.start()?;
        }
        for index in indices {
            let machine = self.machine(*index)?;
            let state = machine.server.wait_serves().await?;
            if let Some(before) = &machine.seen {
                facts::require_remembered(before, &state).map_err(|error| anyhow!(error))?;
            }
        }
        self.tell_peers().await
    }

    /// Requires that no point of the ring is served by both.
    ///
    /// # Errors
    /// Where both serve, twice in a row: a look at both is not a look at one moment.
    pub async fn require_one_owner(&self) -> anyhow::Result<()> {
        let look = async || {
            let [one, two] = self.states().await?;
            anyhow::Ok(facts::require_one_owner(&one, &two))
        };
        if look().await?.is_err() {
            look().await?.map_err(|error| anyhow!(error))?;
        }
        Ok(())
    }

    /// Waits until every handoff has ended and every point has one owner.
    ///
    /// # Errors
    /// It does not come to that.
    pub async fn wait_settled(&mut self) -> anyhow::Result<()> {
        self.bytes_per_second = None;
        self.tell_peers().await?;
        let this = &*self;
        let settled = wait::until_every("it settles", LOOK_EVERY, SETTLED_WITHIN, || async move {
            let [one, two] = this.states().await.map_err(|error| format!("{error:#}"))?;
            facts::require_settled(&one, &two)
        });
        settled.await.with_context(|| self.outputs())
    }

    /// Waits until there are so many keys on both disks together, and nothing besides.
    ///
    /// # Errors
    /// There are others.
    pub async fn wait_keys(&self, n_keys: u64) -> anyhow::Result<()> {
        wait::until_every("all left-overs go", LOOK_EVERY, SETTLED_WITHIN, || async move {
            let mut sum = (0, 0);
            for machine in &self.machines {
                let count = inventory::count(&machine.server.http()).await;
                let count = count.map_err(|error| format!("{error:#}"))?;
                sum = (sum.0 + count.keys, sum.1 + count.records);
            }
            let is_exact = sum == (n_keys, n_keys);
            if is_exact { Ok(()) } else { Err(format!("{sum:?} keys and records of {n_keys}")) }
        })
        .await
    }

    /// What both printed last.
    #[must_use]
    pub fn outputs(&self) -> String {
        let outputs = self
            .machines
            .iter()
            .map(|machine| format!("--- {}:\n{}", machine.server.name(), machine.server.output()));
        outputs.collect::<Vec<_>>().join("\n")
    }

    /// Ends both in order.
    ///
    /// # Errors
    /// They do not end well.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        for machine in &mut self.machines {
            let status = machine.server.stop().await?;
            ensure!(status.success(), "{} ended with {status}", machine.server.name());
        }
        Ok(())
    }
}

/// A few of these arcs, one of them cut in two.
fn some_arcs(owned: &ArcSet, random: &mut Random) -> ArcSet {
    let n_arcs = u32::try_from(owned.len()).unwrap_or(u32::MAX);
    let wanted = 1 + random.below(ARCS_MAX);
    let chosen = owned.iter().filter(|_| random.below(n_arcs) < wanted);
    let mut arcs: Vec<Arc> = chosen.collect();
    if let Some(last) = arcs.pop() {
        let (start, end) = (last.start().0, last.last().0);
        let part = u128::from(random.below(1 << 16)) * ((end - start) >> 16);
        arcs.extend(Arc::new(last.start(), Point(start + part)));
    }
    arcs.into_iter().collect()
}
