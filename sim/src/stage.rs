//! Shell. What the hosts of a simulated world have in common, and what outlives their crashes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use handoff::ClusterId;
use kvnode::simulated::Probe;
use kvnode::store::MemoryEngine;
use node_api::ServerAddresses;
use rebalance::Coordinator;
use ring::{ArcSet, RingDocument};
use tokio::sync::watch;

use crate::history::History;
use crate::plan::Plan;
use crate::trace::Trace;

/// The one cluster of a world.
pub(crate) const CLUSTER: ClusterId = ClusterId(0x51_u128);
/// The files of a data directory that survive a crash.
const FILES: [&str; 3] = ["decisions.a", "decisions.b", "clock"];

/// The disk of a server.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) dir: PathBuf,
    pub(crate) engine: Arc<MemoryEngine>,
}

/// What the clients are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Write and read.
    Go,
    /// Read everything a last time.
    ReadAll,
}

/// What a coordinator asks for of the processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Start(BTreeSet<String>),
    Remove(String),
}

/// See the module.
pub(crate) struct Stage {
    pub(crate) plan: Plan,
    pub(crate) trace: Trace,
    pub(crate) history: RefCell<History>,
    /// The servers that there shall be.
    pub(crate) wish: watch::Sender<Vec<String>>,
    /// The servers that there are.
    pub(crate) directory: watch::Sender<BTreeMap<String, ServerAddresses>>,
    /// The committed ring document, and how often it was replaced.
    pub(crate) document: watch::Sender<(u64, Option<RingDocument>)>,
    pub(crate) requests: RefCell<Vec<Request>>,
    pub(crate) disks: RefCell<BTreeMap<String, Disk>>,
    pub(crate) probes: RefCell<BTreeMap<String, Probe>>,
    pub(crate) serving: RefCell<BTreeMap<String, ArcSet>>,
    /// The coordinator that works, and which one it is.
    pub(crate) coordinator: RefCell<Option<Coordinator>>,
    pub(crate) leader: Cell<usize>,
    pub(crate) work: Cell<Work>,
    /// Clients of which nothing is under way any more.
    pub(crate) n_at_rest: Cell<usize>,
    /// Clients that have read everything.
    pub(crate) n_finished: Cell<usize>,
    pub(crate) addresses: RefCell<BTreeMap<String, IpAddr>>,
    root: PathBuf,
    n_lives: Cell<u64>,
}

impl Stage {
    pub(crate) fn new(plan: Plan, trace: Trace, root: &Path) -> Rc<Self> {
        let initial = (0..plan.servers).map(|number| format!("kv-{number}")).collect();
        Rc::new(Self {
            plan,
            trace,
            history: RefCell::default(),
            wish: watch::Sender::new(initial),
            directory: watch::Sender::new(BTreeMap::new()),
            document: watch::Sender::new((0, None)),
            requests: RefCell::default(),
            disks: RefCell::default(),
            probes: RefCell::default(),
            serving: RefCell::default(),
            coordinator: RefCell::default(),
            leader: Cell::new(0),
            work: Cell::new(Work::Go),
            n_at_rest: Cell::new(0),
            n_finished: Cell::new(0),
            addresses: RefCell::default(),
            root: root.to_owned(),
            n_lives: Cell::new(0),
        })
    }

    /// Adds a line to the trace, from within a host.
    pub(crate) fn say(&self, line: &str) {
        let now = turmoil::sim_elapsed().unwrap_or_default();
        self.trace.add(now.as_millis(), line);
    }

    /// The address of a host.
    pub(crate) fn address(&self, host: &str) -> Option<IpAddr> {
        self.addresses.borrow().get(host).copied()
    }

    /// Gives a server an empty disk.
    pub(crate) fn new_disk(&self, name: &str) -> anyhow::Result<()> {
        let disk = Disk { dir: self.new_dir(name)?, engine: Arc::new(MemoryEngine::new()) };
        self.disks.borrow_mut().insert(name.to_owned(), disk);
        Ok(())
    }

    /// What a server finds after a crash at this instant, with so many of the commits that were
    /// not synced; what the process does while it is torn down does not count.
    pub(crate) fn disk_after_crash(
        &self,
        name: &str,
        kept_of: impl FnOnce(usize) -> usize,
    ) -> anyhow::Result<Option<Disk>> {
        let Some(disk) = self.disks.borrow().get(name).cloned() else { return Ok(None) };
        let dir = self.new_dir(name)?;
        for file in FILES {
            if disk.dir.join(file).exists() {
                std::fs::copy(disk.dir.join(file), dir.join(file))?;
            }
        }
        let engine = disk.engine.after_crash(kept_of(disk.engine.n_unsynced()));
        Ok(Some(Disk { dir, engine: Arc::new(engine) }))
    }

    fn new_dir(&self, name: &str) -> anyhow::Result<PathBuf> {
        self.n_lives.set(self.n_lives.get() + 1);
        let dir = self.root.join(format!("{name}.{}", self.n_lives.get()));
        std::fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(dir)
    }
}
