//! Pure. What a campaign does: every choice follows from its seed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::random::Random;

/// Rounds on one cluster, before a new one is made.
pub const ROUNDS_A_LIFE: u32 = 8;
/// The most servers that are asked for.
const SERVERS_MAX: u32 = 6;
/// The most faults and changes of size in one round.
const FAULTS_MAX: u32 = 3;
const CHANGES_MAX: u32 = 5;
/// How long nothing happens at the beginning of a round.
const QUIET: Duration = Duration::from_millis(500);
/// Of so many faults that take time, one takes longer than any time-out.
const LONG_EVERY: u32 = 4;
/// Longer than any time-out of routers and servers.
const LONG: Duration = Duration::from_secs(12);

/// A kind of thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nemesis {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, and later SIGCONT.
    Pause,
    /// Bytes wait for the end, or connections break; one way or both ways.
    Partition,
    /// Bytes are late or slow.
    Slow,
    /// One side of a connection has lost it, and the other one does not hear of it.
    HalfOpen,
    /// The disk has no room; needs root.
    FullDisk,
    /// The wall clock jumps; needs libfaketime and a program that is linked dynamically.
    Clock,
}

impl Nemesis {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Kill,
        Self::Pause,
        Self::Partition,
        Self::Slow,
        Self::HalfOpen,
        Self::FullDisk,
        Self::Clock,
    ];

    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::Slow => "slow",
            Self::HalfOpen => "half-open",
            Self::FullDisk => "full-disk",
            Self::Clock => "clock",
        }
    }
}

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Unique values in keys that all clients write; MSET, MGET and pipelines, too.
    Registers,
    /// APPEND of unique tokens.
    Lists,
    /// INCR.
    Counters,
    /// Keys with one writer each: values, values that expire, and deletions.
    Sequences,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Registers, Self::Lists, Self::Counters, Self::Sequences];

    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registers => "registers",
            Self::Lists => "lists",
            Self::Counters => "counters",
            Self::Sequences => "sequences",
        }
    }
}

/// Finds a value by its name.
fn named<T: Copy>(name: &str, all: &[T], name_of: impl Fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|one| name_of(*one) == name).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|one| name_of(*one)).collect();
        format!("{name:?} is none of {}", names.join(", "))
    })
}

impl FromStr for Nemesis {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        named(name, &Self::ALL, Self::name)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        named(name, &Self::ALL, Self::name)
    }
}

/// A process, by what is known before the round: of the servers that there are then, the one of
/// this number, counted round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// A server.
    Server(u32),
    /// The router.
    Router,
    /// The supervisor, in which the coordinator runs.
    Coordinator,
}

/// Which way a broken link is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Both.
    Both,
    /// From the first to the second.
    There,
    /// From the second to the first.
    Back,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process dies.
    Kill(Victim),
    /// All of them do.
    KillAll,
    /// A process stands still.
    Pause(Victim),
    /// A link is broken: between one and another, or all others.
    Link {
        /// One end.
        one: Victim,
        /// The other end.
        other: Option<Victim>,
        /// Which way.
        way: Way,
        /// How.
        damage: Damage,
    },
    /// The disk has so many bytes left.
    FullDisk {
        /// So many.
        left: u64,
    },
    /// The wall clock is off by so many seconds.
    Clock {
        /// Forward, or back where it is negative.
        seconds: i32,
    },
}

/// What happens on a broken link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Bytes wait for the end.
    Hold,
    /// Connections break, and new ones do, too.
    Reset,
    /// Bytes are late by so many milliseconds.
    Delay(u32),
    /// So many bytes a second.
    Throttle(u32),
    /// One end has lost the connection, and the other one does not hear of it.
    HalfOpen,
}

impl Fault {
    /// What kind of thing it is.
    #[must_use]
    pub const fn nemesis(&self) -> Nemesis {
        match self {
            Self::Kill(_) | Self::KillAll => Nemesis::Kill,
            Self::Pause(_) => Nemesis::Pause,
            Self::Link { damage: Damage::Hold | Damage::Reset, .. } => Nemesis::Partition,
            Self::Link { damage: Damage::Delay(_) | Damage::Throttle(_), .. } => Nemesis::Slow,
            Self::Link { damage: Damage::HalfOpen, .. } => Nemesis::HalfOpen,
            Self::FullDisk { .. } => Nemesis::FullDisk,
            Self::Clock { .. } => Nemesis::Clock,
        }
    }
}

