//! Pure. What share of the requests is of which kind.

use std::fmt;
use std::str::FromStr;

use crate::random::Random;

/// What is measured apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `GET`.
    Get,
    /// `SET`.
    Set,
    /// `INCR`, of counters beside the other keys.
    Incr,
    /// `DEL` of one key.
    Del,
    /// `EXISTS` of one key.
    Exists,
}

/// How many kinds there are.
pub const KINDS: usize = 5;

impl Kind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; KINDS] = [Self::Get, Self::Set, Self::Incr, Self::Del, Self::Exists];

    /// As in mixes and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Incr => "incr",
            Self::Del => "del",
            Self::Exists => "exists",
        }
    }

    /// Its place in [`Kind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The largest weight of one kind.
pub const WEIGHT_MAX: u32 = 1_000_000;

const NAMED: [(&str, [u32; KINDS]); 5] = [
    ("read-only", [100, 0, 0, 0, 0]),
    ("read-mainly", [95, 5, 0, 0, 0]),
    ("mixed", [50, 50, 0, 0, 0]),
    ("write-mainly", [5, 95, 0, 0, 0]),
    ("write-only", [0, 100, 0, 0, 0]),
];

/// The weights of the kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    weights: [u32; KINDS],
    total: u64,
}

/// What is wrong with a mix as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// Neither a name nor weights.
    #[error(
        "`{0}` is no mix: give read-only, read-mainly, mixed, write-mainly, write-only, or \
         weights as in get=70,set=25,incr=5"
    )]
    Unknown(String),
    /// Not an operation of this program.
    #[error("`{0}` in a mix is no operation: take get, set, incr, del, exists")]
    Operation(String),
    /// A weight that is no number, or too large.
    #[error("the weight of `{0}` is not in 0..={WEIGHT_MAX}")]
    Weight(String),
    /// Twice the same kind.
    #[error("`{0}` is in the mix twice")]
    Twice(String),
    /// All weights are 0.
    #[error("a mix needs an operation with a weight above 0")]
    Empty,
}

impl Mix {
    /// The weight of a kind.
    #[must_use]
    pub fn weight(&self, kind: Kind) -> u32 {
        self.weights[kind.index()]
    }

    /// Whether keys are read that someone must have written.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.weight(Kind::Get) > 0 || self.weight(Kind::Exists) > 0
    }

    #[inline]
    pub(crate) fn draw(&self, random: &mut Random) -> Kind {
        let mut place = random.below(self.total);
        for kind in Kind::ALL {
            let weight = u64::from(self.weight(kind));
            if place < weight {
                return kind;
            }
            place -= weight;
        }
        Kind::Exists
    }

    fn new(weights: [u32; KINDS]) -> Result<Self, MixError> {
        let total = weights.iter().map(|weight| u64::from(*weight)).sum();
        if total == 0 { Err(MixError::Empty) } else { Ok(Self { weights, total }) }
    }
}

impl Default for Mix {
    /// `mixed`.
    fn default() -> Self {
        Self { weights: [50, 50, 0, 0, 0], total: 100 }
    }
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, weights)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Self::new(*weights);
        }
        let mut weights = [None; KINDS];
        for part in text.split(',') {
            let (name, weight) =
                part.split_once('=').ok_or_else(|| MixError::Unknown(text.to_owned()))?;
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name.trim());
            let kind = kind.ok_or_else(|| MixError::Operation(name.to_owned()))?;
            let weight = weight.trim().parse().ok().filter(|weight| *weight <= WEIGHT_MAX);
            let weight: u32 = weight.ok_or_else(|| MixError::Weight(name.to_owned()))?;
            if weights[kind.index()].replace(weight).is_some() {
                return Err(MixError::Twice(name.to_owned()));
            }
        }
        Self::new(weights.map(Option::unwrap_or_default))
    }
}

/// Its name if it has one, else the weights.
impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = NAMED.iter().find(|(_, weights)| *weights == self.weights) {
            return f.write_str(name);
        }
        let mut separator = "";
        for kind in Kind::ALL.into_iter().filter(|kind| self.weight(*kind) > 0) {
            write!(f, "{separator}{}={}", kind.name(), self.weight(kind))?;
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{KINDS, Kind, Mix, MixError, NAMED, WEIGHT_MAX};
    use crate::random::Random;

    #[test]
    fn mixes_have_names_or_weights() {
        for (name, weights) in NAMED {
            let mix: Mix = name.parse().expect(name);
            assert_eq!((mix.weights, mix.to_string()), (weights, name.to_owned()));
        }
        let mix: Mix = "get=70, set=25,incr=5".parse().expect("weights");
        assert_eq!(mix.to_string(), "get=70,set=25,incr=5");
        assert_eq!("get=50,set=50".parse(), Ok(Mix::default()));
    }

    #[test]
    fn what_is_wrong_with_a_mix_is_said() {
        let owned = str::to_owned;
        let too_large = format!("get={}", u64::from(WEIGHT_MAX) + 1);
        let cases = [
            ("", MixError::Unknown(String::new())),
            ("get", MixError::Unknown(owned("get"))),
            ("fetch=1", MixError::Operation(owned("fetch"))),
            ("get=-1", MixError::Weight(owned("get"))),
            (too_large.as_str(), MixError::Weight(owned("get"))),
            ("get=1,get=1", MixError::Twice(owned("get"))),
            ("get=0,set=0", MixError::Empty),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Mix>(), Err(error), "{text}");
        }
        assert!(format!("del={WEIGHT_MAX}").parse::<Mix>().is_ok());
    }

    #[test]
    fn kinds_come_as_often_as_they_weigh() {
        let mix: Mix = "get=70,set=25,incr=5".parse().expect("weights");
        let mut random = Random::new(1, 0);
        let mut counts = [0_i32; KINDS];
        for _ in 0..100_000 {
            counts[mix.draw(&mut random).index()] += 1;
        }
        for kind in Kind::ALL {
            let expected = mix.weight(kind) as i32 * 1_000;
            let count = counts[kind.index()];
            assert!((count - expected).abs() < 1_000, "{}: {count}", kind.name());
        }
    }

    proptest! {
        #[test]
        fn a_mix_reads_back_as_it_is_written(weights in prop::array::uniform5(0..=WEIGHT_MAX)) {
            if let Ok(mix) = Mix::new(weights) {
                prop_assert_eq!(mix.to_string().parse(), Ok(mix));
            }
        }
    }
}
