//! Pure. Commands that do not look into values: DEL, EXISTS, TYPE, RENAME.

use super::{Context, Keyspace, Outcome, Reply};

pub(super) fn delete<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let mut deleted = 0;
    for key in ctx.keys {
        if ctx.space.get(key)?.is_some() {
            ctx.space.remove(key)?;
            deleted += 1;
        }
    }
    Ok(Reply::Integer(deleted))
}

pub(super) fn exists<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let mut found = 0;
    for key in ctx.keys {
        found += i64::from(ctx.space.get(key)?.is_some());
    }
    Ok(Reply::Integer(found))
}

pub(super) fn type_of<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    Ok(Reply::Simple(if ctx.get()?.is_some() { "string" } else { "none" }))
}

/// The executor lets only a rename of a key to itself come here.
pub(super) fn rename<K: Keyspace>(ctx: &mut Context<'_, K>, only_absent: bool) -> Outcome {
    if ctx.get()?.is_none() {
        return Err("ERR no such key".into());
    }
    Ok(if only_absent { Reply::flag(false) } else { Reply::Ok })
}
