//! Pure. What a run is to do, and the bounds of it.

use std::fmt;
use std::time::Duration;

use crate::distribution::Distribution;
use crate::keys::KEYS_MAX;
use crate::mix::Mix;
use crate::schedule::RATE_MAX;
use crate::values::VERIFIED_BYTES_MIN;

/// The most connections.
pub const CLIENTS_MAX: u32 = 10_000;
/// The most threads.
pub const THREADS_MAX: u32 = 64;
/// The most requests of one connection that have no answer yet.
pub const PIPELINE_MAX: u32 = 10_000;
/// The largest value: what servers take by default.
pub const VALUE_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// The most bytes of requests that one connection has under way.
pub const BATCH_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The most requests of one run.
pub const REQUESTS_MAX: u64 = 1_000_000_000_000;
/// The longest run.
pub const RUN_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The largest key space that is verified: something is remembered of each key.
pub const VERIFIED_KEYS_MAX: u64 = 10_000_000;
/// The shortest interval of a timeline.
pub const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// The most intervals of a timeline; what comes later is not in it.
pub const INTERVALS_MAX: u64 = 20_000;

/// All conditions of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `host:port` of a router, a node, or any RESP server.
    pub target: String,
    /// Servers behind the target, where that is known.
    pub servers: Option<u16>,
    /// The password to give, if one is asked for.
    pub password: Option<Password>,
    /// How long a connection may take to be made, and to come back when it was lost.
    pub connect_timeout: Duration,
    /// Connections.
    pub clients: u32,
    /// Threads; each has its part of the clients.
    pub threads: u32,
    /// Requests of one connection without an answer, at most.
    pub pipeline: u32,
    /// When it is over.
    pub limit: Limit,
    /// Requests a second in all, sent whether or not answers come; `None` for a closed loop, in
    /// which each client sends when its last batch is answered.
    pub rate: Option<u64>,
    /// Bytes of each value.
    pub value_bytes: u32,
    /// How many keys there are.
    pub keys: u64,
    /// How they are chosen.
    pub distribution: Distribution,
    /// What is asked.
    pub mix: Mix,
    /// Whether every key is written first.
    pub preload: bool,
    /// How long to do the same before it counts.
    pub warmup: Duration,
    /// Whether answers are judged; each key is then used by one client.
    pub verify: bool,
    /// What all random choices follow from.
    pub seed: u64,
    /// The interval of the timeline, if there is to be one.
    pub interval: Option<Duration>,
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After so many requests, all clients together.
    Requests(u64),
    /// After that time.
    Time(Duration),
}

/// A password, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Vec<u8>);

impl Password {
    /// As it is sent.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Why a plan cannot be meant; the text names the option to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A number out of its bounds.
    #[error("--{option} {given}: give {least} to {most}")]
    Range {
        /// The option, without dashes.
        option: &'static str,
        /// What was given.
        given: u64,
        /// The least that is possible.
        least: u64,
        /// The most that is possible.
        most: u64,
    },
    /// Too many bytes under way.
    #[error(
        "{0} bytes of requests on one connection at a time are above {BATCH_BYTES_MAX}: lower \
         --pipeline or --value-size"
    )]
    Batch(u64),
    /// A client without a key of its own.
    #[error(
        "--verify gives each client keys of its own: {keys} keys are too few for {clients} \
             clients; raise --keys or lower --clients"
    )]
    FewKeys {
        /// Keys.
        keys: u64,
        /// Clients.
        clients: u32,
    },
}

impl Plan {
    /// Threads that have a client.
    #[must_use]
    pub fn threads_used(&self) -> u32 {
        self.threads.min(self.clients).max(1)
    }

