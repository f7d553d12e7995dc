//! Pure. As much of RESP and of the Redis Cluster as the loads here speak.

use super::benchmark::KEY_BYTES;

/// Into so many slots a Redis Cluster divides its keys.
pub(crate) const SLOTS: u16 = 16_384;

/// Appends a command to what is sent.
pub(crate) fn put_command(to: &mut Vec<u8>, words: &[&[u8]]) {
    to.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        to.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        to.extend_from_slice(word);
        to.extend_from_slice(b"\r\n");
    }
}

/// A key as redis-benchmark makes it.
pub(crate) fn key(number: u64) -> String {
    let digits = KEY_BYTES as usize - "key:".len();
    format!("key:{number:0digits$}")
}

/// A value that no compression makes smaller, and that is the same for the same number.
pub(crate) fn value(number: u64, bytes: u32) -> Vec<u8> {
    let mut random = Random::new(number);
    (0..bytes).map(|_| random.next() as u8).collect()
}

/// Numbers that look random: xorshift, for loads and not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Another row of numbers for each seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }
}

/// The slot of a key without braces.
pub(crate) fn slot_of(key: &[u8]) -> u16 {
    let crc = key.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

/// Where a server of a Redis Cluster sends a client on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redirection {
    /// For good: the slot, and the port of its owner.
    Moved(u16, u16),
    /// Once, with ASKING before the command.
    Ask(u16),
}

impl Redirection {
    /// Reads an error; `None` if it sends nobody anywhere.
    pub(crate) fn parse(error: &str) -> Option<Self> {
        let mut words = error.split(' ');
        let (code, slot) = (words.next()?, words.next()?.parse::<u16>().ok()?);
        let (_, port) = words.next()?.rsplit_once(':')?;
        let port = port.parse().ok()?;
        match code {
            "MOVED" if slot < SLOTS => Some(Self::Moved(slot, port)),
            "ASK" => Some(Self::Ask(port)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_benchmark() {
        assert_eq!(key(42), "key:000000000042");
        assert_eq!(key(42).len() as u64, KEY_BYTES);
    }

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        let mut bytes = Vec::new();
        put_command(&mut bytes, &[b"GET", b"a"]);
        assert_eq!(bytes, b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot_of(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
    }

    #[test]
    fn redirections_are_told_from_other_errors() {
        let check = |error: &str, expected| assert_eq!(Redirection::parse(error), expected);
        check("MOVED 3999 127.0.0.1:6381", Some(Redirection::Moved(3_999, 6_381)));
        check("ASK 3999 127.0.0.1:6381", Some(Redirection::Ask(6_381)));
        check("MOVED 16384 127.0.0.1:6381", None);
        check("MOVED 1 127.0.0.1", None);
        check("CLUSTERDOWN Hash slot not served", None);
        check("", None);
    }

    #[test]
    fn values_depend_on_their_number() {
        assert_eq!(value(7, 100), value(7, 100));
        assert_ne!(value(7, 100), value(8, 100));
        assert_eq!(value(7, 100).len(), 100);
    }
}
