//! Pure. Parts of strings: APPEND, GETRANGE, SETRANGE, STRLEN.

use super::{Context, Failure, Keyspace, Outcome, Reply};

pub(super) fn append<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let suffix = ctx.arg(2);
    let old = ctx.get()?;
    let (value, expiry_ms) = match &old {
        Some(entry) => (entry.value.as_ref(), entry.expiry_ms),
        None => (&[][..], None),
    };
    let length = value.len() + suffix.len();
    check_length(ctx, length)?;
    if old.is_none() || !suffix.is_empty() {
        ctx.put([value, suffix].concat().into(), expiry_ms)?;
    }
    Ok(Reply::count(length))
}

pub(super) fn strlen<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    Ok(Reply::count(ctx.get()?.map_or(0, |entry| entry.value.len())))
}

pub(super) fn get_range<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let (start, end) = (ctx.integer(2)?, ctx.integer(3)?);
    let value = ctx.get()?.map(|entry| entry.value).unwrap_or_default();
    let Ok(length) = i64::try_from(value.len()) else { return Ok(Reply::Bulk(value)) };
    if length == 0 || (start < 0 && end < 0 && start > end) {
        return Ok(Reply::text(""));
    }
    let from_end =
        |place: i64| if place < 0 { (length + place.max(-length)).max(0) } else { place };
    let (start, end) = (from_end(start), from_end(end).min(length - 1));
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end => Ok(Reply::Bulk(value.slice(start..=end))),
        _ => Ok(Reply::text("")),
    }
}

pub(super) fn set_range<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let offset = ctx.integer(2)?;
    let Ok(offset) = usize::try_from(offset) else {
        return Err("ERR offset is out of range".into());
    };
    let patch = ctx.arg(3);
    let old = ctx.get()?;
    let (value, expiry_ms) = match &old {
        Some(entry) => (entry.value.as_ref(), entry.expiry_ms),
        None => (&[][..], None),
    };
    if patch.is_empty() {
        return Ok(Reply::count(value.len()));
    }
    let end = offset.saturating_add(patch.len());
    check_length(ctx, end)?;
    let mut new = Vec::with_capacity(end.max(value.len()));
    new.extend_from_slice(value.get(..offset).unwrap_or(value));
    new.resize(offset, 0);
    new.extend_from_slice(patch);
    new.extend_from_slice(value.get(end..).unwrap_or_default());
    let length = new.len();
    ctx.put(new.into(), expiry_ms)?;
    Ok(Reply::count(length))
}

fn check_length<K: Keyspace>(ctx: &Context<'_, K>, bytes: usize) -> Result<(), Failure> {
    if bytes <= ctx.max_value_bytes {
        return Ok(());
    }
    let limit = ctx.max_value_bytes;
    Err(format!("ERR string exceeds maximum allowed size (proto-max-bulk-len): {limit} bytes")
        .into())
}
