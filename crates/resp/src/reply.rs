//! Pure. The client side's decoder: whole replies out of a byte stream.

use bytes::{Bytes, BytesMut};

use crate::error::ProtocolError;
use crate::limits::Limits;
use crate::number::{self, NumberLine};

/// Finds replies, RESP2 and RESP3, in the bytes of one connection. It checks how they are framed
/// and nested; what a scalar says is for [`crate::Value::parse`].
///
/// The caller appends to the buffer as bytes arrive and takes nothing out of it; the decoder
/// remembers how far it got.
#[derive(Debug)]
pub struct ReplyDecoder {
    limits: Limits,
    /// Bytes of the reply that are understood.
    position: usize,
    /// Bytes after `position` that hold no line end.
    scanned: usize,
    /// The aggregates around `position`, the outermost first.
    open: Vec<Open>,
    failed: Option<ProtocolError>,
}

#[derive(Debug)]
struct Open {
    values_left: u64,
    /// An attribute precedes a value and does not count as one.
    attribute: bool,
}

/// One value's own bytes: all of a scalar, the header of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Scalar { size: usize },
    Aggregate { size: usize, values: u64, attribute: bool },
}

impl ReplyDecoder {
    /// A decoder at the start of a connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, position: 0, scanned: 0, open: Vec::new(), failed: None }
    }

    /// Takes the next reply, with the attributes before it, out of `buffer`; `None` when more
    /// bytes are needed. After an error every further call gives the same error.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.advance(buffer) {
            Ok(true) => {
                let reply = buffer.split_to(self.position).freeze();
                self.position = 0;
                Ok(Some(reply))
            }
            Ok(false) => Ok(None),
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// True when the reply is whole.
    fn advance(&mut self, buffer: &[u8]) -> Result<bool, ProtocolError> {
        let limit = self.limits.max_reply_bytes;
        loop {
            let rest = buffer.get(self.position..).unwrap_or_default();
            let room = limit.saturating_sub(self.position);
            let Some(element) = read_element(rest, &mut self.scanned)? else {
                return if rest.len() > room { Err(too_large(limit)) } else { Ok(false) };
            };
            self.scanned = 0;
            let complete = match element {
                Element::Scalar { size } => {
                    self.position += size;
                    self.end_value()
                }
                Element::Aggregate { size, values, attribute } => {
                    self.position += size;
                    self.open(values, attribute)?
                }
            };
            if self.position > limit {
                return Err(too_large(limit));
            }
            if complete {
                return Ok(true);
            }
        }
    }

    fn open(&mut self, values_left: u64, attribute: bool) -> Result<bool, ProtocolError> {
        if self.open.len() >= self.limits.max_reply_depth {
            return Err(ProtocolError::ReplyTooDeep { limit: self.limits.max_reply_depth });
        }
        if values_left > 0 {
            self.open.push(Open { values_left, attribute });
            return Ok(false);
        }
        Ok(!attribute && self.end_value())
    }

    /// Closes what ends with the value just read; true when that is the whole reply.
    fn end_value(&mut self) -> bool {
        while let Some(innermost) = self.open.last_mut() {
            innermost.values_left -= 1;
            if innermost.values_left > 0 {
                return false;
            }
            let attribute = innermost.attribute;
            self.open.pop();
            if attribute {
                return false;
            }
        }
        true
    }
}

fn too_large(limit: usize) -> ProtocolError {
    ProtocolError::ReplyTooLarge { limit }
}

/// Reads one element at the start of `bytes`, of which `scanned` are known to hold no line end.
/// `None` when more bytes are needed.
#[inline]
pub(crate) fn read_element(
    bytes: &[u8],
    scanned: &mut usize,
) -> Result<Option<Element>, ProtocolError> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
    match kind {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {
            Ok(read_line(bytes, scanned)?.map(|size| Element::Scalar { size }))
        }
        b'$' | b'!' | b'=' => {
            let Some((length, header_size)) = read_length(rest, *kind == b'$')? else {
                return Ok(None);
            };
            let Some(length) = length else {
                return Ok(Some(Element::Scalar { size: header_size }));
            };
            let end = usize::try_from(length).ok().and_then(|len| header_size.checked_add(len));
            let end = end.ok_or(ProtocolError::InvalidReplyLength)?;
            match bytes.get(end..).unwrap_or_default() {
                [b'\r', b'\n', ..] => Ok(Some(Element::Scalar { size: end + 2 })),
                [] | [b'\r'] => Ok(None),
                _ => Err(ProtocolError::ExpectedCrlf),
            }
        }
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            let Some((count, size)) = read_length(rest, *kind == b'*')? else { return Ok(None) };
            let Some(count) = count else { return Ok(Some(Element::Scalar { size })) };
            let per_entry = if matches!(kind, b'%' | b'|') { 2 } else { 1 };
            let values = count.checked_mul(per_entry).ok_or(ProtocolError::InvalidReplyLength)?;
            Ok(Some(Element::Aggregate { size, values, attribute: *kind == b'|' }))
        }
        got => Err(ProtocolError::UnknownReplyType { got: *got }),
    }
}

/// Length of the line at the start of `bytes`, its CRLF included.
fn read_line(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, ProtocolError> {
    let fresh = bytes.get(*scanned..).unwrap_or_default();
    let Some(found) = fresh.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        *scanned = bytes.len();
        return Ok(None);
    };
    *scanned += found;
    match bytes.get(*scanned..).unwrap_or_default() {
        [b'\r', b'\n', ..] => Ok(Some(*scanned + 2)),
        [b'\r'] => Ok(None),
        _ => Err(ProtocolError::ExpectedCrlf),
    }
}

/// A length or count, `None` for the -1 of a null, and the size of its header.
fn read_length(rest: &[u8], nullable: bool) -> Result<Option<(Option<u64>, usize)>, ProtocolError> {
    match number::read_line(rest) {
        NumberLine::Partial => Ok(None),
        NumberLine::Invalid => Err(ProtocolError::InvalidReplyLength),
        NumberLine::Number { value: -1, size } if nullable => Ok(Some((None, 1 + size))),
        NumberLine::Number { value, size } => match u64::try_from(value) {
            Ok(length) => Ok(Some((Some(length), 1 + size))),
            Err(_) => Err(ProtocolError::InvalidReplyLength),
        },
    }
}
