//! Pure. Who takes part in a handoff: servers, incarnations, epochs, and the handoff's own name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The number of a change of ownership. Of two claims to a point the higher epoch is the later.
pub type Epoch = u64;

/// A version of a record: the hybrid clock of its owner at the write (48 bits of wall-clock
/// milliseconds, 16 bits of counter). It grows per key, across owners.
pub type Version = u64;

/// 128 random bits, never drawn twice; 32 hexadecimal digits in text and JSON.
macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(InvalidId);
                }
                u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

random_id! {
    /// The name of one handoff. A new plan draws a new one.
    HandoffId
}

random_id! {
    /// Drawn once, when a volume is first used; it tells a volume from a later one of the same
    /// name.
    Incarnation
}

random_id! {
    /// The name of a cluster, drawn when it is made.
    ClusterId
}

/// A text that is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identity is 32 hexadecimal digits")]
pub struct InvalidId;

/// One server on one volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Server {
    /// The name in the ring, such as `kv-1`.
    pub name: String,
    /// Which volume under that name.
    pub incarnation: Incarnation,
}
