//! Pure. One condition after the other: `clients=1,2,5,10`.

use std::fmt;
use std::str::FromStr;

use crate::mix::{Mix, MixError};
use crate::plan::{Limit, Plan};

/// The most points of a sweep.
pub const POINTS_MAX: usize = 64;

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Connections.
    Clients,
    /// Requests, all clients together.
    Requests,
    /// What is asked.
    Mix,
    /// Requests under way on each connection.
    Pipeline,
    /// Bytes of each value.
    ValueSize,
    /// Requests a second of an open loop.
    Rate,
    /// Servers of a cluster that is started for each point.
    Servers,
}

const VARIABLES: [(Variable, &str); 7] = [
    (Variable::Clients, "clients"),
    (Variable::Requests, "requests"),
    (Variable::Mix, "mix"),
    (Variable::Pipeline, "pipeline"),
    (Variable::ValueSize, "value-size"),
    (Variable::Rate, "rate"),
    (Variable::Servers, "servers"),
];

impl Variable {
    /// As on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        VARIABLES.iter().find(|(variable, _)| *variable == self).map_or("", |(_, name)| name)
    }
}

/// One value of what is varied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// See [`Variable::Clients`].
    Clients(u32),
    /// See [`Variable::Requests`].
    Requests(u64),
    /// See [`Variable::Mix`].
    Mix(Mix),
    /// See [`Variable::Pipeline`].
    Pipeline(u32),
    /// See [`Variable::ValueSize`].
    ValueSize(u32),
    /// See [`Variable::Rate`].
    Rate(u64),
    /// See [`Variable::Servers`].
    Servers(u16),
}

impl Setting {
    /// The plan with this value.
    #[must_use]
    pub fn apply(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        match self {
            Self::Clients(clients) => plan.clients = *clients,
            Self::Requests(requests) => plan.limit = Limit::Requests(*requests),
            Self::Mix(mix) => plan.mix = mix.clone(),
            Self::Pipeline(pipeline) => plan.pipeline = *pipeline,
            Self::ValueSize(bytes) => plan.value_bytes = *bytes,
            Self::Rate(rate) => plan.rate = Some(*rate),
            Self::Servers(servers) => plan.servers = Some(*servers),
        }
        plan
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clients(number) | Self::Pipeline(number) | Self::ValueSize(number) => {
                number.fmt(f)
            }
            Self::Requests(number) | Self::Rate(number) => number.fmt(f),
            Self::Mix(mix) => mix.fmt(f),
            Self::Servers(number) => number.fmt(f),
        }
    }
}

/// A variable and its values, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// What is varied.
    pub variable: Variable,
    /// At least one.
    pub settings: Vec<Setting>,
}

/// What is wrong with a sweep as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// No variable, or an unknown one.
    #[error(
        "`{0}` is no sweep: give VARIABLE=VALUE,VALUE,… with clients, requests, mix, pipeline, \
         value-size, rate or servers as the variable"
    )]
    Unknown(String),
    /// A value that is none.
    #[error("`{value}` is no value for {variable}: give whole numbers above 0, or sizes as 4k")]
    Value {
        /// Of what.
        variable: &'static str,
        /// As it was given.
        value: String,
    },
    /// A mix that is none.
    #[error("{0}; several mixes with weights are parted by `;`: mix=read-only;get=70,set=30")]
    Mix(#[from] MixError),
    /// Too many.
    #[error("{0} points are above {POINTS_MAX}: give fewer, and several sweeps")]
    Points(usize),
}

impl FromStr for Sweep {
    type Err = SweepError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || SweepError::Unknown(text.to_owned());
        let (name, values) = text.split_once('=').ok_or_else(unknown)?;
        let known = VARIABLES.iter().find(|(_, known)| *known == name);
        let (variable, name) = *known.ok_or_else(unknown)?;
        let separator = if values.contains(';') { ';' } else { ',' };
        let settings: Vec<Setting> = values
            .split(separator)
            .map(|value| setting(variable, name, value.trim()))
            .collect::<Result<_, _>>()?;
        if settings.len() > POINTS_MAX {
            return Err(SweepError::Points(settings.len()));
        }
        Ok(Self { variable, settings })
    }
}

