//! Pure. Times to live: the EXPIRE and TTL families.

use resp::is_keyword;

use super::{Context, Failure, Keyspace, NOT_AN_INTEGER, Outcome, Reply, parse_integer};

/// The unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

impl Unit {
    fn to_ms(self, amount: i64) -> Option<i64> {
        match self {
            Self::Seconds => amount.checked_mul(1000),
            Self::Milliseconds => Some(amount),
        }
    }
}

/// The deadline given by a word; it has to be a positive number. `base_ms` is added.
pub(super) fn read_expiry(
    word: &[u8],
    unit: Unit,
    base_ms: u64,
    command: &str,
) -> Result<u64, Failure> {
    let amount = parse_integer(word).ok_or(NOT_AN_INTEGER)?;
    let deadline = if amount > 0 { deadline(amount, unit, base_ms) } else { None };
    deadline
        .and_then(|deadline| u64::try_from(deadline).ok())
        .ok_or_else(|| invalid_expiry(command))
}

fn deadline(amount: i64, unit: Unit, base_ms: u64) -> Option<i64> {
    unit.to_ms(amount)?.checked_add(i64::try_from(base_ms).ok()?)
}

fn invalid_expiry(command: &str) -> Failure {
    format!("ERR invalid expire time in '{command}' command").into()
}

/// The conditions of EXPIRE.
#[derive(Debug, Default)]
struct Conditions {
    only_without: bool,
    only_with: bool,
    greater: bool,
    less: bool,
}

impl Conditions {
    fn parse<K: Keyspace>(ctx: &Context<'_, K>) -> Result<Self, Failure> {
        let mut conditions = Self::default();
        for word in ctx.command.args().skip(3) {
            let place = match () {
                () if is_keyword(word, "NX") => &mut conditions.only_without,
                () if is_keyword(word, "XX") => &mut conditions.only_with,
                () if is_keyword(word, "GT") => &mut conditions.greater,
                () if is_keyword(word, "LT") => &mut conditions.less,
                () => {
                    let word = String::from_utf8_lossy(word);
                    return Err(format!("ERR Unsupported option {word}").into());
                }
            };
            *place = true;
        }
        let Self { only_without, only_with, greater, less } = conditions;
        if only_without && (only_with || greater || less) {
            return Err(
                "ERR NX and XX, GT or LT options at the same time are not compatible".into()
            );
        }
        if greater && less {
            return Err("ERR GT and LT options at the same time are not compatible".into());
        }
        Ok(conditions)
    }

    fn hold(&self, old: Option<u64>, new: i64) -> bool {
        let old = old.map(|old| i64::try_from(old).unwrap_or(i64::MAX));
        let without = !self.only_without || old.is_none();
        let with = !self.only_with || old.is_some();
        let greater = !self.greater || old.is_some_and(|old| new > old);
        let less = !self.less || old.is_none_or(|old| new < old);
        without && with && greater && less
    }
}

pub(super) fn expire<K: Keyspace>(ctx: &mut Context<'_, K>, unit: Unit, relative: bool) -> Outcome {
    let conditions = Conditions::parse(ctx)?;
    let base_ms = if relative { ctx.space.now_ms() } else { 0 };
    let amount = ctx.integer(2)?;
    let new = deadline(amount, unit, base_ms).ok_or_else(|| {
        let name = String::from_utf8_lossy(ctx.command.name()).to_ascii_lowercase();
        invalid_expiry(&name)
    })?;
    let Some(entry) = ctx.get()? else { return Ok(Reply::flag(false)) };
    if !conditions.hold(entry.expiry_ms, new) {
        return Ok(Reply::flag(false));
    }
    ctx.put_unless_past(entry.value, Some(u64::try_from(new).unwrap_or(0)))?;
    Ok(Reply::flag(true))
}

pub(super) fn ttl<K: Keyspace>(ctx: &mut Context<'_, K>, unit: Unit, relative: bool) -> Outcome {
    let now_ms = ctx.space.now_ms();
    let Some(entry) = ctx.get()? else { return Ok(Reply::Integer(-2)) };
    let Some(expiry_ms) = entry.expiry_ms else { return Ok(Reply::Integer(-1)) };
    let value = if relative { expiry_ms.saturating_sub(now_ms) } else { expiry_ms };
    let value = if unit == Unit::Seconds { value.saturating_add(500) / 1000 } else { value };
    Ok(Reply::Integer(i64::try_from(value).unwrap_or(i64::MAX)))
}

pub(super) fn persist<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let entry = ctx.get()?.filter(|entry| entry.expiry_ms.is_some());
    let Some(entry) = entry else { return Ok(Reply::flag(false)) };
    ctx.put(entry.value, None)?;
    Ok(Reply::flag(true))
}
