//! Pure. Random steps: every command that ringkv has, with good and with bad words.

use super::stream::{Request, Step, Words};
use super::words::Maker;

/// The most commands sent at once.
const PIPELINE_MAX: u32 = 40;
/// How long keys of a fleeting step live.
const FLEETING_MS: u64 = 15;
/// How long such a step waits.
const FLEETING_WAIT_MS: u64 = 40;
/// The most keys of one command.
const MANY: u32 = 6;

/// The longest word of a command that is made wrong.
const SPOILT_WORD_BYTES_MAX: usize = 1_000;

/// A kind of word, or of several.
#[derive(Clone, Copy, Debug)]
enum Part {
    Key,
    Value,
    Number,
    Float,
    Place,
    Offset,
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
    Pattern,
    Keys,
    Pairs,
    /// A key, another value and so on, all with the same key.
    SamePairs,
    /// The key again.
    Again,
    SetOptions,
    GetExOptions,
    ExpireOptions,
    Word(&'static str),
}

use Part::{
    Again, ExpireOptions, Float, GetExOptions, Key, Keys, Milliseconds, Number, Offset, Pairs,
    Pattern, Place, SamePairs, Seconds, SetOptions, UnixMilliseconds, UnixSeconds, Value, Word,
};

/// Every command on keys, and how often it comes.
const COMMANDS: &[(u32, &str, &[Part])] = &[
    (6, "GET", &[Key]),
    (10, "SET", &[Key, Value]),
    (10, "SET", &[Key, Value, SetOptions]),
    (2, "SETNX", &[Key, Value]),
    (2, "SETEX", &[Key, Seconds, Value]),
    (2, "PSETEX", &[Key, Milliseconds, Value]),
    (2, "GETSET", &[Key, Value]),
    (2, "GETDEL", &[Key]),
    (5, "GETEX", &[Key, GetExOptions]),
    (3, "MGET", &[Keys]),
    (3, "MSET", &[Pairs]),
    (2, "MSETNX", &[SamePairs]),
    (4, "APPEND", &[Key, Value]),
    (2, "STRLEN", &[Key]),
    (5, "GETRANGE", &[Key, Place, Place]),
    (2, "SUBSTR", &[Key, Place, Place]),
    (4, "SETRANGE", &[Key, Offset, Value]),
    (3, "INCR", &[Key]),
    (3, "DECR", &[Key]),
    (4, "INCRBY", &[Key, Number]),
    (4, "DECRBY", &[Key, Number]),
    (2, "INCRBYFLOAT", &[Key, Float]),
    (2, "DEL", &[Keys]),
    (1, "UNLINK", &[Keys]),
    (2, "EXISTS", &[Keys]),
    (1, "TOUCH", &[Keys]),
    (2, "TYPE", &[Key]),
    (1, "RENAME", &[Key, Again]),
    (1, "RENAMENX", &[Key, Again]),
    (4, "EXPIRE", &[Key, Seconds, ExpireOptions]),
    (3, "PEXPIRE", &[Key, Milliseconds, ExpireOptions]),
    (4, "EXPIREAT", &[Key, UnixSeconds, ExpireOptions]),
    (3, "PEXPIREAT", &[Key, UnixMilliseconds, ExpireOptions]),
    (3, "TTL", &[Key]),
    (3, "PTTL", &[Key]),
    (3, "EXPIRETIME", &[Key]),
    (3, "PEXPIRETIME", &[Key]),
    (3, "PERSIST", &[Key]),
    (1, "KEYS", &[Pattern]),
    (1, "DBSIZE", &[]),
    (1, "RANDOMKEY", &[]),
    (1, "PING", &[]),
    (1, "PING", &[Value]),
    (1, "ECHO", &[Value]),
    (1, "SELECT", &[Number]),
    (1, "SELECT", &[Word("0")]),
    (1, "CLIENT", &[Word("SETNAME"), Key]),
    (1, "CLIENT", &[Word("GETNAME")]),
    (1, "CLIENT", &[Word("NO-EVICT"), Word("on")]),
    (1, "CLIENT", &[Key, Value]),
    (1, "CONFIG", &[Key, Value]),
    (1, "COMMAND", &[Word("GETKEYS"), Word("MSET"), Pairs]),
    (1, "COMMAND", &[Word("GETKEYS"), Key, Keys]),
    (1, "HELLO", &[Word("2")]),
    (1, "HELLO", &[Word("3")]),
    (1, "HELLO", &[Number, Key]),
    (1, "AUTH", &[Key]),
    (1, "AUTH", &[Word("default"), Value]),
    (1, "AUTH", &[Key, Value]),
    (1, "TIME", &[]),
    (1, "NOSUCH", &[Keys]),
    (1, "SCAN", &[Number, Pattern]),
    (1, "SCAN", &[Number, Word("COUNT"), Number, Word("X")]),
    (1, "FLUSHALL", &[Value]),
];

/// Words that something else may be exchanged for, or that may be put in.
const BAD_WORDS: [&str; 12] =
    ["", "NX", "XX", "EX", "PX", "GET", "KEEPTTL", "GT", "COUNT", "-1", "syntax", "\u{0}"];

/// One step after the other, without end.
pub struct Steps {
    maker: Maker,
    n_fleeting: u64,
}

impl Steps {
    /// Begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { maker: Maker::new(seed), n_fleeting: 0 }
    }