    /// Finds what cannot be meant.
    ///
    /// # Errors
    /// The first thing that is out of its bounds.
    pub fn validate(&self) -> Result<(), PlanError> {
        range("clients", self.clients.into(), 1, CLIENTS_MAX.into())?;
        range("threads", self.threads.into(), 1, THREADS_MAX.into())?;
        range("pipeline", self.pipeline.into(), 1, PIPELINE_MAX.into())?;
        range("keys", self.keys, 1, KEYS_MAX)?;
        range("connect-timeout", millis(self.connect_timeout), 1, millis(RUN_MAX))?;
        range("warmup-seconds", millis(self.warmup), 0, millis(RUN_MAX))?;
        match self.limit {
            Limit::Requests(requests) => range("requests", requests, 1, REQUESTS_MAX)?,
            Limit::Time(time) => range("seconds", millis(time), 1, millis(RUN_MAX))?,
        }
        if let Some(rate) = self.rate {
            range("rate", rate, 1, RATE_MAX)?;
        }
        if let Some(interval) = self.interval {
            range("interval", millis(interval), millis(INTERVAL_MIN), millis(RUN_MAX))?;
        }
        let least = if self.verify { VERIFIED_BYTES_MIN as u64 } else { 0 };
        range("value-size", self.value_bytes.into(), least, VALUE_BYTES_MAX.into())?;
        let batch = u64::from(self.pipeline) * u64::from(self.value_bytes);
        if batch > BATCH_BYTES_MAX {
            return Err(PlanError::Batch(batch));
        }
        if self.verify {
            range("keys", self.keys, 1, VERIFIED_KEYS_MAX)?;
            if self.keys < u64::from(self.clients) {
                return Err(PlanError::FewKeys { keys: self.keys, clients: self.clients });
            }
        }
        Ok(())
    }
}

fn range(option: &'static str, given: u64, least: u64, most: u64) -> Result<(), PlanError> {
    if (least..=most).contains(&given) {
        return Ok(());
    }
    Err(PlanError::Range { option, given, least, most })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A short run of two clients.
    pub(crate) fn plan(target: &str) -> Plan {
        Plan {
            target: target.to_owned(),
            servers: None,
            password: None,
            connect_timeout: Duration::from_secs(10),
            clients: 2,
            threads: 1,
            pipeline: 1,
            limit: Limit::Requests(100),
            rate: None,
            value_bytes: 100,
            keys: 50,
            distribution: Distribution::Uniform,
            mix: Mix::default(),
            preload: false,
            warmup: Duration::ZERO,
            verify: false,
            seed: 1,
            interval: None,
        }
    }

    #[test]
    fn every_bound_holds_on_either_side() {
        type Set = fn(&mut Plan, u64);
        #[expect(clippy::cast_possible_truncation, reason = "bounds of these fields fit")]
        let cases: [(Set, u64, u64); 9] = [
            (|plan, n| plan.clients = n as u32, 1, CLIENTS_MAX.into()),
            (|plan, n| plan.threads = n as u32, 1, THREADS_MAX.into()),
            (|plan, n| plan.pipeline = n as u32, 1, PIPELINE_MAX.into()),
            (|plan, n| plan.keys = n, 1, KEYS_MAX),
            (|plan, n| plan.limit = Limit::Requests(n), 1, REQUESTS_MAX),
            (|plan, n| plan.limit = Limit::Time(Duration::from_millis(n)), 1, millis(RUN_MAX)),
            (|plan, n| plan.rate = Some(n), 1, RATE_MAX),
            (|plan, n| plan.interval = Some(Duration::from_millis(n)), 10, millis(RUN_MAX)),
            (|plan, n| plan.connect_timeout = Duration::from_millis(n), 1, millis(RUN_MAX)),
        ];
        for (index, (set, least, most)) in cases.into_iter().enumerate() {
            let validate = |number| {
                let mut plan = plan("localhost:1");
                set(&mut plan, number);
                plan.validate()
            };
            assert_eq!((validate(least), validate(most)), (Ok(()), Ok(())), "case {index}");
            for outside in [least - 1, most + 1] {
                assert!(validate(outside).is_err(), "case {index}: {outside}");
            }
        }
    }

    #[test]
    fn sizes_and_verification_have_bounds() {
        let with = |pipeline, value_bytes, verify, keys| {
            let plan = Plan { pipeline, value_bytes, verify, keys, ..plan("localhost:1") };
            plan.validate()
        };
        assert_eq!(with(16, VALUE_BYTES_MAX, false, 1), Ok(()));
        assert_eq!(with(17, VALUE_BYTES_MAX, false, 1), Err(PlanError::Batch(17 << 24)));
        assert!(with(1, VALUE_BYTES_MAX + 1, false, 1).is_err());
        assert_eq!(with(1, 0, false, 1), Ok(()));
        assert_eq!(with(1, 64, true, 2), Ok(()));
        assert!(with(1, 63, true, 2).is_err());
        assert_eq!(with(1, 64, true, 1), Err(PlanError::FewKeys { keys: 1, clients: 2 }));
        assert!(with(1, 64, true, VERIFIED_KEYS_MAX + 1).is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password::new(b"secret")), "Password(..)");
    }
}
