//! Pure. How evenly a ring shares itself and a number of keys among its members.

use serde::{Deserialize, Serialize};

use crate::{Point, Ring};

/// What `ringkv ring` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// The members in the order in which they joined.
    pub servers: Vec<ServerShare>,
    /// The largest arc share over the mean share.
    pub max_over_mean: f64,
    /// The largest number of keys over the mean number; 0 without keys.
    pub keys_max_over_mean: f64,
}

/// One member's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerShare {
    /// Its name.
    pub name: String,
    /// Its part of the points, in `0.0 ..= 1.0`.
    pub arc_share: f64,
    /// How many of the keys it has.
    pub keys: u64,
}

impl Distribution {
    /// The parts of a ring, and of the keys `key-0`, `key-1`, and so on.
    #[must_use]
    pub fn of(ring: &Ring, keys: u64) -> Self {
        let mut counts = vec![0_u64; ring.members().len()];
        for number in 0..keys {
            let point = Point::of(format!("key-{number}").as_bytes());
            counts[ring.owner_index(point)] += 1;
        }
        Self::from_counts(ring, counts)
    }

    /// The parts of a ring, and given numbers of keys in the order of [`Ring::members`].
    #[must_use]
    pub fn from_counts(ring: &Ring, counts: impl IntoIterator<Item = u64>) -> Self {
        let shares = ring.shares();
        let servers: Vec<ServerShare> = ring
            .members()
            .iter()
            .zip(counts)
            .map(|(name, keys)| ServerShare {
                name: name.clone(),
                arc_share: shares.get(name).copied().unwrap_or(0.0),
                keys,
            })
            .collect();
        Self {
            max_over_mean: max_over_mean(servers.iter().map(|server| server.arc_share)),
            keys_max_over_mean: max_over_mean(servers.iter().map(|server| server.keys as f64)),
            servers,
        }
    }
}

fn max_over_mean(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = values.len();
    let sum: f64 = values.clone().sum();
    if sum == 0.0 { 0.0 } else { values.fold(0.0, f64::max) * count as f64 / sum }
}

#[cfg(test)]
mod tests;
