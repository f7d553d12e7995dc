//! Shell. Handoffs as they run: a driver for each, on the side of the source or of the target, the
//! listener for sources, and the deletion of what was given away.

mod link;
mod listener;
mod pause;
mod progress;
mod scan;
mod source;
mod target;
mod throttle;
mod trim;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc as Shared;
use std::time::Duration;

use handoff::{ClusterId, Handoff, HandoffId, Server, Side, Terms};
use node_api::{Peers, Secret};
use ring::RingDocument;
use shell::clock::SystemClock;
use shell::drain::DrainToken;
use tokio::sync::{mpsc, watch};

use crate::executor::ControlSender;
use crate::ownership::{Ownership, RingSource};
use crate::store::{HybridClock, Store};
use link::Link;
pub(crate) use throttle::Throttle;
use wire::Hello;

pub(crate) use listener::listen;
pub use pause::HandoffMetrics;
pub(crate) use progress::Progress;
pub(crate) use trim::run as run_trims;
pub(crate) use wire::{ToTarget, check_any as fuzz_frames};

/// The bounds of handoffs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandoffLimits {
    /// Bytes of records that a scan reads at a time.
    pub chunk_bytes: usize,
    /// Bytes that a source has sent and its target has not confirmed.
    pub window_bytes: u64,
    /// Captured bytes that wait; past it writers on the arcs wait.
    pub capture_bytes: usize,
    /// How long arcs may be frozen before the target is asked to decide at once.
    pub pause_limit: Duration,
    /// After how long without a word a peer counts as gone.
    pub silence_limit: Duration,
    /// Records deleted in a second after arcs were given away.
    pub trim_records_per_second: u64,
}

impl HandoffLimits {
    /// Sizes with which some dozens of handoffs run at a time on a small machine.
    pub const USUAL: Self = Self {
        chunk_bytes: 64 << 10,
        window_bytes: 4 << 20,
        capture_bytes: 16 << 20,
        pause_limit: Duration::from_millis(500),
        silence_limit: Duration::from_secs(3),
        trim_records_per_second: 100_000,
    };
}

/// What every driver works with.
pub(crate) struct Context {
    pub(crate) ownership: Ownership,
    pub(crate) cluster: ClusterId,
    pub(crate) server: Server,
    /// What sources show, where one is asked for.
    pub(crate) token: Option<Secret>,
    pub(crate) store: Store,
    pub(crate) clock: HybridClock,
    pub(crate) control: ControlSender,
    pub(crate) peers: watch::Receiver<Peers>,
    pub(crate) throttle: Throttle,
    pub(crate) metrics: Shared<HandoffMetrics>,
    pub(crate) limits: HandoffLimits,
    pub(crate) time: SystemClock,
    pub(crate) drain: DrainToken,
    pub(crate) running: Running,
}

/// How many drivers run.
#[derive(Debug, Default)]
pub(crate) struct Running(watch::Sender<usize>);

impl Running {
    /// Returns when none runs, or after a while; then with how many are left.
    pub(crate) async fn end(&self, wait: Duration) -> usize {
        let mut running = self.0.subscribe();
        let none = running.wait_for(|n_running| *n_running == 0);
        match tokio::time::timeout(wait, none).await {
            Ok(_) => 0,
            Err(_) => *self.0.borrow(),
        }
    }
}

/// One driver that runs, until it is dropped.
struct Counted(Shared<Context>);

impl Counted {
    fn begin(context: &Shared<Context>) -> Self {
        context.running.0.send_modify(|n_running| *n_running += 1);
        Self(Shared::clone(context))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.running.0.send_modify(|n_running| *n_running -= 1);
    }
}

/// What a source driver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceCommand {
    /// Drop the handoff, or make the target decide.
    Cancel,
    /// The target is declared dead.
    PeerDead,
}

/// What a target driver is told.
#[derive(Debug)]
pub(crate) enum TargetCommand {
    /// The source has connected.
    Connected(Box<(Link, Hello)>),
    /// Refuse the handoff.
    Cancel,
    /// The source is declared dead.
    PeerDead,
}

/// The way to a target driver.
pub(crate) type TargetSender = mpsc::UnboundedSender<TargetCommand>;

/// The drivers that run, as the actor knows them.
pub(crate) struct Drivers {
    context: Shared<Context>,
    ring: Shared<dyn RingSource>,
    sources: BTreeMap<HandoffId, mpsc::UnboundedSender<SourceCommand>>,
    targets: BTreeMap<HandoffId, TargetSender>,
}

impl Drivers {
    pub(crate) fn new(context: Shared<Context>, ring: Shared<dyn RingSource>) -> Self {
        Self { context, ring, sources: BTreeMap::new(), targets: BTreeMap::new() }
    }

    /// Starts the source's driver. The capture that a copying source needs is asked for before
    /// this returns, so that it is in force before anything that is published later.
    pub(crate) fn start_source(
        &mut self,
        id: HandoffId,
        handoff: &Handoff,
        progress: Shared<Progress>,
    ) {
        let Side::Source(state) = handoff.side else { return };
        let (sender, commands) = mpsc::unbounded_channel();
        self.sources.insert(id, sender);
        let job = source::Job { id, state, terms: terms(handoff), progress };
        let counted = Counted::begin(&self.context);
        let driver = source::Driver::new(Shared::clone(&self.context), job, commands);
        tokio::spawn(async move {
            driver.run().await;
            drop(counted);
        });
    }

    pub(crate) fn start_target(
        &mut self,
        id: HandoffId,
        handoff: &Handoff,
        progress: Shared<Progress>,
    ) {
        let Side::Target(state) = handoff.side else { return };
        let (sender, commands) = mpsc::unbounded_channel();
        self.targets.insert(id, sender);
        let job = target::Job { id, state, terms: terms(handoff), progress };
        let counted = Counted::begin(&self.context);
        let driver = target::Driver::new(Shared::clone(&self.context), job, commands);
        tokio::spawn(async move {
            driver.run().await;
            drop(counted);
        });
    }

    pub(crate) fn target(&self, id: HandoffId) -> Option<TargetSender> {
        self.targets.get(&id).filter(|driver| !driver.is_closed()).cloned()
    }

    pub(crate) fn tell_source(&self, id: HandoffId, command: SourceCommand) {
        if let Some(driver) = self.sources.get(&id) {
            let _ = driver.send(command);
        }
    }

    pub(crate) fn tell_target(&self, id: HandoffId, command: TargetCommand) {
        if let Some(driver) = self.targets.get(&id) {
            let _ = driver.send(command);
        }
    }

    pub(crate) fn set_rate(&self, bytes_per_second: Option<u64>) {
        self.context.throttle.set_rate(bytes_per_second);
    }

    /// Forgets drivers; they end by themselves.
    pub(crate) fn retain(&mut self, goes_on: impl Fn(HandoffId) -> bool) {
        self.sources.retain(|id, _| goes_on(*id));
        self.targets.retain(|id, _| goes_on(*id));
    }

    /// The committed ring document, if it can be read now.
    pub(crate) async fn read_ring(&self) -> Option<RingDocument> {
        self.ring.read().await.ok()
    }
}

fn terms(handoff: &Handoff) -> Terms {
    Terms { peer: handoff.peer.clone(), arcs: handoff.arcs.clone(), epoch: handoff.epoch }
}

/// Runs blocking work of the store; its failure ends the process, damaged records are an error.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::store::StoreError> + Send + 'static,
) -> Result<T, String> {
    match shell::blocking::run(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.or_fatal().to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
