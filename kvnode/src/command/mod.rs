//! Pure. The commands on keys: a command and a keyspace in, a reply out. Who may run one, and when
//! its reply may go out, is the executor's business.

pub(crate) mod connection;
mod counter;
mod expiry;
mod keys;
mod number;
mod piece;
mod slice;
mod string;
mod versioned;

use std::borrow::Cow;

use bytes::Bytes;
use handoff::Version;
use resp::Command;
use resp::commands::Id;

use crate::store::{RecordKey, StoreError};

pub(crate) use dialect::{Glob, NOT_AN_INTEGER, Reply, SYNTAX_ERROR, parse_integer};
pub(crate) use piece::{
    Piece, PieceKind, ScanOptions, cursor_reply, next_reply, parse_arc, parse_cursor,
};

/// The records that a command works on. Expired records and tombstones are absent in it.
pub(crate) trait Keyspace {
    /// The live record of a key.
    fn get(&mut self, key: &RecordKey) -> Result<Option<Entry>, StoreError>;
    /// Writes a record under a new version, which it returns.
    fn put(
        &mut self,
        key: &RecordKey,
        value: Bytes,
        expiry_ms: Option<u64>,
    ) -> Result<Version, StoreError>;
    /// Removes the record of a key.
    fn remove(&mut self, key: &RecordKey) -> Result<(), StoreError>;
    /// The time by which records expire, in Unix milliseconds; the same all through a command.
    fn now_ms(&self) -> u64;
}

/// A live record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: Bytes,
    pub(crate) expiry_ms: Option<u64>,
    pub(crate) version: Version,
}

/// Why a command gave no reply of its own. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The text of the error reply, its code first.
    #[error("{0}")]
    Refused(Cow<'static, str>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Cow<'static, str>> for Failure {
    fn from(text: Cow<'static, str>) -> Self {
        Self::Refused(text)
    }
}

impl From<&'static str> for Failure {
    fn from(text: &'static str) -> Self {
        Self::Refused(text.into())
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Refused(text.into())
    }
}

type Outcome = Result<Reply, Failure>;

/// One keyed command on its way through its function.
pub(crate) struct Context<'a, K> {
    /// The command as sent.
    pub(crate) command: &'a Command,
    /// Its first key.
    pub(crate) key: &'a RecordKey,
    /// All its keys, the first included.
    pub(crate) keys: &'a [RecordKey],
    /// What it works on.
    pub(crate) space: &'a mut K,
    /// The longest value that may be written.
    pub(crate) max_value_bytes: usize,
    /// The most bytes that one reply may take.
    pub(crate) max_reply_bytes: usize,
}

impl<'a, K: Keyspace> Context<'a, K> {
    fn arg(&self, index: usize) -> &'a [u8] {
        self.command.arg(index).unwrap_or_default()
    }

    /// A word as a slice of the frame, not copied.
    fn bytes(&self, index: usize) -> Bytes {
        self.command.arg_bytes(index).unwrap_or_default()
    }

    fn integer(&self, index: usize) -> Result<i64, Failure> {
        parse_integer(self.arg(index)).ok_or_else(|| NOT_AN_INTEGER.into())
    }

    fn get(&mut self) -> Result<Option<Entry>, Failure> {
        Ok(self.space.get(self.key)?)
    }

    fn check_value(&self, bytes: usize) -> Result<(), Failure> {
        if bytes <= self.max_value_bytes {
            return Ok(());
        }
        let limit = self.max_value_bytes;
        Err(format!(
            "ERR value of {bytes} bytes is over the limit of {limit} bytes (max value size); \
             store it in pieces or raise the limit"
        )
        .into())
    }

    fn put(&mut self, value: Bytes, expiry_ms: Option<u64>) -> Result<Version, Failure> {
        Ok(self.space.put(self.key, value, expiry_ms)?)
    }

    /// Writes a value, or removes the key where it would be expired at once.
    fn put_unless_past(&mut self, value: Bytes, expiry_ms: Option<u64>) -> Result<(), Failure> {
        if expiry_ms.is_some_and(|expiry| expiry <= self.space.now_ms()) {
            if self.get()?.is_some() {
                self.space.remove(self.key)?;
            }
            return Ok(());
        }
        self.put(value, expiry_ms)?;
        Ok(())
    }
}

/// Runs a command that has keys, as many as its spec says.
pub(crate) fn run<K: Keyspace>(id: Id, ctx: &mut Context<'_, K>) -> Outcome {
    match id {
        Id::Get => string::get(ctx),
        Id::Set => string::set(ctx),
        Id::SetNx => string::set_nx(ctx),
        Id::SetEx => string::set_ex(ctx, expiry::Unit::Seconds),
        Id::PSetEx => string::set_ex(ctx, expiry::Unit::Milliseconds),
        Id::GetSet => string::get_set(ctx),
        Id::GetDel => string::get_del(ctx),
        Id::GetEx => string::get_ex(ctx),
        Id::MGet => string::mget(ctx),
        Id::MSet => string::mset(ctx),
        Id::MSetNx => string::mset_nx(ctx),
        Id::Append => slice::append(ctx),
        Id::StrLen => slice::strlen(ctx),
        Id::GetRange | Id::SubStr => slice::get_range(ctx),
        Id::SetRange => slice::set_range(ctx),
        Id::Incr => counter::add(ctx, 1),
        Id::Decr => counter::add(ctx, -1),
        Id::IncrBy => counter::incr_by(ctx),
        Id::DecrBy => counter::decr_by(ctx),
        Id::IncrByFloat => counter::incr_by_float(ctx),
        Id::Del | Id::Unlink => keys::delete(ctx),
        Id::Exists | Id::Touch => keys::exists(ctx),
        Id::Type => keys::type_of(ctx),
        Id::Rename => keys::rename(ctx, false),
        Id::RenameNx => keys::rename(ctx, true),
        Id::Expire => expiry::expire(ctx, expiry::Unit::Seconds, true),
        Id::PExpire => expiry::expire(ctx, expiry::Unit::Milliseconds, true),
        Id::ExpireAt => expiry::expire(ctx, expiry::Unit::Seconds, false),
        Id::PExpireAt => expiry::expire(ctx, expiry::Unit::Milliseconds, false),
        Id::Ttl => expiry::ttl(ctx, expiry::Unit::Seconds, true),
        Id::PTtl => expiry::ttl(ctx, expiry::Unit::Milliseconds, true),
        Id::ExpireTime => expiry::ttl(ctx, expiry::Unit::Seconds, false),
        Id::PExpireTime => expiry::ttl(ctx, expiry::Unit::Milliseconds, false),
        Id::Persist => expiry::persist(ctx),
        Id::RingkvGet => versioned::get(ctx),
        Id::RingkvPut => versioned::put(ctx),
        Id::RingkvRemove => versioned::remove(ctx),
        other => Err(format!("ERR {other:?} is not a command on keys").into()),
    }
}

/// Whether a command may leave more bytes than it found, so that a full disk refuses it.
pub(crate) fn grows(id: Id) -> bool {
    !matches!(
        id,
        Id::Del
            | Id::Unlink
            | Id::GetDel
            | Id::GetEx
            | Id::Persist
            | Id::Expire
            | Id::PExpire
            | Id::ExpireAt
            | Id::PExpireAt
            | Id::RingkvRemove
    )
}

#[cfg(test)]
mod tests;