    /// The next one.
    pub fn step(&mut self) -> Step {
        match self.maker.below(200) {
            0..2 => self.fleeting(),
            2..5 => Step::Scan(self.scan()),
            5..12 => Step::Raw(self.raw()),
            12 if self.maker.once_in(10) => {
                let mode = *self.maker.one_of(&["", "ASYNC", "SYNC"]);
                let mut words = vec![self.maker.cased("FLUSHALL")];
                words.extend((!mode.is_empty()).then(|| mode.as_bytes().to_vec()));
                Step::Pipeline(vec![Request::new(words)])
            }
            _ => self.pipeline(),
        }
    }

    fn pipeline(&mut self) -> Step {
        let length = 1 + self.maker.below(PIPELINE_MAX);
        let mut requests = Vec::new();
        for _ in 0..length {
            let request = self.request();
            // Its result may be set right afterwards, so nothing may come in between.
            let is_last = request.name() == b"INCRBYFLOAT";
            requests.push(request);
            if is_last {
                break;
            }
        }
        Step::Pipeline(requests)
    }

    fn request(&mut self) -> Request {
        loop {
            let mut words = self.command();
            // A long value may not come to stand where a key is: ringkv takes no key so long.
            let is_short = words.iter().all(|word| word.len() <= SPOILT_WORD_BYTES_MAX);
            if is_short && self.maker.once_in(8) {
                self.spoil(&mut words);
            }
            if !may_be_sent(&words) {
                continue;
            }
            let inline =
                self.maker.once_in(30) && words.iter().map(Vec::len).sum::<usize>() < 9_000;
            return Request { words, inline };
        }
    }

    fn command(&mut self) -> Words {
        let all: u32 = COMMANDS.iter().map(|(weight, ..)| weight).sum();
        let mut left = self.maker.below(all);
        let chosen = COMMANDS.iter().find(|(weight, ..)| {
            let found = left < *weight;
            left = left.saturating_sub(*weight);
            found
        });
        let Some((_, name, parts)) = chosen else { return vec![b"PING".to_vec()] };
        let mut words = vec![self.maker.cased(name)];
        for part in *parts {
            self.part(*part, &mut words);
        }
        words
    }

