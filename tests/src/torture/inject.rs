//! Shell. Makes things go wrong, and well again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::process::Signal;

use super::plan::{Damage, Fault, Victim, Way};
use crate::cluster::LocalCluster;
use crate::disk::Disk;
use crate::network::{Effect, Network, Party, Rule, Rules, Whom};
use crate::{outage, process};

/// The size of the disk, while it is not full.
pub(super) const DISK_SIZE: &str = "6G";

/// What makes things go wrong.
pub(super) struct Injector {
    pub(super) network: Network,
    pub(super) disk: Option<Disk>,
    /// The file in which the processes read by how much their wall clock is off.
    pub(super) clock: Option<PathBuf>,
    /// What is wrong now, by the number of the fault.
    active: BTreeMap<usize, Active>,
}

enum Active {
    Over,
    Paused(u32),
    Broken(Vec<Rule>),
    Full,
    Clock,
}

/// What has been done.
pub(super) struct Done {
    /// In words.
    pub(super) text: String,
    /// What may be seen of it.
    pub(super) victims: Vec<outage::Victim>,
}

impl Injector {
    pub(super) fn new(network: Network, disk: Option<Disk>, clock: Option<PathBuf>) -> Self {
        Self { network, disk, clock, active: BTreeMap::new() }
    }

    /// Begins a fault.
    pub(super) async fn begin(
        &mut self,
        cluster: &mut LocalCluster,
        number: usize,
        fault: Fault,
    ) -> anyhow::Result<Done> {
        let servers = cluster.running_servers()?;
        if servers.is_empty() {
            // All of them are being started again: nothing is left that could go wrong.
            return Ok(Done { text: "nothing, as no server runs".to_owned(), victims: vec![] });
        }
        let party = |victim| resolve(victim, &servers);
        let (active, done) = match fault {
            Fault::Kill(Victim::Coordinator) => {
                self.let_all_go_on();
                cluster.kill_supervisor().await?;
                self.launch(cluster)?;
                (Active::Over, everything("kill -9 of the supervisor"))
            }
            Fault::KillAll => {
                cluster.kill_all().await?;
                self.launch(cluster)?;
                (Active::Over, everything("kill -9 of everything"))
            }
            Fault::Kill(victim) => {
                let party = party(victim);
                // One that is just being started again is as good as killed.
                let killed =
                    cluster.process_of(&party).and_then(|id| process::send(id, Signal::KILL));
                let missed = if killed.is_ok() { "" } else { ", which does not run" };
                let text = format!("kill -9 of {party}{missed}");
                (Active::Over, Done { text, victims: victims_of(&party) })
            }
            Fault::Pause(victim) => {
                let party = party(victim);
                let paused = cluster.process_of(&party);
                let paused = paused.and_then(|id| process::send(id, Signal::STOP).map(|()| id));
                let missed = if paused.is_ok() { "" } else { ", which does not run" };
                let text = format!("pause of {party}{missed}");
                let victims = if party == Party::Coordinator { vec![] } else { victims_of(&party) };
                (paused.map_or(Active::Over, Active::Paused), Done { text, victims })
            }
            Fault::Link { one, other, way, damage } => {
                let (one, other) = (party(one), other.map(party));
                let rules = rules(&one, other.as_ref(), way, damage);
                (Active::Broken(rules), broken(&one, other.as_ref(), way, damage))
            }
            Fault::FullDisk { left } => {
                self.disk.as_ref().context("there is no small disk")?.leave(left)?;
                let text = format!("a disk with {left} bytes left");
                let victims = vec![outage::Victim::Everything, outage::Victim::Disk];
                (Active::Full, Done { text, victims })
            }
            Fault::Clock { seconds } => {
                self.set_clock(seconds)?;
                let text = format!("the clock is off by {seconds} s");
                (Active::Clock, Done { text, victims: vec![] })
            }
        };
        self.active.insert(number, active);
        self.set_rules();
        Ok(done)
    }

