//! Pure. How keys are written, and which client has which.

/// Bytes of every key.
pub(crate) const KEY_BYTES: usize = 16;
/// The largest key space: its numbers fit into [`KEY_BYTES`].
pub(crate) const KEYS_MAX: u64 = 1_000_000_000;

const DIGITS: usize = 12;

/// Counters are apart from the keys of values: `INCR` of a value is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Values,
    Counters,
}

/// The key of this number, as `key:000000000042`.
#[inline]
pub(crate) fn key(space: Space, number: u64) -> [u8; KEY_BYTES] {
    let mut text = match space {
        Space::Values => *b"key:000000000000",
        Space::Counters => *b"ctr:000000000000",
    };
    let mut rest = number;
    for place in text.iter_mut().rev().take(DIGITS) {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

/// The keys that one client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    first: u64,
    step: u64,
    /// How many.
    pub(crate) keys: u64,
}

impl Share {
    /// All of them.
    pub(crate) const fn whole(keys: u64) -> Self {
        Self { first: 0, step: 1, keys }
    }

    /// Every `clients`th: no other client's. Hot keys are spread over the clients.
    pub(crate) const fn of_client(keys: u64, client: u32, clients: u32) -> Self {
        let (client, clients) = (client as u64, clients as u64);
        let count = if client < keys { (keys - client).div_ceil(clients) } else { 0 };
        Self { first: client, step: clients, keys: count }
    }

    /// The number of the share's key at this place, which is below `keys`.
    #[inline]
    pub(crate) const fn number(self, place: u64) -> u64 {
        self.first + place * self.step
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{KEYS_MAX, Share, Space, key};

    #[test]
    fn keys_have_their_number_and_one_length() {
        assert_eq!(&key(Space::Values, 42), b"key:000000000042");
        assert_eq!(&key(Space::Counters, KEYS_MAX - 1), b"ctr:000999999999");
    }

    #[test]
    fn shares_are_disjoint_and_together_all() {
        for (keys, clients) in [(10, 3), (3, 3), (2, 3), (1, 1), (1_000, 7)] {
            let mut seen = BTreeSet::new();
            for client in 0..clients {
                let share = Share::of_client(keys, client, clients);
                for place in 0..share.keys {
                    assert!(seen.insert(share.number(place)), "twice");
                }
            }
            assert_eq!(seen, (0..keys).collect());
        }
        assert_eq!(Share::whole(5).number(4), 4);
    }
}
