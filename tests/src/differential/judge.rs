//! Pure. Whether two answers agree: byte by byte, but for the differences that are written down
//! here.

use super::reply::{Reply, frame_end};
use super::stream::Request;

/// How far apart the clocks of two servers may seem: the time between the execution of the same
/// command by the one and by the other, on a machine that is busy.
const CLOCKS_APART_MS: i64 = 10_000;
/// The relative error of a sum that Redis computes with the long doubles of the platform.
const LONG_DOUBLE_ERROR: f64 = 1e-15;

const PROTOCOL_ERROR: &[u8] = b"-ERR Protocol error: ";
/// How much of an error that repeats what was sent is the server's own, at least.
const SAME_ERROR_BYTES: usize = 20;

/// A difference that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Of time alone.
    Clock,
    /// Of order, or of choice.
    Order,
    /// Of the platform's long doubles.
    LongDouble,
    /// Error texts that say more than those of Redis, behind the same words.
    LongerError,
    /// Error texts that repeat bytes of the client's which are no text.
    NoText,
    /// Cursors that no SCAN has given.
    Cursor,
    /// Keys whose time is over, and which Redis has not met again.
    Expired,
    /// Frames that are not closed as they have to be.
    Strict,
    /// Numbers and names that are each server's own.
    Identity,
}

impl Difference {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Clock,
        Self::Order,
        Self::LongDouble,
        Self::LongerError,
        Self::NoText,
        Self::Cursor,
        Self::Expired,
        Self::Strict,
        Self::Identity,
    ];

    /// Which commands it concerns and why it is meant.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Clock => "TTL, PTTL, EXPIRETIME, PEXPIRETIME, TIME: the two clocks differ",
            Self::Order => "KEYS, RANDOMKEY, pages of SCAN: the order of keys is not defined",
            Self::LongDouble => {
                "INCRBYFLOAT: ringkv adds decimal numbers exactly; Redis adds them with the long \
                 doubles of the platform, whose last digits differ between platforms"
            }
            Self::LongerError => {
                "unknown commands and over-long strings: the same words, and then what to do"
            }
            Self::NoText => {
                "errors that repeat what was sent: bytes that are no text are shown as such; Redis \
                 repeats them as they are, up to the first zero"
            }
            Self::Cursor => {
                "SCAN: a cursor that is no plain number is refused; Redis takes the empty one and \
                 negative ones"
            }
            Self::Expired => "DBSIZE: Redis counts expired keys until it meets them",
            Self::Strict => {
                "frames: what follows a number or an argument has to be CRLF; Redis skips any two \
                 bytes there"
            }
            Self::Identity => "HELLO: the number of the connection is each server's own",
        }
    }
}

/// What came out of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same bytes.
    Equal,
    /// A difference that is meant.
    Known(Difference),
    /// Another one.
    Different,
}

/// Compares the answers to a command.
#[must_use]
pub fn judge(request: &Request, ours: &[u8], theirs: &[u8]) -> Verdict {
    if ours == theirs {
        return Verdict::Equal;
    }
    let (Ok(ours), Ok(theirs)) = (Reply::parse(ours), Reply::parse(theirs)) else {
        return Verdict::Different;
    };
    let difference = match request.name().as_slice() {
        b"TTL" | b"EXPIRETIME" => clock(&ours, &theirs, 1_000),
        b"PTTL" | b"PEXPIRETIME" => clock(&ours, &theirs, 1),
        b"TIME" => same_shape(&ours, &theirs).then_some(Difference::Clock),
        b"KEYS" => (sorted(&ours) == sorted(&theirs)).then_some(Difference::Order),
        b"RANDOMKEY" => same_shape(&ours, &theirs).then_some(Difference::Order),
        b"INCRBYFLOAT" => long_double(&ours, &theirs),
        b"HELLO" => same_but_id(&ours, &theirs),
        b"SCAN" => odd_cursor(request, &ours).or_else(|| page(&ours, &theirs)),
        b"DBSIZE" => fewer(&ours, &theirs),
        _ => None,
    };
    difference
        .or_else(|| longer_error(&ours, &theirs))
        .or_else(|| no_text(request, &ours, &theirs))
        .map_or(Verdict::Different, Verdict::Known)
}