    /// Ends a fault that has begun.
    pub(super) fn end(&mut self, number: usize) -> anyhow::Result<()> {
        match self.active.remove(&number) {
            // Killed meanwhile, it needs not to be told to go on.
            Some(Active::Paused(id)) => drop(process::send(id, Signal::CONT)),
            Some(Active::Full) if !self.active.values().any(|it| matches!(it, Active::Full)) => {
                self.disk.as_ref().context("there is no small disk")?.resize(DISK_SIZE)?;
            }
            Some(Active::Clock) if !self.active.values().any(|it| matches!(it, Active::Clock)) => {
                self.set_clock(0)?;
            }
            _ => {}
        }
        self.set_rules();
        Ok(())
    }

    /// Starts the cluster; the network knows its supervisor then.
    pub(super) fn launch(&self, cluster: &mut LocalCluster) -> anyhow::Result<()> {
        cluster.launch()?;
        self.network.set_supervisor(cluster.process_of(&Party::Coordinator)?);
        Ok(())
    }

    /// Lets processes go on that stand still, so that they can end.
    fn let_all_go_on(&self) {
        for active in self.active.values() {
            if let Active::Paused(id) = active {
                let _ = process::send(*id, Signal::CONT);
            }
        }
    }

    fn set_rules(&self) {
        let rules = self.active.values().filter_map(|active| match active {
            Active::Broken(rules) => Some(rules.clone()),
            _ => None,
        });
        self.network.set_rules(Rules(rules.flatten().collect()));
    }

    fn set_clock(&self, seconds: i32) -> anyhow::Result<()> {
        set_clock(self.clock.as_deref().context("the clock cannot be set")?, seconds)
    }
}

/// Writes by how much the wall clock is off; readers see the old or the new number.
pub(super) fn set_clock(file: &Path, seconds: i32) -> anyhow::Result<()> {
    let next = file.with_extension("next");
    std::fs::write(&next, format!("{seconds:+}\n"))?;
    std::fs::rename(&next, file).context("cannot set the clock")
}

fn resolve(victim: Victim, servers: &[String]) -> Party {
    match victim {
        Victim::Router => Party::Router,
        Victim::Coordinator => Party::Coordinator,
        Victim::Server(number) => {
            let name = servers.get(number as usize % servers.len().max(1));
            Party::Server(name.cloned().unwrap_or_default())
        }
    }
}

fn rules(one: &Party, other: Option<&Party>, way: Way, damage: Damage) -> Vec<Rule> {
    let one = Whom::One(one.clone());
    let other = other.map_or(Whom::Anybody, |other| Whom::One(other.clone()));
    let effect = match damage {
        Damage::Hold => Effect::Hold,
        Damage::Reset => Effect::Reset,
        Damage::Delay(milliseconds) => {
            Effect::Delay(std::time::Duration::from_millis(u64::from(milliseconds)))
        }
        Damage::Throttle(rate) => Effect::Throttle(rate),
        Damage::HalfOpen => Effect::HalfOpen,
    };
    match way {
        Way::Both => Rule::both_ways(&one, &other, effect),
        Way::There => vec![Rule::one_way(one, other, effect)],
        Way::Back => vec![Rule::one_way(other, one, effect)],
    }
}

fn broken(one: &Party, other: Option<&Party>, way: Way, damage: Damage) -> Done {
    let to = other.map_or_else(|| "all others".to_owned(), ToString::to_string);
    let arrow = match way {
        Way::Both => "<->",
        Way::There => "->",
        Way::Back => "<-",
    };
    let text = format!("{damage:?} on {one} {arrow} {to}");
    let victims = match (one, other) {
        // Without the coordinator everything goes on as it is.
        (Party::Coordinator, _) | (_, Some(Party::Coordinator)) => vec![],
        (Party::Router, None) => vec![outage::Victim::Everything],
        (one, other) => {
            let both = [Some(one), other].into_iter().flatten();
            both.filter(|party| **party != Party::Router).flat_map(victims_of).collect()
        }
    };
    Done { text, victims }
}

fn victims_of(party: &Party) -> Vec<outage::Victim> {
    match party {
        Party::Server(name) => vec![outage::Victim::Server(name.clone())],
        Party::Router => vec![outage::Victim::Router],
        Party::Coordinator => vec![outage::Victim::Everything],
    }
}

fn everything(text: &str) -> Done {
    Done { text: text.to_owned(), victims: vec![outage::Victim::Everything] }
}
