//! Pure. A reply as a tree.

use std::str;

use bytes::{Buf, Bytes, BytesMut};

use crate::encode::{self, Protocol};
use crate::error::ProtocolError;
use crate::limits::Limits;
use crate::reply::{Element, read_element};

/// A reply of RESP2 or RESP3.
///
/// Its byte strings are slices of the frame it was parsed from. Doubles compare as `f64` does, so
/// a reply with a NaN is not equal to itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `+`
    Simple(Bytes),
    /// `-`, with its code.
    Error(Bytes),
    /// `:`
    Integer(i64),
    /// `$`; `None` is the null of RESP2.
    Bulk(Option<Bytes>),
    /// `*`; `None` is the null array of RESP2.
    Array(Option<Vec<Value>>),
    /// `_`
    Null,
    /// `#`
    Boolean(bool),
    /// `,`
    Double(f64),
    /// `(`, in decimal.
    BigNumber(Bytes),
    /// `!`, with its code.
    BulkError(Bytes),
    /// `=`
    Verbatim {
        /// Three bytes that name the format, as `txt`.
        format: [u8; 3],
        /// The text.
        text: Bytes,
    },
    /// `%`, in the order received.
    Map(Vec<(Value, Value)>),
    /// `~`, in the order received.
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
}

impl Value {
    /// Parses exactly one reply, nested at most as deep as [`Limits::max_reply_depth`] is by
    /// default. Attributes are skipped.
    pub fn parse(frame: &Bytes) -> Result<Self, ProtocolError> {
        let mut rest = frame.clone();
        let value = parse_value(&mut rest, Limits::default().max_reply_depth)?;
        if rest.is_empty() { Ok(value) } else { Err(ProtocolError::NotOneReply) }
    }

    /// Writes the value; what RESP2 lacks falls back as in [`encode`].
    pub fn encode(&self, out: &mut BytesMut, protocol: Protocol) {
        match self {
            Self::Simple(text) => encode::line(out, b'+', text),
            Self::Error(text) => encode::line(out, b'-', text),
            Self::Integer(value) => encode::integer(out, *value),
            Self::Bulk(Some(value)) => encode::bulk(out, value),
            Self::Bulk(None) | Self::Null => encode::null(out, protocol),
            Self::Array(None) => encode::null_array(out, protocol),
            Self::Boolean(value) => encode::boolean(out, protocol, *value),
            Self::Double(value) => encode::double(out, protocol, *value),
            Self::BigNumber(digits) => encode::big_number(out, protocol, digits),
            Self::BulkError(text) => encode::bulk_error(out, protocol, text),
            Self::Verbatim { format, text } => encode::verbatim(out, protocol, *format, text),
            Self::Array(Some(values)) => {
                encode::array_header(out, values.len());
                encode_all(out, protocol, values);
            }
            Self::Set(values) => {
                encode::set_header(out, protocol, values.len());
                encode_all(out, protocol, values);
            }
            Self::Push(values) => {
                encode::push_header(out, protocol, values.len());
                encode_all(out, protocol, values);
            }
            Self::Map(pairs) => {
                encode::map_header(out, protocol, pairs.len());
                for (key, value) in pairs {
                    key.encode(out, protocol);
                    value.encode(out, protocol);
                }
            }
        }
    }

    /// Whether this is one of the three nulls.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Bulk(None) | Self::Array(None))
    }

    /// The bytes of a string: simple, bulk or verbatim.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Simple(text) | Self::Bulk(Some(text)) | Self::Verbatim { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The number, if this is an integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of an array, a set or a push.
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Self::Array(Some(values)) | Self::Set(values) | Self::Push(values) => Some(values),
            _ => None,
        }
    }
}

fn encode_all(out: &mut BytesMut, protocol: Protocol, values: &[Value]) {
    for value in values {
        value.encode(out, protocol);
    }
}