/// Compares all that came over a connection on which any bytes were sent.
#[must_use]
pub fn judge_bytes(sent: &[u8], ours: &[u8], theirs: &[u8]) -> Verdict {
    if ours == theirs {
        return Verdict::Equal;
    }
    let (Ok(ours), Ok(theirs)) = (frames(ours), frames(theirs)) else { return Verdict::Different };
    let (mut ours, mut known) = (ours.as_slice(), Difference::LongerError);
    if let [before @ .., last] = ours
        && last.starts_with(PROTOCOL_ERROR)
        && theirs.get(before.len()) != Some(last)
        && is_loose(sent)
    {
        (ours, known) = (before, Difference::Strict);
    } else if ours.len() != theirs.len() {
        return Verdict::Different;
    }
    if ours.len() > theirs.len() {
        return Verdict::Different;
    }
    let lines = sent.split(|byte| b"\r\n".contains(byte)).map(<[u8]>::to_vec);
    let unknown = Request::new([Vec::new()].into_iter().chain(lines).collect());
    let pairs = ours.iter().zip(&theirs);
    let mut verdicts = pairs.map(|(ours, theirs)| judge(&unknown, ours, theirs));
    let odd = verdicts.find(|verdict| !matches!(verdict, Verdict::Equal | Verdict::Known(_)));
    odd.unwrap_or(Verdict::Known(known))
}

/// Whether a line or an argument does not end as it has to.
fn is_loose(sent: &[u8]) -> bool {
    let pairs = [b' '].iter().chain(sent).zip(sent.iter().chain(b" "));
    let is_bare = |(before, byte): (&u8, &u8)| (*before == b'\r') != (*byte == b'\n');
    pairs.into_iter().any(is_bare) || (0..sent.len()).any(|at| is_longer_than_it_says(&sent[at..]))
}

/// Whether these bytes begin with an argument behind whose length no CRLF stands.
fn is_longer_than_it_says(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"$") else { return false };
    let n_digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at(n_digits);
    let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
    let (Some(length), Some(rest)) = (length, rest.strip_prefix(b"\r\n")) else { return false };
    let end = rest.get(length..length.saturating_add(2));
    end.is_some_and(|end| end != b"\r\n")
}

fn frames(mut bytes: &[u8]) -> anyhow::Result<Vec<&[u8]>> {
    let mut frames = Vec::new();
    while let Some(end) = frame_end(bytes)? {
        frames.push(&bytes[..end]);
        bytes = &bytes[end..];
    }
    anyhow::ensure!(bytes.is_empty(), "a part of a frame");
    Ok(frames)
}

fn fewer(ours: &Reply, theirs: &Reply) -> Option<Difference> {
    let (Reply::Integer(ours), Reply::Integer(theirs)) = (ours, theirs) else { return None };
    (ours < theirs).then_some(Difference::Expired)
}

fn clock(ours: &Reply, theirs: &Reply, unit_ms: i64) -> Option<Difference> {
    let (Reply::Integer(ours), Reply::Integer(theirs)) = (ours, theirs) else { return None };
    let apart = ours.abs_diff(*theirs);
    let near = apart <= u64::try_from(CLOCKS_APART_MS / unit_ms).unwrap_or(0);
    (*ours > 0 && *theirs > 0 && near).then_some(Difference::Clock)
}

/// Whether both are strings, or both are lists of as many strings.
fn same_shape(ours: &Reply, theirs: &Reply) -> bool {
    match (ours, theirs) {
        (Reply::Bulk(Some(_)), Reply::Bulk(Some(_))) => true,
        (Reply::List(a, Some(ours)), Reply::List(b, Some(theirs))) => {
            a == b
                && ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| same_shape(ours, theirs))
        }
        _ => false,
    }
}

