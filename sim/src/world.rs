//! Shell. One run of a seed: makes the hosts, lets things happen, and looks on.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use node_api::ServerAddresses;
use serde::Serialize;
use shell::simulation;
use turmoil::Sim;

use crate::hosts::{self, HTTP_PORT, PEER_PORT, RESP_PORT};
use crate::judge;
use crate::plan::{CLOCK_OFF_MS, COORDINATORS, Event, Host, Plan, ROUTERS, SERVERS_MAX};
use crate::stage::{Request, Stage, Work};
use crate::trace::Trace;

/// When everything must be at rest after things have stopped going wrong.
const REST_MS: u64 = 120_000;
/// Between two looks at whether everything is at rest.
const LOOK_MS: u64 = 50;
/// How long the last reads may take.
const READ_MS: u64 = 300_000;

/// What one run was like.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) operations: u64,
    pub(crate) errors: u64,
    pub(crate) scales: u64,
    pub(crate) faults: u64,
    /// Until everything was at rest and read, in simulated milliseconds.
    pub(crate) simulated_ms: u64,
    /// How long after the last fault everything was at rest.
    pub(crate) rest_ms: u64,
    pub(crate) ring_epoch: u64,
    /// Two runs of a seed have the same.
    pub(crate) trace: String,
    pub(crate) violation: Option<String>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, is_shown: bool) -> (Report, anyhow::Result<()>) {
    let mut report = Report { seed, ..Report::default() };
    let outcome = attempt(seed, is_shown, &mut report);
    report.violation = outcome.as_ref().err().map(|error| format!("{error:#}"));
    (report, outcome)
}

fn attempt(seed: u64, is_shown: bool, report: &mut Report) -> anyhow::Result<()> {
    let plan = Plan::of(seed);
    simulation::seed(seed);
    simulation::set_slowest_disk(Duration::from_micros(plan.disk_max_us));
    // In memory: what a file system does is not simulated, and its pace does not matter.
    let root = tempfile::Builder::new().prefix("ringkv-sim").tempdir_in("/dev/shm")?;
    let stage = Stage::new(plan, Trace::new(is_shown), root.path());
    let mut world = World::new(Rc::clone(&stage), seed)?;
    let outcome = world.play(report);
    let history = stage.history.borrow();
    report.operations = history.n_operations;
    report.errors = history.n_errors;
    report.simulated_ms = world.now_ms();
    report.trace = format!("{:016x}", stage.trace.hash());
    let document = stage.document.borrow().1.clone();
    report.ring_epoch = document.map_or(0, |document| document.epoch);
    let violations = history.violations();
    if let Some(first) = violations.first() {
        bail!("{first}{}", if violations.len() > 1 { " (and more)" } else { "" });
    }
    outcome
}

struct World<'a> {
    stage: Rc<Stage>,
    sim: Sim<'a>,
    /// Hosts that do not run.
    down: Vec<Host>,
}

