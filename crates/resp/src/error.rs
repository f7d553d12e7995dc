//! Pure. What can be wrong with the bytes of a peer.

use bytes::BytesMut;

use crate::encode;

/// The bytes are not RESP. Where the next frame begins is unknown, so the connection has to be
/// closed after the error was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The count after `*` is not a number, or out of range.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// The length after `$` is not a number, negative, or above [`crate::MAX_BULK_BYTES`].
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// An argument of a command is not a bulk string.
    #[error("Protocol error: expected '$', got '{}'", .got.escape_ascii())]
    ExpectedBulk {
        /// The byte in place of `$`.
        got: u8,
    },
    /// A bulk string or a line does not end where it should.
    #[error("Protocol error: expected CRLF")]
    ExpectedCrlf,
    /// An inline command is longer than [`crate::Limits::max_inline_bytes`].
    #[error("Protocol error: too big inline request")]
    InlineTooLarge,
    /// A quote of an inline command is not closed, or not followed by a space.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// A reply begins with a byte that is no type of RESP2 or RESP3.
    #[error("Protocol error: unknown reply type '{}'", .got.escape_ascii())]
    UnknownReplyType {
        /// The byte in place of a type.
        got: u8,
    },
    /// A count or length in a reply is not a number, or out of range.
    #[error("Protocol error: invalid length in reply")]
    InvalidReplyLength,
    /// A scalar of a reply does not have the form of its type.
    #[error("Protocol error: invalid {kind} in reply")]
    InvalidScalar {
        /// Name of the type.
        kind: &'static str,
    },
    /// A reply nests deeper than [`crate::Limits::max_reply_depth`].
    #[error("Protocol error: reply nested deeper than {limit}")]
    ReplyTooDeep {
        /// The limit.
        limit: usize,
    },
    /// A reply is longer than [`crate::Limits::max_reply_bytes`].
    #[error("Protocol error: reply longer than {limit} bytes")]
    ReplyTooLarge {
        /// The limit.
        limit: usize,
    },
    /// A frame ends early, or bytes follow it.
    #[error("Protocol error: not exactly one reply")]
    NotOneReply,
}

impl ProtocolError {
    /// Writes the error reply: `-ERR Protocol error: ...`.
    pub fn encode(&self, out: &mut BytesMut) {
        encode::error(out, &format!("ERR {self}"));
    }
}

/// A well-framed command over a limit. Its bytes were skipped and nothing of it was kept; the
/// connection goes on after the error was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More arguments than [`crate::Limits::max_args`].
    #[error("command of {count} arguments is over the limit of {limit}; send several commands")]
    TooManyArguments {
        /// Arguments of the command.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// An argument longer than [`crate::Limits::max_bulk_bytes`].
    #[error("value of {bytes} bytes is over the limit of {limit} bytes")]
    ArgumentTooLarge {
        /// Bytes of the argument.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A frame longer than [`crate::Limits::max_command_bytes`].
    #[error("command is over the limit of {limit} bytes; send several commands")]
    CommandTooLarge {
        /// The limit.
        limit: usize,
    },
}

impl Refusal {
    /// Writes the error reply: `-ERR ...`.
    pub fn encode(&self, out: &mut BytesMut) {
        encode::error(out, &format!("ERR {self}"));
    }
}