fn sorted(reply: &Reply) -> Option<Vec<&[u8]>> {
    let Reply::List(b'*', Some(items)) = reply else { return None };
    let mut keys: Vec<&[u8]> = items.iter().filter_map(Reply::bytes).collect();
    keys.sort_unstable();
    (keys.len() == items.len()).then_some(keys)
}

fn long_double(ours: &Reply, theirs: &Reply) -> Option<Difference> {
    let number =
        |reply: &Reply| -> Option<f64> { std::str::from_utf8(reply.bytes()?).ok()?.parse().ok() };
    let (ours, theirs) = (number(ours)?, number(theirs)?);
    let near = (ours - theirs).abs() <= LONG_DOUBLE_ERROR * ours.abs().max(1.0);
    near.then_some(Difference::LongDouble)
}

fn longer_error(ours: &Reply, theirs: &Reply) -> Option<Difference> {
    let (Reply::Error(ours), Reply::Error(theirs)) = (ours, theirs) else { return None };
    let may = [&b"ERR unknown command "[..], b"ERR string exceeds maximum allowed size"];
    let is_known = may.iter().any(|beginning| theirs.starts_with(beginning));
    (is_known && ours.starts_with(theirs)).then_some(Difference::LongerError)
}

/// Whether the errors are the same as far as they are not the client's own bytes.
fn no_text(request: &Request, ours: &Reply, theirs: &Reply) -> Option<Difference> {
    let (Reply::Error(ours), Reply::Error(theirs)) = (ours, theirs) else { return None };
    let same = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
    let is_text = |word: &Vec<u8>| word.iter().all(|byte| (b' '..=b'~').contains(byte));
    let repeats = !request.words.iter().all(is_text);
    (repeats && same >= SAME_ERROR_BYTES).then_some(Difference::NoText)
}

fn odd_cursor(request: &Request, ours: &Reply) -> Option<Difference> {
    let cursor = request.words.get(1)?;
    let is_plain = !cursor.is_empty() && cursor.iter().all(u8::is_ascii_digit);
    let is_refused = *ours == Reply::Error(b"ERR invalid cursor".to_vec());
    (is_refused && !is_plain).then_some(Difference::Cursor)
}

/// Whether both are a page of a SCAN.
fn page(ours: &Reply, theirs: &Reply) -> Option<Difference> {
    let is_page = |reply: &Reply| matches!(reply.items(), [Reply::Bulk(Some(_)), Reply::List(..)]);
    (is_page(ours) && is_page(theirs)).then_some(Difference::Order)
}

fn same_but_id(ours: &Reply, theirs: &Reply) -> Option<Difference> {
    let without_id = |reply: &Reply| {
        let pairs = reply.items().chunks(2);
        pairs.filter(|pair| pair[0].bytes() != Some(b"id")).flatten().cloned().collect::<Vec<_>>()
    };
    let (ours, theirs) = (without_id(ours), without_id(theirs));
    (!ours.is_empty() && ours == theirs).then_some(Difference::Identity)
}

#[cfg(test)]
mod tests {
    use super::Difference::{
        Clock, Cursor, Expired, Identity, LongDouble, LongerError, NoText, Order, Strict,
    };
    use super::*;

    fn check(command: &str, ours: &str, theirs: &str, expected: Option<Difference>) {
        let words = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let expected = expected.map_or(Verdict::Different, Verdict::Known);
        let verdict = judge(&Request::new(words), ours.as_bytes(), theirs.as_bytes());
        assert_eq!(verdict, expected, "{command}: {ours:?} {theirs:?}");
    }