    fn part(&mut self, part: Part, words: &mut Words) {
        let maker = &mut self.maker;
        match part {
            Key => words.push(maker.key()),
            Value => words.push(maker.value()),
            Number => words.push(maker.number()),
            Float => words.push(maker.float()),
            Place => words.push(maker.place()),
            Offset => words.push(maker.offset()),
            Seconds => words.push(maker.time_to_live(1)),
            Milliseconds => words.push(maker.time_to_live(1_000)),
            UnixSeconds => words.push(maker.unix_time(1)),
            UnixMilliseconds => words.push(maker.unix_time(1_000)),
            Pattern => words.push(maker.pattern()),
            Keys => (0..=maker.below(MANY)).for_each(|_| words.push(maker.key())),
            Pairs => {
                (0..=maker.below(MANY)).for_each(|_| words.extend([maker.key(), maker.value()]));
            }
            SamePairs => {
                let key = maker.key();
                (0..=maker.below(3)).for_each(|_| words.extend([key.clone(), maker.value()]));
            }
            Again => words.extend(words.last().cloned()),
            Word(word) => words.push(maker.cased(word)),
            SetOptions => self.options(&["NX", "XX", "GET", "KEEPTTL"], words),
            GetExOptions => self.options(&["PERSIST"], words),
            ExpireOptions => {
                for _ in 0..self.maker.below(3).saturating_sub(self.maker.below(2)) {
                    let option = *self.maker.one_of(&["NX", "XX", "GT", "LT"]);
                    words.push(self.maker.cased(option));
                }
            }
        }
    }

    /// Some of the flags, and an expiry.
    fn options(&mut self, flags: &[&str], words: &mut Words) {
        for _ in 0..self.maker.below(3) {
            if self.maker.once_in(2) {
                let flag = *self.maker.one_of(flags);
                words.push(self.maker.cased(flag));
                continue;
            }
            let (option, number) = match self.maker.below(4) {
                0 => ("EX", self.maker.time_to_live(1)),
                1 => ("PX", self.maker.time_to_live(1_000)),
                2 => ("EXAT", self.maker.unix_time(1)),
                _ => ("PXAT", self.maker.unix_time(1_000)),
            };
            words.extend([self.maker.cased(option), number]);
        }
    }

    /// Makes a command wrong, most likely.
    fn spoil(&mut self, words: &mut Words) {
        let places = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let place = self.maker.below(places) as usize;
        match self.maker.below(5) {
            0 if place > 0 => {
                words.remove(place);
            }
            1 => {
                let copy = words[place].clone();
                words.insert(place, copy);
            }
            2 if place > 0 => words[place] = self.maker.one_of(&BAD_WORDS).as_bytes().to_vec(),
            3 if words.len() > 2 && place > 0 => words.swap(1, place),
            _ => words.push(self.maker.one_of(&BAD_WORDS).as_bytes().to_vec()),
        }
    }

