//! Pure. What a command answers, before it is bytes.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use resp::Protocol;
use resp::encode;

/// One reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `+OK`.
    Ok,
    /// A simple string.
    Simple(&'static str),
    /// An error line, its code first.
    Error(Cow<'static, str>),
    /// A number.
    Integer(i64),
    /// A string of bytes.
    Bulk(Bytes),
    /// No value.
    Null,
    /// No array.
    NullArray,
    /// Values in order.
    Array(Vec<Reply>),
    /// Names and values.
    Map(Vec<(Reply, Reply)>),
    /// Values without order.
    Set(Vec<Reply>),
    /// A text to be read by people.
    Verbatim(String),
}

impl Reply {
    /// A string of bytes made from a text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Bulk(Bytes::from(text.into()))
    }

    /// 1 or 0.
    #[must_use]
    pub fn flag(yes: bool) -> Self {
        Self::Integer(i64::from(yes))
    }

    /// A count.
    #[must_use]
    pub fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// A value, or none.
    #[must_use]
    pub fn value(value: Option<Bytes>) -> Self {
        value.map_or(Self::Null, Self::Bulk)
    }

    /// Writes it in the form of the protocol.
    pub fn encode(&self, out: &mut BytesMut, protocol: Protocol) {
        match self {
            Self::Ok => encode::ok(out),
            Self::Simple(text) => encode::simple(out, text),
            Self::Error(text) => encode::error(out, text),
            Self::Integer(value) => encode::integer(out, *value),
            Self::Bulk(value) => encode::bulk(out, value),
            Self::Null => encode::null(out, protocol),
            Self::NullArray => encode::null_array(out, protocol),
            Self::Array(values) => {
                encode::array_header(out, values.len());
                values.iter().for_each(|value| value.encode(out, protocol));
            }
            Self::Map(pairs) => {
                encode::map_header(out, protocol, pairs.len());
                for (name, value) in pairs {
                    name.encode(out, protocol);
                    value.encode(out, protocol);
                }
            }
            Self::Set(values) => {
                encode::set_header(out, protocol, values.len());
                values.iter().for_each(|value| value.encode(out, protocol));
            }
            Self::Verbatim(text) => encode::verbatim(out, protocol, *b"txt", text.as_bytes()),
        }
    }
}