/// A change of size that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// So many servers: grows, shrinks, retargets, or takes the latest change back.
    To(u16),
    /// A server more.
    Add,
    /// The server of this number less, counted round.
    Remove(u32),
}

/// Something that happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The fault of this number begins.
    Begin(usize),
    /// The fault of this number ends.
    End(usize),
    /// A change of size is asked for.
    Change(Change),
}

/// What a campaign may do.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Where its choices begin.
    pub seed: u64,
    /// What may go wrong.
    pub nemeses: Vec<Nemesis>,
    /// What clients do.
    pub kinds: Vec<Kind>,
    /// Whether the size changes.
    pub scale: bool,
    /// How long a round goes on at the least.
    pub round: Duration,
    /// Whether a round may also be one without any fault.
    pub may_be_calm: bool,
}

/// What does not change as long as one cluster lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which one.
    pub number: u32,
    /// Servers at the beginning.
    pub servers: u16,
    /// `always`, or `everysec`.
    pub durability: &'static str,
    /// The bound of the rate of handoffs.
    pub bytes_per_second: u64,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Which one, counted over all lives.
    pub number: u32,
    /// What clients begin with.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What happens when, in order.
    pub events: Vec<(Duration, Event)>,
    /// How many servers there shall be at the end.
    pub servers_at_end: u16,
}

impl Choice {
    fn random(&self, salt: u64) -> Random {
        let mut random = Random::new(self.seed ^ salt.wrapping_mul(0xd134_2543_de82_ef95));
        // The first numbers of neighbouring seeds are alike.
        for _ in 0..8 {
            random.next();
        }
        random
    }

    /// The choices for a cluster.
    #[must_use]
    pub fn life(&self, number: u32) -> Life {
        let mut random = self.random(u64::from(number) << 32);
        let rates = [150_000, 400_000, 2_000_000, 1_000_000_000];
        Life {
            number,
            servers: 2 + u16::try_from(random.below(3)).unwrap_or(0),
            durability: if random.below(2) == 0 { "always" } else { "everysec" },
            bytes_per_second: rates[random.below(4) as usize % rates.len()],
        }
    }

    /// The choices for a round.
    #[must_use]
    pub fn round(&self, number: u32) -> Round {
        let mut random = self.random(u64::from(number) + 1);
        let seed = random.next();
        let (mut faults, mut events) = (Vec::new(), Vec::new());
        let is_calm = self.may_be_calm && random.below(10) == 0;
        if !self.nemeses.is_empty() && !is_calm {
            for index in 0..=random.below(FAULTS_MAX) as usize {
                let fault = self.fault(&mut random);
                let begin = self.moment(&mut random);
                faults.push(fault);
                events.push((begin, Event::Begin(index)));
                events.push((begin + length(fault, &mut random), Event::End(index)));
            }
        }
        if self.scale {
            for _ in 0..=random.below(CHANGES_MAX) {
                let change = change(&mut random);
                events.push((self.moment(&mut random), Event::Change(change)));
            }
        }
        events.sort_by_key(|(at, _)| *at);
        let servers_at_end = 1 + u16::try_from(random.below(SERVERS_MAX)).unwrap_or(0);
        Round { number, seed, faults, events, servers_at_end }
    }

    fn moment(&self, random: &mut Random) -> Duration {
        let span = u32::try_from(self.round.saturating_sub(2 * QUIET).as_millis()).unwrap_or(0);
        QUIET + Duration::from_millis(u64::from(random.below(span)))
    }