    #[test]
    fn only_what_is_meant_may_differ() {
        check("TTL a", ":100\r\n", ":101\r\n", Some(Clock));
        check("TTL a", ":100\r\n", ":200\r\n", None);
        check("TTL a", ":-1\r\n", ":-2\r\n", None);
        check("PTTL a", ":-1\r\n", ":1\r\n", None);
        check("INCR a", ":1\r\n", ":2\r\n", None);
        let two = ["*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"];
        check("keys *", two[0], two[1], Some(Order));
        check("MGET a b", two[0], two[1], None);
        check("KEYS *", two[0], "*1\r\n$1\r\nb\r\n", None);
        check("RANDOMKEY", "$1\r\na\r\n", "$1\r\nb\r\n", Some(Order));
        check("RANDOMKEY", "$1\r\na\r\n", "$-1\r\n", None);
        check(
            "INCRBYFLOAT a 1",
            "$3\r\n1.1\r\n",
            "$19\r\n1.10000000000000001\r\n",
            Some(LongDouble),
        );
        check("INCRBYFLOAT a 1", "$3\r\n1.1\r\n", "$3\r\n1.2\r\n", None);
        check("FOO", "-ERR unknown command 'FOO' (so)\r\n", "-ERR unknown command 'FOO'\r\n", {
            Some(LongerError)
        });
        check("GET", "-ERR wrong number (so)\r\n", "-ERR wrong number\r\n", None);
        check("SCAN -1", "-ERR invalid cursor\r\n", "*0\r\n", Some(Cursor));
        check("SCAN 1", "-ERR invalid cursor\r\n", "*0\r\n", None);
        check("DBSIZE", ":1\r\n", ":2\r\n", Some(Expired));
        check("DBSIZE", ":2\r\n", ":1\r\n", None);
        let expire = "EXPIRE a 1 \u{e4}";
        let option = "-ERR Unsupported option ";
        check(expire, &format!("{option}a\r\n"), &format!("{option}b\r\n"), Some(NoText));
        check("EXPIRE a 1 a", &format!("{option}a\r\n"), &format!("{option}b\r\n"), None);
        check(expire, "-ERR one\r\n", "-ERR two\r\n", None);
        check("HELLO", "*2\r\n$2\r\nid\r\n:1\r\n", "*2\r\n$2\r\nid\r\n:2\r\n", None);
        let hello = |id| format!("*4\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n:{id}\r\n");
        check("HELLO", &hello(1), &hello(2), Some(Identity));
        let same = judge(&Request::new(vec![b"GET".to_vec()]), b"+OK\r\n", b"+OK\r\n");
        assert_eq!(same, Verdict::Equal);
    }

    #[test]
    fn bytes_are_compared_frame_by_frame() {
        let check = |ours: &[u8], theirs: &[u8]| judge_bytes(b"PING\r\n", ours, theirs);
        assert_eq!(check(b"+OK\r\n", b"+OK\r\n"), Verdict::Equal);
        assert_eq!(check(b"+OK\r\n", b"+OK\r\n+OK\r\n"), Verdict::Different);
        let strict = b"+OK\r\n-ERR Protocol error: so\r\n";
        assert_eq!(check(strict, b"+OK\r\n:1\r\n"), Verdict::Different);
        let loose = b"*1\rx$4\r\nPING\r\n";
        assert_eq!(judge_bytes(loose, strict, b"+OK\r\n:1\r\n"), Verdict::Known(Strict));
        assert_eq!(judge_bytes(loose, strict, b":1\r\n:1\r\n"), Verdict::Different);
        let longer = b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$0\r\nk20\r\n";
        assert_eq!(judge_bytes(longer, strict, b"+OK\r\n:1\r\n"), Verdict::Known(Strict));
        let unknown = b"-ERR unknown command 'a', with args beginning with: ";
        let ours = [&b":1\r\n"[..], unknown, b"(so)\r\n"].concat();
        let theirs = [&b":1\r\n"[..], unknown, b"\r\n"].concat();
        assert_eq!(check(&ours, &theirs), Verdict::Known(LongerError));
        let theirs = [&b":2\r\n"[..], unknown, b"\r\n"].concat();
        assert_eq!(check(&ours, &theirs), Verdict::Different);
    }
}
