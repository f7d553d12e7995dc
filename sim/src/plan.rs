//! Pure. What a seed stands for: the world, and what goes wrong in it and when.

use e2e::random::Random;

/// Servers that there can be at a time.
pub(crate) const SERVERS_MAX: usize = 6;
/// Routers.
pub(crate) const ROUTERS: usize = 2;
/// Coordinators, of which one works at a time.
pub(crate) const COORDINATORS: usize = 2;
/// How far the wall clock of a server may be ahead, or behind.
pub(crate) const CLOCK_OFF_MS: u32 = 8_000;
/// How finely time is cut. A run costs its turns more than what happens in them.
const TURNS_MS: [u64; 3] = [1, 2, 4];
/// Until when things go wrong.
const FAULTS_MS: (u32, u32) = (8_000, 20_000);
/// Changes of the number of servers in one run, at least.
const SCALES_MIN: u32 = 3;

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Servers at the beginning.
    pub(crate) servers: usize,
    /// Clients, each with one connection.
    pub(crate) clients: usize,
    /// Keys that all clients write and read.
    pub(crate) shared_keys: u32,
    /// Keys that are there from the beginning.
    pub(crate) bulk_keys: u32,
    /// Bytes of a piece of a handoff's stream.
    pub(crate) chunk_bytes: usize,
    /// Bytes of captured writes from which on writers wait.
    pub(crate) capture_bytes: usize,
    /// Points of each server on the ring.
    pub(crate) virtual_nodes: u16,
    /// Whether a write is answered after its sync only.
    pub(crate) syncs_always: bool,
    /// How long a message may take.
    pub(crate) latency_max_ms: u64,
    /// How long a blocking piece of work may take, twice.
    pub(crate) disk_max_us: u64,
    /// How finely time is cut: hosts run by turns of this length, and messages arrive between them.
    pub(crate) turn_ms: u64,
    /// When things stop going wrong.
    pub(crate) faults_end_ms: u64,
    /// What happens, in the order of time.
    pub(crate) events: Vec<(u64, Event)>,
}

/// A host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Server(usize),
    Router(usize),
    Coordinator(usize),
    Directory,
    Client(usize),
}

impl Host {
    /// Its name in the network.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Server(number) => format!("kv-{number}"),
            Self::Router(number) => format!("router-{number}"),
            Self::Coordinator(number) => format!("coordinator-{number}"),
            Self::Directory => "directory".to_owned(),
            Self::Client(number) => format!("client-{number}"),
        }
    }
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// There shall be so many servers.
    Scale(usize),
    /// The process ends at once; what it wrote stays.
    Kill(Host),
    /// The power fails: of what was not synced some of the oldest stays. Servers only.
    PowerLoss(usize),
    /// The volume is gone for good, and with it the process; a new one is empty.
    LoseVolume(usize),
    /// It runs again.
    Restart(Host),
    /// Messages between the two are lost.
    Cut(Host, Host),
    /// Messages from the first to the second are lost.
    CutOneWay(Host, Host),
    /// Messages to and from the host are lost.
    Isolate(Host),
    /// Messages between the host and all others wait.
    Clog(Host),
    /// They go on.
    Unclog(Host),
    /// No message is lost any more between any two.
    Heal,
    /// The other coordinator begins to work, though the present one may still be alive.
    Failover,
    /// The wall clock of a server jumps to so many milliseconds beside the others.
    StepClock(usize, i64),
    /// Blocking work may take so long.
    SlowDisk(u64),
}

