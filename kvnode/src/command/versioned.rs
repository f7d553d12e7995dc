//! Pure. Compare-and-set by version: RINGKV.GET, RINGKV.PUT, RINGKV.REMOVE.

use handoff::Version;
use resp::is_keyword;

use super::expiry::{Unit, read_expiry};
use super::{Context, Entry, Failure, Keyspace, NOT_AN_INTEGER, Outcome, Reply, SYNTAX_ERROR};

/// What has to be there for a change to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Condition {
    #[default]
    Any,
    Absent,
    Version(Version),
}

impl Condition {
    fn holds(self, entry: Option<&Entry>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => entry.is_none(),
            Self::Version(version) => entry.is_some_and(|entry| entry.version == version),
        }
    }
}

fn parse_version(word: &[u8]) -> Result<Version, Failure> {
    std::str::from_utf8(word)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| NOT_AN_INTEGER.into())
}

fn version_reply(version: Version) -> Reply {
    Reply::Integer(i64::try_from(version).unwrap_or(i64::MAX))
}

fn conflict(entry: Option<&Entry>) -> Reply {
    let current = entry.map_or(Reply::Null, |entry| version_reply(entry.version));
    Reply::Array(vec![Reply::Integer(0), current])
}

pub(super) fn get<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let now_ms = ctx.space.now_ms();
    let Some(entry) = ctx.get()? else { return Ok(Reply::Null) };
    let left = entry.expiry_ms.map_or(-1, |expiry_ms| {
        i64::try_from(expiry_ms.saturating_sub(now_ms)).unwrap_or(i64::MAX)
    });
    let version = version_reply(entry.version);
    Ok(Reply::Array(vec![Reply::Bulk(entry.value), version, Reply::Integer(left)]))
}

pub(super) fn put<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let (mut condition, mut expiry_ms) = (Condition::Any, None);
    let mut words = ctx.command.args().skip(3);
    while let Some(word) = words.next() {
        if is_keyword(word, "IFNONE") && condition == Condition::Any {
            condition = Condition::Absent;
        } else if is_keyword(word, "IFMATCH") && condition == Condition::Any {
            condition = Condition::Version(parse_version(words.next().ok_or(SYNTAX_ERROR)?)?);
        } else if is_keyword(word, "PX") && expiry_ms.is_none() {
            let word = words.next().ok_or(SYNTAX_ERROR)?;
            let now_ms = ctx.space.now_ms();
            expiry_ms = Some(read_expiry(word, Unit::Milliseconds, now_ms, "ringkv.put")?);
        } else {
            return Err(SYNTAX_ERROR.into());
        }
    }
    let value = ctx.bytes(2);
    ctx.check_value(value.len())?;
    if condition != Condition::Any {
        let entry = ctx.get()?;
        if !condition.holds(entry.as_ref()) {
            return Ok(conflict(entry.as_ref()));
        }
    }
    let version = ctx.put(value, expiry_ms)?;
    Ok(Reply::Array(vec![Reply::Integer(1), version_reply(version)]))
}

pub(super) fn remove<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let condition = match ctx.command.len() {
        2 => Condition::Any,
        4 if ctx.command.arg_is(2, "IFMATCH") => Condition::Version(parse_version(ctx.arg(3))?),
        _ => return Err(SYNTAX_ERROR.into()),
    };
    let entry = ctx.get()?;
    match &entry {
        Some(entry) if condition.holds(Some(entry)) => {
            ctx.space.remove(ctx.key)?;
            Ok(Reply::Array(vec![Reply::Integer(1), version_reply(entry.version)]))
        }
        other => Ok(conflict(other.as_ref())),
    }
}