fn setting(variable: Variable, name: &'static str, value: &str) -> Result<Setting, SweepError> {
    let wrong = || SweepError::Value { variable: name, value: value.to_owned() };
    let number = || value.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(wrong);
    let small = || number().and_then(|number| u32::try_from(number).map_err(|_| wrong()));
    Ok(match variable {
        Variable::Clients => Setting::Clients(small()?),
        Variable::Requests => Setting::Requests(number()?),
        Variable::Mix => Setting::Mix(value.parse()?),
        Variable::Pipeline => Setting::Pipeline(small()?),
        Variable::ValueSize => Setting::ValueSize(parse_bytes(value).map_err(|_| wrong())?),
        Variable::Rate => Setting::Rate(number()?),
        Variable::Servers => Setting::Servers(u16::try_from(number()?).map_err(|_| wrong())?),
    })
}

/// Bytes as they are written: `512`, `4k`, `1m`, in binary units.
///
/// # Errors
/// Anything else, and 4 GiB or more; the text says what to give.
pub fn parse_bytes(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.get(..text.len() - 1), 1024),
        Some(b'm' | b'M') => (text.get(..text.len() - 1), 1024 * 1024),
        _ => (Some(text), 1),
    };
    let number = digits.and_then(|digits| digits.parse::<u32>().ok());
    let bytes = number.and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| format!("`{text}` is no size: give bytes, as 512, 4k or 1m"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{POINTS_MAX, Setting, Sweep, SweepError, Variable, parse_bytes};
    use crate::plan::{Limit, tests::plan};

    fn texts(sweep: &str) -> Vec<String> {
        let sweep: Sweep = sweep.parse().expect(sweep);
        sweep.settings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sweeps_are_lists_of_values() {
        assert_eq!(texts("clients=1,2, 5"), ["1", "2", "5"]);
        assert_eq!(texts("value-size=16,4k,1m"), ["16", "4096", "1048576"]);
        assert_eq!(texts("mix=read-only,mixed"), ["read-only", "mixed"]);
        assert_eq!(texts("mix=mixed;get=70,set=30"), ["mixed", "get=70,set=30"]);
        let sweep: Sweep = "servers=1,30".parse().expect("a sweep");
        assert_eq!((sweep.variable, sweep.variable.name()), (Variable::Servers, "servers"));
        let applied = Setting::Requests(7).apply(&plan("localhost:1"));
        assert_eq!(applied.limit, Limit::Requests(7));
    }

    #[test]
    fn what_is_wrong_with_a_sweep_is_said() {
        for bad in ["", "clients", "colour=1"] {
            assert_eq!(bad.parse::<Sweep>(), Err(SweepError::Unknown(bad.into())));
        }
        for bad in ["clients=", "clients=0", "clients=1,,2", "clients=4294967296", "servers=65536"]
        {
            assert!(matches!(bad.parse::<Sweep>(), Err(SweepError::Value { .. })), "{bad}");
        }
        assert!(matches!("mix=get=70,odd=1".parse::<Sweep>(), Err(SweepError::Mix(_))));
        let points = |count| format!("clients=1{}", ",1".repeat(count - 1)).parse::<Sweep>();
        assert!(points(POINTS_MAX).is_ok());
        assert_eq!(points(POINTS_MAX + 1), Err(SweepError::Points(POINTS_MAX + 1)));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("0"), Ok(0));
        assert_eq!((parse_bytes("4k"), parse_bytes("4K")), (Ok(4_096), Ok(4_096)));
        assert_eq!(parse_bytes("4095m"), Ok(4_095 << 20));
        for bad in ["", "k", "4096m", "1g", "-1", "1.5k"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_refused(text in ".{0,40}") {
            let _ = text.parse::<Sweep>();
            let _ = parse_bytes(&text);
        }
    }
}
