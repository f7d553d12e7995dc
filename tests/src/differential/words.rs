//! Pure. The words of random commands: keys, values, numbers and options, good ones and bad ones.

use crate::random::Random;

/// Ordinary keys.
const KEYS: u32 = 24;
/// Bytes of a long value.
const LONG_VALUE_BYTES: u32 = 8 * 1024;
/// Bytes of a very long value.
const HUGE_VALUE_BYTES: u32 = 1024 * 1024;
/// The farthest offset that is written to on purpose.
const MAX_OFFSET: u32 = 200_000;
/// The first of the Unix times to which expiries are set: far from now, so that it does not matter
/// that the clocks of two servers differ.
const FIRST_EXPIRY_SECONDS: u64 = 2_200_000_000;

/// Numbers at which something may break.
const ODD_NUMBERS: [&str; 30] = [
    "0",
    "-0",
    "00",
    "01",
    "-01",
    "+1",
    " 1",
    "1 ",
    "1.0",
    "1e2",
    "1x",
    "",
    "-",
    "abc",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775",
    "9223372036854776",
    "-9223372036854776",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967296",
    "99999999999999999999",
    "-1",
    "1\u{0}",
];

/// Numbers with a fraction, and what is none.
const ODD_FLOATS: [&str; 23] = [
    "0.1", "-0.25", ".5", "1.", "-.5", "1e3", "1e-3", "3.0e0", "+2.5", "inf", "-inf", "Infinity",
    "nan", "NaN", "1e5000", "-1e5000", "1e-400", "", " 1", "1 ", "1.2.3", "abc", "1e",
];

/// What there is to make a stream of random commands.
#[derive(Debug)]
pub struct Maker {
    random: Random,
}

impl Maker {
    /// Begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    /// Whether something happens that happens once in so many times.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.random.below(limit)
    }

    /// One of several.
    pub fn one_of<'a, T>(&mut self, several: &'a [T]) -> &'a T {
        &several[self.below(u32::try_from(several.len()).unwrap_or(u32::MAX)) as usize]
    }

    /// A key, most often one that was used before.
    pub fn key(&mut self) -> Vec<u8> {
        match self.below(20) {
            0 => Vec::new(),
            1 => vec![0, 255, b'\r', b'\n', 128],
            2 => b"with space {t}".to_vec(),
            3 => vec![b'x'; 300],
            4 => "schlüssel".as_bytes().to_vec(),
            _ => format!("k{}", self.below(KEYS)).into_bytes(),
        }
    }

    /// A value of any kind.
    pub fn value(&mut self) -> Vec<u8> {
        match self.below(100) {
            0..30 => self.small_number().into_bytes(),
            30..40 => self.one_of(&ODD_NUMBERS).as_bytes().to_vec(),
            40..48 => self.one_of(&ODD_FLOATS).as_bytes().to_vec(),
            48..55 => Vec::new(),
            55..93 => self.bytes(40),
            93..99 => self.bytes(LONG_VALUE_BYTES),
            _ if self.once_in(4) => self.bytes(HUGE_VALUE_BYTES),
            _ => self.bytes(LONG_VALUE_BYTES * 4),
        }
    }

    /// Up to so many random bytes; in half of the cases printable.
    pub fn bytes(&mut self, max: u32) -> Vec<u8> {
        let length = self.below(max + 1) as usize;
        let printable = self.once_in(2);
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend(self.random.next().to_le_bytes());
        }
        bytes.truncate(length);
        if printable {
            bytes.iter_mut().for_each(|byte| *byte = b' ' + *byte % 95);
        }
        bytes
    }

    /// An amount to add.
    pub fn number(&mut self) -> Vec<u8> {
        if self.once_in(6) {
            return self.one_of(&ODD_NUMBERS).as_bytes().to_vec();
        }
        self.small_number().into_bytes()
    }

    fn small_number(&mut self) -> String {
        let number = i64::from(self.below(2_000)) - 1_000;
        number.to_string()
    }

    /// A number with a fraction.
    pub fn float(&mut self) -> Vec<u8> {
        match self.below(4) {
            0 => self.one_of(&ODD_FLOATS).as_bytes().to_vec(),
            1 => self.small_number().into_bytes(),
            2 => format!("{}.{}", self.small_number(), self.below(100)).into_bytes(),
            _ => format!("0.{:06}", self.below(1_000_000)).into_bytes(),
        }
    }

    /// A place in a string, often one from its end.
    pub fn place(&mut self) -> Vec<u8> {
        match self.below(10) {
            0 => self.one_of(&ODD_NUMBERS).as_bytes().to_vec(),
            1 => format!("{}", i64::from(self.below(20_000)) - 10_000).into_bytes(),
            _ => format!("{}", i64::from(self.below(60)) - 30).into_bytes(),
        }
    }

    /// A place to write at; never one so far that it makes a value longer than ringkv takes and
    /// Redis does not mind.
    pub fn offset(&mut self) -> Vec<u8> {
        match self.below(20) {
            0 => self
                .one_of(&["-1", "abc", "", "536870912", "9223372036854775807", "01"])
                .as_bytes()
                .to_vec(),
            1 => format!("{}", self.below(MAX_OFFSET)).into_bytes(),
            _ => format!("{}", self.below(50)).into_bytes(),
        }
    }

    /// A time to live: long, over, or not one.
    pub fn time_to_live(&mut self, units_per_second: u64) -> Vec<u8> {
        if self.once_in(8) {
            return self.one_of(&ODD_NUMBERS).as_bytes().to_vec();
        }
        if self.once_in(12) {
            return format!("-{}", self.below(100_000)).into_bytes();
        }
        let seconds = 10_000 + u64::from(self.below(100_000_000));
        (seconds * units_per_second).to_string().into_bytes()
    }

    /// A Unix time: far off, long ago, or not one.
    pub fn unix_time(&mut self, units_per_second: u64) -> Vec<u8> {
        if self.once_in(8) {
            return self.one_of(&ODD_NUMBERS).as_bytes().to_vec();
        }
        if self.once_in(12) {
            return (u64::from(self.below(1_000_000_000)) * units_per_second)
                .to_string()
                .into_bytes();
        }
        let seconds = FIRST_EXPIRY_SECONDS + u64::from(self.below(2_000_000_000));
        let rest = if units_per_second == 1 { 0 } else { u64::from(self.below(1_000)) };
        (seconds * units_per_second + rest).to_string().into_bytes()
    }

    /// A pattern of keys.
    pub fn pattern(&mut self) -> Vec<u8> {
        let patterns: [&[u8]; 18] = [
            b"*", b"k*", b"k1?", b"k[0-3]", b"k[^0-3]", b"k[13]*", b"*1", b"?", b"", b"\\k*",
            b"k\\1", b"[", b"k[", b"k[]*", b"k[3-1]", b"*{t}*", b"\xff*", b"**1**",
        ];
        self.one_of(&patterns).to_vec()
    }

    /// A word in another case, now and then.
    pub fn cased(&mut self, word: &str) -> Vec<u8> {
        match self.below(4) {
            0 => word.to_ascii_lowercase().into_bytes(),
            1 => {
                let flip =
                    |byte: u8| if self.once_in(2) { byte.to_ascii_lowercase() } else { byte };
                word.bytes().map(flip).collect()
            }
            _ => word.as_bytes().to_vec(),
        }
    }
}
