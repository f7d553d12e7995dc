//! Pure. Which keys are asked for: all alike, or few of them most of the time.

use std::fmt;
use std::str::FromStr;

use crate::random::Random;

/// How the asked keys are spread over the key space.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Distribution {
    /// All keys alike.
    #[default]
    Uniform,
    /// The key of rank `r` (from 1) as often as `1 / r^theta`.
    Zipf {
        /// The skew, in [`THETA_MIN`]`..=`[`THETA_MAX`]; YCSB's is 0.99.
        theta: f64,
    },
}

/// The skew of `zipf` without a number.
pub const THETA_DEFAULT: f64 = 0.99;
/// Less skew is none: take `uniform`.
pub const THETA_MIN: f64 = 0.01;
/// With more nearly every request is for one key.
pub const THETA_MAX: f64 = 5.0;

/// What is wrong with a distribution as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no distribution: give `uniform`, `zipf`, or `zipf=THETA` with THETA from \
     {THETA_MIN} to {THETA_MAX}"
)]
pub struct DistributionError(String);

impl FromStr for Distribution {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let theta = match text.split_once('=') {
            None if text == "uniform" => return Ok(Self::Uniform),
            None if text == "zipf" => Some(THETA_DEFAULT),
            Some(("zipf", number)) => number.parse().ok(),
            _ => None,
        };
        match theta.filter(|theta| (THETA_MIN..=THETA_MAX).contains(theta)) {
            Some(theta) => Ok(Self::Zipf { theta }),
            None => Err(DistributionError(text.to_owned())),
        }
    }
}

/// As it is read.
impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf { theta } => write!(f, "zipf={theta}"),
        }
    }
}

/// Draws keys.
#[derive(Clone, Debug)]
pub(crate) enum Sampler {
    Uniform { keys: u64 },
    Zipf(Zipf),
}

impl Sampler {
    /// Draws from `0..keys`, which is not empty.
    pub(crate) fn new(distribution: Distribution, keys: u64) -> Self {
        let keys = keys.max(1);
        match distribution {
            Distribution::Uniform => Self::Uniform { keys },
            Distribution::Zipf { theta } => Self::Zipf(Zipf::new(theta, keys)),
        }
    }

    /// The next key's number, from 0; the smallest are the hottest.
    #[inline]
    pub(crate) fn draw(&self, random: &mut Random) -> u64 {
        match self {
            Self::Uniform { keys } => random.below(*keys),
            Self::Zipf(zipf) => zipf.draw(random),
        }
    }
}

/// Rejection-inversion (Hörmann and Derflinger 1996): exact, without a table, for any skew.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    theta: f64,
    ranks: f64,
    /// The integral of the hat at the left end of the first bar, and at the right of the last.
    first: f64,
    last: f64,
    /// So close below its rank a point is under the bar for sure.
    squeeze: f64,
}

impl Zipf {
    #[expect(clippy::cast_precision_loss, reason = "key spaces are far below 2^53")]
    fn new(theta: f64, keys: u64) -> Self {
        let ranks = keys as f64;
        let mut zipf = Self { theta, ranks, first: 0.0, last: 0.0, squeeze: 0.0 };
        zipf.first = zipf.integral(1.5) - 1.0;
        zipf.last = zipf.integral(ranks + 0.5);
        zipf.squeeze = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.density(2.0));
        zipf
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 1..=ranks")]
    fn draw(&self, random: &mut Random) -> u64 {
        loop {
            let area = self.last + random.unit() * (self.first - self.last);
            let point = self.inverse(area);
            let rank = (point + 0.5).floor().clamp(1.0, self.ranks);
            if rank - point <= self.squeeze
                || area >= self.integral(rank + 0.5) - self.density(rank)
            {
                return rank as u64 - 1;
            }
        }
    }

    fn density(&self, x: f64) -> f64 {
        (-self.theta * x.ln()).exp()
    }

    /// The integral of the density from 1 to x.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        relative_expm1((1.0 - self.theta) * log) * log
    }

    fn inverse(&self, area: f64) -> f64 {
        // Below -1 only by rounding.
        let t = (area * (1.0 - self.theta)).max(-1.0);
        (relative_ln_1p(t) * area).exp()
    }
}

/// `(e^x - 1) / x`, also near 0.
fn relative_expm1(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + x / 2.0 }
}

/// `ln(1 + x) / x`, also near 0.
fn relative_ln_1p(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.ln_1p() / x } else { 1.0 - x / 2.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Distribution, Sampler};
    use crate::random::Random;

    #[test]
    fn distributions_are_read_and_written() {
        for text in ["uniform", "zipf=0.99", "zipf=0.01", "zipf=1", "zipf=5"] {
            assert_eq!(text.parse::<Distribution>().expect(text).to_string(), text);
        }
        assert_eq!("zipf".parse(), Ok(Distribution::Zipf { theta: 0.99 }));
        for bad in ["", "zipf=", "zipf=0.009", "zipf=5.01", "zipf=NaN", "uniform=1", "normal"] {
            assert!(bad.parse::<Distribution>().is_err(), "{bad}");
        }
    }

    #[test]
    fn frequencies_of_zipf_are_those_of_theory() {
        const KEYS: u32 = 50;
        const DRAWS: u32 = 200_000;
        for theta in [0.5, 0.99, 1.0, 1.2, 2.5] {
            let sampler = Sampler::new(Distribution::Zipf { theta }, u64::from(KEYS));
            let mut random = Random::new(7, 0);
            let mut counts = [0_u32; KEYS as usize];
            for _ in 0..DRAWS {
                counts[sampler.draw(&mut random) as usize] += 1;
            }
            let weight = |rank: u32| f64::from(rank).powf(-theta);
            let sum: f64 = (1..=KEYS).map(weight).sum();
            let chi_square: f64 = (1..=KEYS)
                .zip(counts)
                .map(|(rank, count)| {
                    let expected = f64::from(DRAWS) * weight(rank) / sum;
                    (f64::from(count) - expected).powi(2) / expected
                })
                .sum();
            // 49 degrees of freedom: above 85 in one of a thousand sequences.
            assert!(chi_square < 85.0, "theta {theta}: {chi_square}");
        }
    }

    proptest! {
        #[test]
        fn draws_are_of_the_key_space(theta in 0.01..5.0, keys in 1_u64..1 << 32, seed: u64) {
            let mut random = Random::new(seed, 0);
            for distribution in [Distribution::Uniform, Distribution::Zipf { theta }] {
                let sampler = Sampler::new(distribution, keys);
                for _ in 0..20 {
                    prop_assert!(sampler.draw(&mut random) < keys);
                }
            }
        }
    }
}
