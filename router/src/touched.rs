//! Pure. The keys of a client's commands over several keys that are under way.
//!
//! A server that refuses such a command marks the range of the refused key, and not those of the
//! command's other keys. A later command of the same client on one of those would overtake it; so
//! it waits until everything under way is answered.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ring::Point;

/// Past so many keys everything that follows waits.
const KEYS_MAX: usize = 4_096;

/// Points of keys, and whether they may be written.
#[derive(Debug, Default)]
pub(crate) struct Touched(HashMap<u128, bool, BuildHasherDefault<LowBits>>);

impl Touched {
    /// A command over several keys with this one is sent.
    pub(crate) fn add(&mut self, point: Point, writes: bool) {
        *self.0.entry(point.0).or_default() |= writes;
    }

    /// Whether a command on this point has to wait.
    #[inline]
    pub(crate) fn hinders(&self, point: Point, writes: bool) -> bool {
        if self.0.is_empty() {
            return false;
        }
        self.0.len() >= KEYS_MAX || self.0.get(&point.0).is_some_and(|written| *written || writes)
    }

    /// Nothing is under way.
    pub(crate) fn clear(&mut self) {
        if !self.0.is_empty() {
            self.0.clear();
        }
    }
}

/// Points are MD5 sums; their bits need no further mixing.
#[derive(Debug, Default)]
pub(crate) struct LowBits(u64);

impl Hasher for LowBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, point: u128) {
        self.0 = u64::try_from(point & u128::from(u64::MAX)).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_wait_for_all_and_reads_for_writes() {
        let mut touched = Touched::default();
        assert!(!touched.hinders(Point(1), true));
        touched.add(Point(1), false);
        touched.add(Point(2), true);
        touched.add(Point(2), false);
        assert!(touched.hinders(Point(1), true) && !touched.hinders(Point(1), false));
        assert!(touched.hinders(Point(2), true) && touched.hinders(Point(2), false));
        assert!(!touched.hinders(Point(3), true));
        touched.clear();
        assert!(!touched.hinders(Point(2), true));
        (0..KEYS_MAX as u128).for_each(|n| touched.add(Point(n), false));
        assert!(touched.hinders(Point(u128::MAX), false), "too many to go on");
    }
}