    fn fleeting(&mut self) -> Step {
        let ms = FLEETING_MS.to_string();
        let (mut before, mut after, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let request = |words: &[&str]| {
            Request::new(words.iter().map(|word| word.as_bytes().to_vec()).collect())
        };
        for _ in 0..4 {
            self.n_fleeting += 1;
            let key = format!("fleeting{}", self.n_fleeting);
            match self.maker.below(5) {
                0 => before.push(request(&["SET", &key, "5", "PX", &ms])),
                1 => before.push(request(&["PSETEX", &key, &ms, "5"])),
                2 => {
                    before.extend([request(&["SET", &key, "5"]), request(&["PEXPIRE", &key, &ms])]);
                }
                3 => before
                    .extend([request(&["SET", &key, "5"]), request(&["GETEX", &key, "PX", &ms])]),
                _ => before.extend([
                    request(&["SET", &key, "5", "EX", "100"]),
                    request(&["PEXPIRE", &key, &ms, "LT"]),
                ]),
            }
            let look: &[&[&str]] = &[
                &["GET"],
                &["TTL"],
                &["PTTL"],
                &["EXISTS"],
                &["TYPE"],
                &["STRLEN"],
                &["INCR"],
                &["GETDEL"],
                &["PERSIST"],
                &["EXPIRETIME"],
                &["UNLINK"],
                &["TOUCH"],
            ];
            for _ in 0..3 {
                let words = [*self.maker.one_of(look), &[key.as_str()]].concat();
                after.push(request(&words));
            }
            after.push(request(&["SET", &key, "6", "XX"]));
            keys.push(key);
        }
        let delete: Vec<&str> =
            ["DEL"].into_iter().chain(keys.iter().map(String::as_str)).collect();
        after.extend([request(&delete), request(&["DBSIZE"])]);
        Step::Fleeting { before, wait_ms: FLEETING_WAIT_MS, after }
    }

    fn scan(&mut self) -> Words {
        let mut words = Words::new();
        for _ in 0..self.maker.below(4) {
            match self.maker.below(6) {
                0 | 1 => words.extend([self.maker.cased("MATCH"), self.maker.pattern()]),
                2 => {
                    let kind = *self.maker.one_of(&["string", "list", "nosuch", "STRING"]);
                    words.extend([self.maker.cased("TYPE"), kind.as_bytes().to_vec()]);
                }
                3 => words.extend([self.maker.cased("COUNT"), self.maker.number()]),
                4 => {
                    let count = 1 + self.maker.below(50);
                    words.extend([self.maker.cased("COUNT"), count.to_string().into_bytes()]);
                }
                _ if self.maker.once_in(4) => {
                    words.push(self.maker.one_of(&BAD_WORDS).as_bytes().to_vec());
                }
                _ => {}
            }
        }
        words
    }

    /// Frames, some of them damaged.
    fn raw(&mut self) -> Vec<u8> {
        let starts: [&[u8]; 22] = [
            b"*x\r\n",
            b"*1\r\n#3\r\n",
            b"*1\r\n$x\r\n",
            b"*1\r\n$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"\r\n",
            b"*1\r\n$4\r\nPINGx\r\n",
            b"*2147483648\r\n",
            b"*1\r\n$536870913\r\n",
            b"PING\r\n",
            b"PING \"a\\x41\"\r\n",
            b"PING \"a\r\n",
            b"PING 'a'b\r\n",
            b"  PING   a  \r\n",
            b"\tPING\r\n",
            b"*1\r\n$04\r\nPING\r\n",
            b"$4\r\nPING\r\n",
            b"+PING\r\n",
            b"GET k1 k2\r\n",
            b"*+1\r\n$4\r\nPING\r\n",
            b"PING\n",
        ];
        let mut bytes = Vec::new();
        for _ in 0..1 + self.maker.below(4) {
            match self.maker.below(3) {
                0 => bytes.extend_from_slice(self.maker.one_of::<&[u8]>(&starts)),
                1 => bytes
                    .extend(Request::new(vec![b"PING".to_vec(), self.maker.bytes(30)]).encode()),
                _ => {
                    let words = vec![b"GET".to_vec(), self.maker.key()];
                    let mut frame = Request::new(words).encode();
                    if self.maker.once_in(3) {
                        let places = u32::try_from(frame.len()).unwrap_or(u32::MAX);
                        let place = self.maker.below(places) as usize;
                        frame[place] = *self.maker.one_of(b"\r\n $*0192x-");
                    }
                    bytes.extend(frame);
                }
            }
        }
        if self.maker.once_in(3) {
            bytes.extend_from_slice(b"QUIT\r\nPING\r\n");
        }
        bytes
    }
}

/// Whether the state would still be the same afterwards, by what is documented: commands over keys
/// that may live on different servers are refused as a whole.
fn may_be_sent(words: &[Vec<u8>]) -> bool {
    let name = words.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
    let key = |place: usize| words.get(place);
    match name.as_slice() {
        b"RENAME" | b"RENAMENX" => words.len() != 3 || key(1) == key(2),
        b"MSETNX" => words.iter().skip(1).step_by(2).all(|other| Some(other) == key(1)),
        b"FLUSHALL" => words.len() != 1,
        _ => true,
    }
}