fn parse_value(rest: &mut Bytes, depth_left: usize) -> Result<Value, ProtocolError> {
    loop {
        let kind = *rest.first().ok_or(ProtocolError::NotOneReply)?;
        match read_element(rest, &mut 0)?.ok_or(ProtocolError::NotOneReply)? {
            Element::Scalar { size } => return parse_scalar(kind, &rest.split_to(size)),
            Element::Aggregate { size, values, .. } => {
                rest.advance(size);
                let Some(depth_left) = depth_left.checked_sub(1) else {
                    let limit = Limits::default().max_reply_depth;
                    return Err(ProtocolError::ReplyTooDeep { limit });
                };
                match kind {
                    b'%' => return parse_pairs(rest, values / 2, depth_left).map(Value::Map),
                    b'|' => {
                        parse_pairs(rest, values / 2, depth_left)?;
                    }
                    b'~' => return parse_values(rest, values, depth_left).map(Value::Set),
                    b'>' => return parse_values(rest, values, depth_left).map(Value::Push),
                    _ => {
                        let values = parse_values(rest, values, depth_left)?;
                        return Ok(Value::Array(Some(values)));
                    }
                }
            }
        }
    }
}

/// The vector grows by what is there, not by what the header says.
fn parse_values(
    rest: &mut Bytes,
    count: u64,
    depth_left: usize,
) -> Result<Vec<Value>, ProtocolError> {
    (0..count).map(|_| parse_value(rest, depth_left)).collect()
}

fn parse_pairs(
    rest: &mut Bytes,
    count: u64,
    depth_left: usize,
) -> Result<Vec<(Value, Value)>, ProtocolError> {
    (0..count)
        .map(|_| Ok((parse_value(rest, depth_left)?, parse_value(rest, depth_left)?)))
        .collect()
}

/// `element` is one whole scalar.
fn parse_scalar(kind: u8, element: &Bytes) -> Result<Value, ProtocolError> {
    let invalid = |kind| ProtocolError::InvalidScalar { kind };
    match kind {
        b'$' | b'!' | b'=' => {
            let Some(payload) = bulk_payload(element) else {
                return Ok(Value::Bulk(None));
            };
            match kind {
                b'$' => Ok(Value::Bulk(Some(payload))),
                b'!' => Ok(Value::BulkError(payload)),
                _ => match payload.as_ref() {
                    [a, b, c, b':', text @ ..] => {
                        Ok(Value::Verbatim { format: [*a, *b, *c], text: payload.slice_ref(text) })
                    }
                    _ => Err(invalid("verbatim string")),
                },
            }
        }
        b'*' => Ok(Value::Array(None)),
        _ => {
            let line = element.slice(1..element.len() - 2);
            match (kind, line.as_ref()) {
                (b'+', _) => Ok(Value::Simple(line)),
                (b'-', _) => Ok(Value::Error(line)),
                (b':', text) => parse_text(text).map(Value::Integer).ok_or(invalid("integer")),
                (b',', text) => parse_text(text).map(Value::Double).ok_or(invalid("double")),
                (b'_', b"") => Ok(Value::Null),
                (b'_', _) => Err(invalid("null")),
                (b'#', b"t") => Ok(Value::Boolean(true)),
                (b'#', b"f") => Ok(Value::Boolean(false)),
                (b'#', _) => Err(invalid("boolean")),
                (_, text) if is_decimal(text) => Ok(Value::BigNumber(line)),
                _ => Err(invalid("big number")),
            }
        }
    }
}

/// The payload of a length-prefixed element; `None` for the null.
fn bulk_payload(element: &Bytes) -> Option<Bytes> {
    if element.get(1) == Some(&b'-') {
        return None;
    }
    let header = element.iter().position(|byte| *byte == b'\n')? + 1;
    Some(element.slice(header..element.len() - 2))
}

fn parse_text<T: str::FromStr>(text: &[u8]) -> Option<T> {
    str::from_utf8(text).ok()?.parse().ok()
}

fn is_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}