impl World<'_> {
    fn new(stage: Rc<Stage>, seed: u64) -> anyhow::Result<Self> {
        let sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(Duration::from_millis(stage.plan.turn_ms))
            .min_message_latency(Duration::ZERO)
            .max_message_latency(Duration::from_millis(stage.plan.latency_max_ms))
            .simulation_duration(Duration::from_secs(3_600))
            .tcp_capacity(1_024)
            .build();
        let mut world = Self { stage, sim, down: Vec::new() };
        world.add_hosts()?;
        Ok(world)
    }

    fn add_hosts(&mut self) -> anyhow::Result<()> {
        let stage = Rc::clone(&self.stage);
        let hosts = all_hosts(stage.plan.clients);
        for host in &hosts {
            let address = self.sim.lookup(host.name());
            stage.addresses.borrow_mut().insert(host.name(), address);
        }
        for number in 0..stage.plan.servers {
            let name = Host::Server(number).name();
            stage.new_disk(&name)?;
            self.publish(&name);
        }
        for host in hosts {
            let stage = Rc::clone(&stage);
            let software = move || -> std::pin::Pin<Box<dyn Future<Output = turmoil::Result>>> {
                let (stage, name) = (Rc::clone(&stage), host.name());
                match host {
                    Host::Server(_) => Box::pin(hosts::server::run(stage, name)),
                    Host::Router(_) => Box::pin(hosts::router::run(stage, name)),
                    Host::Coordinator(number) => Box::pin(hosts::coordinator::run(stage, number)),
                    Host::Directory => Box::pin(hosts::directory::run(stage)),
                    Host::Client(number) => Box::pin(hosts::client::run(stage, number)),
                }
            };
            self.sim.host(host.name(), software);
        }
        Ok(())
    }

    fn play(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let events = self.stage.plan.events.clone();
        let faults_end_ms = self.stage.plan.faults_end_ms;
        for (at_ms, event) in events.into_iter().filter(|(at, _)| *at <= faults_end_ms) {
            while self.now_ms() < at_ms {
                self.step()?;
            }
            report.scales += u64::from(matches!(event, Event::Scale(_)));
            report.faults += u64::from(!matches!(event, Event::Scale(_)));
            self.happen(event)?;
        }
        self.mend();
        let mended_ms = self.now_ms();
        let mut next_look_ms = mended_ms;
        let mut rest = Err(anyhow!("nothing was looked at"));
        while self.now_ms() < mended_ms + REST_MS {
            self.step()?;
            if self.now_ms() >= next_look_ms {
                next_look_ms += LOOK_MS;
                self.accept_losses();
                rest = judge::at_rest(&self.stage);
                if rest.is_ok() {
                    break;
                }
            }
        }
        rest.context("EventuallyDone")?;
        report.rest_ms = self.now_ms() - mended_ms;
        self.put_clocks_ahead();
        self.stage.work.set(Work::ReadAll);
        let until_ms = self.now_ms() + READ_MS;
        while self.stage.n_finished.get() < self.stage.plan.clients {
            self.step()?;
            if self.now_ms() > until_ms {
                bail!("the clients cannot read everything");
            }
        }
        judge::at_rest(&self.stage).context("EventuallyDone, after the last reads")
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.sim.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn say(&self, line: &str) {
        self.stage.trace.add(self.sim.elapsed().as_millis(), line);
    }

    fn step(&mut self) -> anyhow::Result<()> {
        self.sim.step().map_err(|error| anyhow!("a host has failed: {error}"))?;
        let requests = std::mem::take(&mut *self.stage.requests.borrow_mut());
        for request in requests {
            self.serve(request)?;
        }
        judge::one_owner(&self.stage)
    }

    /// What Kubernetes, or the supervisor of `ringkv local`, does with processes and volumes.
    fn serve(&mut self, request: Request) -> anyhow::Result<()> {
        match request {
            Request::Start(names) => {
                for name in names {
                    if self.stage.disks.borrow().contains_key(&name) {
                        continue;
                    }
                    if self.stage.address(&name).is_none() {
                        bail!("{name} is wanted, and there is no such host");
                    }
                    self.say(&format!("{name} gets a volume"));
                    self.stage.new_disk(&name)?;
                    self.publish(&name);
                    self.sim.bounce(name);
                }
            }
            Request::Remove(name) => {
                self.say(&format!("{name} is removed"));
                judge::last_out(&self.stage, &name)?;
                self.end(&name);
                self.sim.crash(name.as_str());
                self.stage.disks.borrow_mut().remove(&name);
                self.stage.directory.send_modify(|servers| {
                    servers.remove(&name);
                });
            }
        }
        Ok(())
    }

    fn publish(&self, name: &str) {
        let Some(address) = self.stage.address(name) else { return };
        let at = |port| format!("{address}:{port}");
        let addresses =
            ServerAddresses { resp: at(RESP_PORT), http: at(HTTP_PORT), peer: at(PEER_PORT) };
        self.stage.directory.send_modify(|servers| {
            servers.insert(name.to_owned(), addresses);
        });
    }

    fn end(&self, name: &str) {
        self.stage.probes.borrow_mut().remove(name);
        self.stage.serving.borrow_mut().remove(name);
    }

    fn happen(&mut self, event: Event) -> anyhow::Result<()> {
        self.say(&format!("{event:?}"));
        match event {
            Event::Scale(servers) => {
                let names = (0..servers).map(|number| Host::Server(number).name());
                self.stage.wish.send_replace(names.collect());
            }
            Event::Kill(host) => self.kill(host, |n_unsynced| n_unsynced)?,
            Event::PowerLoss(server) => {
                let loses = self.stage.plan.syncs_always;
                self.kill(Host::Server(server), |n_unsynced| match loses {
                    true => simulation::next_u64() as usize % (n_unsynced + 1),
                    // Without syncs power takes what was acknowledged, as documented.
                    false => n_unsynced,
                })?;
            }
            Event::LoseVolume(server) => self.lose_volume(server)?,
            Event::Restart(host) => self.restart(host),
            Event::Cut(one, other) if one != other => self.sim.partition(one.name(), other.name()),
            Event::CutOneWay(from, to) if from != to => {
                self.sim.partition_oneway(from.name(), to.name());
            }
            Event::Isolate(host) => {
                self.each_other(host, |sim, host, other| sim.partition(host, other));
            }
            Event::Clog(host) => self.each_other(host, |sim, host, other| sim.hold(host, other)),
            Event::Unclog(host) => {
                self.each_other(host, |sim, host, other| sim.release(host, other));
            }
            Event::Heal => self.heal(),
            Event::Failover => self.fail_over(),
            Event::StepClock(server, offset_ms) => {
                if let Some(address) = self.stage.address(&Host::Server(server).name()) {
                    simulation::set_clock_offset(address, offset_ms);
                }
            }
            Event::SlowDisk(us) => simulation::set_slowest_disk(Duration::from_micros(us)),
            Event::Cut(..) | Event::CutOneWay(..) => {}
        }
        Ok(())
    }

    fn kill(&mut self, host: Host, kept: impl FnOnce(usize) -> usize) -> anyhow::Result<()> {
        if self.down.contains(&host) || matches!(host, Host::Directory | Host::Client(_)) {
            return Ok(());
        }
        let name = host.name();
        match host {
            Host::Server(_) => {
                let Some(disk) = self.stage.disk_after_crash(&name, kept)? else { return Ok(()) };
                self.end(&name);
                self.sim.crash(name.as_str());
                self.stage.disks.borrow_mut().insert(name, disk);
            }
            Host::Coordinator(number) => {
                if self.stage.leader.get() == number {
                    self.stage.coordinator.replace(None);
                }
                self.sim.crash(name);
            }
            _ => self.sim.crash(name),
        }
        self.down.push(host);
        Ok(())
    }

    fn lose_volume(&mut self, server: usize) -> anyhow::Result<()> {
        let name = Host::Server(server).name();
        let Some(disk) = self.stage.disks.borrow().get(&name).cloned() else { return Ok(()) };
        let lost = kvnode::simulated::decisions(&disk.dir).map(|decisions| {
            let open = decisions.handoffs().values().filter(|handoff| !handoff.side.is_finished());
            open.fold(decisions.owned().arcs(), |arcs, handoff| arcs.union(&handoff.arcs))
        });
        self.kill(Host::Server(server), |n_unsynced| n_unsynced)?;
        self.stage.new_disk(&name)?;
        self.stage.history.borrow_mut().note_lost(&lost.unwrap_or_default());
        Ok(())
    }

    /// What a person does who reads the status: accepts that what is lost is lost.
    fn accept_losses(&self) {
        let Some(coordinator) = self.stage.coordinator.borrow().clone() else { return };
        for lost in &coordinator.status().lost {
            if coordinator.accept_data_loss(lost.server.clone()).is_ok() {
                self.say(&format!("the loss of {} is accepted", lost.server.name));
            }
        }
    }

    fn restart(&mut self, host: Host) {
        if let Some(index) = self.down.iter().position(|down| *down == host) {
            self.down.remove(index);
            self.sim.bounce(host.name());
        }
    }

    fn fail_over(&mut self) {
        let next = (self.stage.leader.get() + 1) % COORDINATORS;
        self.stage.leader.set(next);
        self.stage.coordinator.replace(None);
        self.down.retain(|down| *down != Host::Coordinator(next));
        self.sim.bounce(Host::Coordinator(next).name());
    }

    /// As far as the clock that was furthest ahead: what was to expire by any clock soon expires.
    fn put_clocks_ahead(&self) {
        for server in 0..SERVERS_MAX {
            if let Some(address) = self.stage.address(&Host::Server(server).name()) {
                simulation::set_clock_offset(address, CLOCK_OFF_MS.into());
            }
        }
    }

    fn each_other(&self, host: Host, act: impl Fn(&Sim<'_>, String, String)) {
        for other in all_hosts(self.stage.plan.clients) {
            if other != host {
                act(&self.sim, host.name(), other.name());
            }
        }
    }

    fn heal(&self) {
        let hosts = all_hosts(self.stage.plan.clients);
        for (index, one) in hosts.iter().enumerate() {
            for other in hosts.iter().skip(index + 1) {
                self.sim.repair(one.name(), other.name());
                self.sim.release(one.name(), other.name());
            }
        }
    }

    /// Nothing goes wrong any more.
    fn mend(&mut self) {
        self.say("mended");
        self.heal();
        for host in std::mem::take(&mut self.down) {
            self.sim.bounce(host.name());
        }
        simulation::set_slowest_disk(Duration::from_micros(self.stage.plan.disk_max_us));
    }
}

fn all_hosts(clients: usize) -> Vec<Host> {
    let servers = (0..SERVERS_MAX).map(Host::Server);
    let routers = (0..ROUTERS).map(Host::Router);
    let coordinators = (0..COORDINATORS).map(Host::Coordinator);
    let clients = (0..clients).map(Host::Client);
    std::iter::once(Host::Directory)
        .chain(servers)
        .chain(routers)
        .chain(coordinators)
        .chain(clients)
        .collect()
}
