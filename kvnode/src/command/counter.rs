//! Pure. INCR and its variants.

use super::number::Decimal;
use super::{Context, Keyspace, NOT_AN_INTEGER, Outcome, Reply, parse_integer};

const NOT_A_FLOAT: &str = "ERR value is not a valid float";

pub(super) fn incr_by<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let amount = ctx.integer(2)?;
    add(ctx, amount)
}

pub(super) fn decr_by<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let amount = ctx.integer(2)?;
    match amount.checked_neg() {
        Some(amount) => add(ctx, amount),
        None => Err("ERR decrement would overflow".into()),
    }
}

pub(super) fn add<K: Keyspace>(ctx: &mut Context<'_, K>, amount: i64) -> Outcome {
    let old = ctx.get()?;
    let (value, expiry_ms) = match &old {
        Some(entry) => (parse_integer(&entry.value).ok_or(NOT_AN_INTEGER)?, entry.expiry_ms),
        None => (0, None),
    };
    let sum = value.checked_add(amount).ok_or("ERR increment or decrement would overflow")?;
    ctx.put(sum.to_string().into(), expiry_ms)?;
    Ok(Reply::Integer(sum))
}

pub(super) fn incr_by_float<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let old = ctx.get()?;
    let (value, expiry_ms) = match &old {
        Some(entry) => (Decimal::parse(&entry.value).ok_or(NOT_A_FLOAT)?, entry.expiry_ms),
        None => (Decimal::ZERO, None),
    };
    let amount = Decimal::parse(ctx.arg(2)).ok_or(NOT_A_FLOAT)?;
    let sum = value.add(amount).ok_or("ERR increment would produce NaN or Infinity")?;
    let text = sum.to_string();
    ctx.put(text.clone().into(), expiry_ms)?;
    Ok(Reply::text(text))
}