    fn fault(&self, random: &mut Random) -> Fault {
        let count = u32::try_from(self.nemeses.len()).unwrap_or(1);
        let nemesis = self.nemeses.get(random.below(count) as usize).copied();
        match nemesis.unwrap_or(Nemesis::Kill) {
            Nemesis::Kill if random.below(6) == 0 => Fault::KillAll,
            Nemesis::Kill => Fault::Kill(victim(random)),
            Nemesis::Pause => Fault::Pause(victim(random)),
            Nemesis::Partition => link(random, [Damage::Hold, Damage::Reset]),
            Nemesis::Slow => {
                let delay = Damage::Delay(5 + random.below(300));
                let throttle = Damage::Throttle(5_000 + random.below(200_000));
                link(random, [delay, throttle])
            }
            Nemesis::HalfOpen => link(random, [Damage::HalfOpen; 2]),
            Nemesis::FullDisk => {
                let left = [0, 1 << 20, 16 << 20, 60 << 20];
                Fault::FullDisk { left: left[random.below(4) as usize % left.len()] }
            }
            Nemesis::Clock => {
                let size = [1, 60, 3_600, 86_400][random.below(4) as usize % 4];
                Fault::Clock { seconds: if random.below(2) == 0 { size } else { -size } }
            }
        }
    }
}

fn victim(random: &mut Random) -> Victim {
    match random.below(6) {
        0 => Victim::Router,
        1 => Victim::Coordinator,
        _ => Victim::Server(random.below(64)),
    }
}

fn link(random: &mut Random, damages: [Damage; 2]) -> Fault {
    let (one, other) = match random.below(8) {
        0 => (Victim::Router, None),
        1 => (Victim::Coordinator, None),
        2 => (Victim::Coordinator, Some(Victim::Server(random.below(64)))),
        3 => (Victim::Router, Some(Victim::Server(random.below(64)))),
        4 => (Victim::Server(random.below(64)), None),
        _ => {
            let one = random.below(64);
            (Victim::Server(one), Some(Victim::Server(one + 1 + random.below(4))))
        }
    };
    let way = match random.below(4) {
        0 => Way::There,
        1 => Way::Back,
        _ => Way::Both,
    };
    let damage = damages[random.below(2) as usize % damages.len()];
    Fault::Link { one, other, way, damage }
}

/// How long a fault goes on.
fn length(fault: Fault, random: &mut Random) -> Duration {
    match fault {
        Fault::Kill(_) | Fault::KillAll => Duration::ZERO,
        _ if random.below(LONG_EVERY) == 0 => LONG,
        _ => Duration::from_millis(u64::from(200 + random.below(5_000))),
    }
}

fn change(random: &mut Random) -> Change {
    match random.below(4) {
        0 => Change::Add,
        1 => Change::Remove(random.below(64)),
        _ => Change::To(1 + u16::try_from(random.below(SERVERS_MAX)).unwrap_or(0)),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(servers) => write!(f, "scale to {servers}"),
            Self::Add => f.write_str("one server more"),
            Self::Remove(_) => f.write_str("one server less"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(seed: u64) -> Choice {
        Choice {
            seed,
            nemeses: Nemesis::ALL.to_vec(),
            kinds: Kind::ALL.to_vec(),
            scale: true,
            round: Duration::from_secs(10),
            may_be_calm: true,
        }
    }

    #[test]
    fn the_same_seed_chooses_the_same_and_another_one_something_else() {
        for number in 0..20 {
            assert_eq!(choice(1).round(number), choice(1).round(number));
            assert_eq!(choice(1).life(number), choice(1).life(number));
            assert_ne!(choice(1).round(number), choice(2).round(number));
        }
        assert_ne!(choice(1).round(1).seed, choice(1).round(2).seed);
    }

    #[test]
    fn every_fault_begins_before_it_ends_and_every_kind_is_chosen() {
        let mut met = std::collections::BTreeSet::new();
        for number in 0..300 {
            let round = choice(7).round(number);
            for (index, fault) in round.faults.iter().enumerate() {
                met.insert(fault.nemesis());
                let at = |event| round.events.iter().position(|(_, other)| *other == event);
                assert!(at(Event::Begin(index)) < at(Event::End(index)), "{round:?}");
            }
            assert!(round.events.is_sorted_by_key(|(at, _)| *at));
            assert!((1..=6).contains(&round.servers_at_end));
        }
        assert_eq!(met.len(), Nemesis::ALL.len());
    }

    #[test]
    fn names_are_read_again() {
        for nemesis in Nemesis::ALL {
            assert_eq!(nemesis.name().parse(), Ok(nemesis));
        }
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("nothing".parse::<Kind>().is_err_and(|error| error.contains("registers")));
    }
}
