//! Pure. GET, SET and their variants.

use bytes::Bytes;
use resp::is_keyword;

use super::expiry::{Unit, read_expiry};
use super::{Context, Failure, Keyspace, Outcome, Reply, SYNTAX_ERROR};

pub(super) fn get<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    Ok(Reply::value(ctx.get()?.map(|entry| entry.value)))
}

/// The options of SET and GETEX.
#[derive(Debug, Default)]
struct Options {
    only_absent: bool,
    only_present: bool,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    expiry: Option<Expiry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expiry {
    unit: Unit,
    relative: bool,
    /// The place of its number among the words.
    place: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Set,
    GetEx,
}

impl Options {
    fn parse<K: Keyspace>(
        ctx: &Context<'_, K>,
        first: usize,
        takes: Takes,
    ) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut place = first;
        while place < ctx.command.len() {
            let word = ctx.arg(place);
            let is = |name| is_keyword(word, name);
            if takes == Takes::Set && is("NX") && !options.only_present {
                options.only_absent = true;
            } else if takes == Takes::Set && is("XX") && !options.only_absent {
                options.only_present = true;
            } else if takes == Takes::Set && is("GET") {
                options.get = true;
            } else if takes == Takes::Set && is("KEEPTTL") && options.expiry.is_none() {
                options.keep_ttl = true;
            } else if takes == Takes::GetEx && is("PERSIST") && options.expiry.is_none() {
                options.persist = true;
            } else {
                place = options.take_expiry(word, place, ctx.command.len())?;
            }
            place += 1;
        }
        Ok(options)
    }

    /// Takes `EX 10` and the like; returns the place of the number.
    fn take_expiry(&mut self, word: &[u8], place: usize, words: usize) -> Result<usize, Failure> {
        let (unit, relative) = match () {
            () if is_keyword(word, "EX") => (Unit::Seconds, true),
            () if is_keyword(word, "PX") => (Unit::Milliseconds, true),
            () if is_keyword(word, "EXAT") => (Unit::Seconds, false),
            () if is_keyword(word, "PXAT") => (Unit::Milliseconds, false),
            () => return Err(SYNTAX_ERROR.into()),
        };
        let place = place + 1;
        let other = self.expiry.is_some_and(|old| (old.unit, old.relative) != (unit, relative));
        if place >= words || self.keep_ttl || self.persist || other {
            return Err(SYNTAX_ERROR.into());
        }
        self.expiry = Some(Expiry { unit, relative, place });
        Ok(place)
    }

    fn expiry_ms<K: Keyspace>(
        &self,
        ctx: &Context<'_, K>,
        name: &str,
    ) -> Result<Option<u64>, Failure> {
        let Some(Expiry { unit, relative, place }) = self.expiry else { return Ok(None) };
        let base = if relative { ctx.space.now_ms() } else { 0 };
        read_expiry(ctx.arg(place), unit, base, name).map(Some)
    }
}

pub(super) fn set<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let options = Options::parse(ctx, 3, Takes::Set)?;
    let expiry_ms = options.expiry_ms(ctx, "set")?;
    let value = ctx.bytes(2);
    ctx.check_value(value.len())?;
    let conditional = options.only_absent || options.only_present;
    if !conditional && !options.get && !options.keep_ttl {
        ctx.put_unless_past(value, expiry_ms)?;
        return Ok(Reply::Ok);
    }
    let old = ctx.get()?;
    let refused = (options.only_absent && old.is_some()) || (options.only_present && old.is_none());
    if !refused {
        let kept = old.as_ref().and_then(|entry| entry.expiry_ms).filter(|_| options.keep_ttl);
        ctx.put_unless_past(value, expiry_ms.or(kept))?;
    }
    Ok(match (options.get, refused) {
        (true, _) => Reply::value(old.map(|entry| entry.value)),
        (false, true) => Reply::Null,
        (false, false) => Reply::Ok,
    })
}

pub(super) fn set_nx<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let value = ctx.bytes(2);
    ctx.check_value(value.len())?;
    let absent = ctx.get()?.is_none();
    if absent {
        ctx.put(value, None)?;
    }
    Ok(Reply::flag(absent))
}

pub(super) fn set_ex<K: Keyspace>(ctx: &mut Context<'_, K>, unit: Unit) -> Outcome {
    let name = if unit == Unit::Seconds { "setex" } else { "psetex" };
    let expiry_ms = read_expiry(ctx.arg(2), unit, ctx.space.now_ms(), name)?;
    let value = ctx.bytes(3);
    ctx.check_value(value.len())?;
    ctx.put_unless_past(value, Some(expiry_ms))?;
    Ok(Reply::Ok)
}

pub(super) fn get_set<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let value = ctx.bytes(2);
    ctx.check_value(value.len())?;
    let old = ctx.get()?;
    ctx.put(value, None)?;
    Ok(Reply::value(old.map(|entry| entry.value)))
}

pub(super) fn get_del<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let old = ctx.get()?;
    if old.is_some() {
        ctx.space.remove(ctx.key)?;
    }
    Ok(Reply::value(old.map(|entry| entry.value)))
}

pub(super) fn get_ex<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let options = Options::parse(ctx, 2, Takes::GetEx)?;
    let Some(entry) = ctx.get()? else { return Ok(Reply::Null) };
    let expiry_ms = options.expiry_ms(ctx, "getex")?;
    if expiry_ms.is_some() {
        ctx.put_unless_past(entry.value.clone(), expiry_ms)?;
    } else if options.persist && entry.expiry_ms.is_some() {
        ctx.put(entry.value.clone(), None)?;
    }
    Ok(Reply::Bulk(entry.value))
}

pub(super) fn mget<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    let mut values = Vec::with_capacity(ctx.keys.len());
    let mut bytes = 0;
    for key in ctx.keys {
        let value = ctx.space.get(key)?.map(|entry| entry.value);
        bytes += value.as_ref().map_or(0, Bytes::len);
        if bytes > ctx.max_reply_bytes {
            let limit = ctx.max_reply_bytes;
            return Err(format!(
                "ERR reply is over the limit of {limit} bytes; ask for fewer keys"
            )
            .into());
        }
        values.push(Reply::value(value));
    }
    Ok(Reply::Array(values))
}

pub(super) fn mset<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    check_values(ctx)?;
    put_pairs(ctx)?;
    Ok(Reply::Ok)
}

pub(super) fn mset_nx<K: Keyspace>(ctx: &mut Context<'_, K>) -> Outcome {
    check_values(ctx)?;
    if ctx.get()?.is_some() {
        return Ok(Reply::flag(false));
    }
    put_pairs(ctx)?;
    Ok(Reply::flag(true))
}

fn check_values<K: Keyspace>(ctx: &Context<'_, K>) -> Result<(), Failure> {
    (0..ctx.keys.len()).try_for_each(|pair| ctx.check_value(ctx.arg(2 + 2 * pair).len()))
}

fn put_pairs<K: Keyspace>(ctx: &mut Context<'_, K>) -> Result<(), Failure> {
    for (pair, key) in ctx.keys.iter().enumerate() {
        let value = ctx.bytes(2 + 2 * pair);
        ctx.space.put(key, value, None)?;
    }
    Ok(())
}