impl Plan {
    /// What the seed stands for.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice(Random::new(seed));
        let faults_end_ms = dice.between(FAULTS_MS.0, FAULTS_MS.1).into();
        let mut plan = Self {
            servers: dice.between(1, 4) as usize,
            clients: dice.between(2, 4) as usize,
            shared_keys: dice.between(4, 40),
            bulk_keys: dice.between(0, 400),
            chunk_bytes: dice.between(100, 6_000) as usize,
            capture_bytes: dice.between(200, 20_000) as usize,
            virtual_nodes: u16::try_from(dice.between(1, 12)).unwrap_or(1),
            syncs_always: dice.chance(80),
            latency_max_ms: dice.between(1, 12).into(),
            disk_max_us: u64::from(dice.between(0, 20)).pow(3) * 3,
            turn_ms: 1,
            faults_end_ms,
            events: Vec::new(),
        };
        plan.add_scales(&mut dice);
        let n_faults = dice.between(0, 14);
        for _ in 0..n_faults {
            plan.add_fault(&mut dice);
        }
        if dice.chance(15) {
            let (at, server) = (plan.some_fault_time(&mut dice), dice.below(plan.servers + 1));
            let back = at + u64::from(dice.between(50, 2_000));
            let restart = Event::Restart(Host::Server(server));
            plan.events.extend([(at, Event::LoseVolume(server)), (back, restart)]);
        }
        plan.events.sort_by_key(|(at, _)| *at);
        plan.turn_ms = TURNS_MS[dice.below(TURNS_MS.len())];
        plan
    }

    fn add_scales(&mut self, dice: &mut Dice) {
        let n_scales = dice.between(SCALES_MIN, 7);
        let mut before = self.servers;
        for _ in 0..n_scales {
            let mut servers = dice.between(1, 5) as usize;
            if servers == before {
                servers = servers % SERVERS_MAX + 1;
            }
            before = servers;
            let at = self.some_time(dice);
            self.events.push((at, Event::Scale(servers)));
            // Often the next one comes before this one is done.
            if dice.chance(30) {
                let soon = at + u64::from(dice.between(10, 800));
                self.events.push((soon, Event::Scale(dice.between(1, 5) as usize)));
            }
        }
    }

    fn add_fault(&mut self, dice: &mut Dice) {
        let at = self.some_fault_time(dice);
        let length = u64::from(dice.between(50, 4_000));
        let (host, other) = (Self::some_host(dice), Self::some_host(dice));
        let server = dice.below(SERVERS_MAX);
        let events = match dice.between(0, 11) {
            0 | 1 => vec![(at, Event::Kill(host)), (at + length, Event::Restart(host))],
            2 => vec![
                (at, Event::PowerLoss(server)),
                (at + length, Event::Restart(Host::Server(server))),
            ],
            3 => vec![(at, Event::Cut(host, other)), (at + length, Event::Heal)],
            4 => vec![(at, Event::CutOneWay(host, other)), (at + length, Event::Heal)],
            5 => vec![(at, Event::Isolate(host)), (at + length, Event::Heal)],
            6 => vec![(at, Event::Clog(host)), (at + length, Event::Unclog(host))],
            7 => Self::swizzle(at, length, dice),
            8 => {
                vec![(at, Event::Failover)]
            }
            9 => {
                let by = i64::from(dice.between(0, 2 * CLOCK_OFF_MS)) - i64::from(CLOCK_OFF_MS);
                vec![(at, Event::StepClock(server, by))]
            }
            10 => vec![
                (at, Event::SlowDisk(u64::from(dice.between(5_000, 300_000)))),
                (at + length, Event::SlowDisk(self.disk_max_us)),
            ],
            // Everything at once, as of a whole machine.
            _ => (0..SERVERS_MAX)
                .flat_map(|one| {
                    let back = at + length + one as u64 * 20;
                    [(at, Event::PowerLoss(one)), (back, Event::Restart(Host::Server(one)))]
                })
                .collect(),
        };
        self.events.extend(events);
    }

    /// Some hosts are clogged one after the other, and released in another order.
    fn swizzle(at: u64, length: u64, dice: &mut Dice) -> Vec<(u64, Event)> {
        let hosts: Vec<Host> = (0..dice.between(2, 5)).map(|_| Self::some_host(dice)).collect();
        let step = length / (hosts.len() as u64 * 2);
        let mut released = hosts.clone();
        for index in (1..released.len()).rev() {
            released.swap(index, dice.below(index + 1));
        }
        let clogs = hosts.into_iter().map(Event::Clog);
        let all = clogs.chain(released.into_iter().map(Event::Unclog));
        all.enumerate().map(|(index, event)| (at + step * index as u64, event)).collect()
    }

    fn some_time(&self, dice: &mut Dice) -> u64 {
        // The cluster is set up first.
        1_500 + u64::from(dice.between(0, u32::try_from(self.faults_end_ms).unwrap_or(0) - 1_500))
    }

    /// Mostly in the middle of a change of the number of servers.
    fn some_fault_time(&self, dice: &mut Dice) -> u64 {
        let scales = self.events.iter().filter(|(_, event)| matches!(event, Event::Scale(_)));
        let scales: Vec<u64> = scales.map(|(at, _)| *at).collect();
        match scales.get(dice.below(scales.len())) {
            Some(at) if dice.chance(70) => at + u64::from(dice.between(0, 1_200)),
            _ => self.some_time(dice),
        }
    }

    fn some_host(dice: &mut Dice) -> Host {
        match dice.between(0, 9) {
            0..=6 => Host::Server(dice.below(SERVERS_MAX)),
            7 => Host::Router(dice.below(ROUTERS)),
            8 => Host::Coordinator(dice.below(COORDINATORS)),
            _ => Host::Directory,
        }
    }
}

/// Choices.
struct Dice(Random);

impl Dice {
    /// A number of `low ..= high`.
    fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.0.below(high - low + 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.below(u32::try_from(limit).unwrap_or(u32::MAX)) as usize
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.0.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_stands_for_the_same_and_scales_often_enough() {
        for seed in 0..1_000 {
            let plan = Plan::of(seed);
            assert_eq!(plan.events, Plan::of(seed).events);
            let scales = plan.events.iter().filter(|(_, event)| matches!(event, Event::Scale(_)));
            assert!(scales.count() >= SCALES_MIN as usize, "seed {seed}");
            assert!(plan.events.iter().all(|(at, _)| *at >= 1_500), "seed {seed}");
        }
    }
}
