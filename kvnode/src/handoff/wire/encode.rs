//! Pure. Messages to bytes.

use bytes::{BufMut as _, Bytes, BytesMut};
use handoff::{Cursor, Moved, Server};
use ring::{ArcSet, MAX_NAME_BYTES};

use super::sealed::Fields;
use super::{
    CHECKSUM_BYTES, Chunk, End, FromSource, FromTarget, Greeting, HEAD_BYTES, LENGTH_BYTES,
    MAX_ARCS, MAX_FRAME_BYTES, MAX_TEXT_BYTES, Message, PROTOCOL_VERSION, Question, WireError,
    kind,
};

/// Appends the frame of a message. After an error nothing is appended.
///
/// # Errors
/// The message breaks a bound of the protocol: too many arcs, too long a name or record, no record.
pub fn encode<M: Message>(message: &M, out: &mut BytesMut) -> Result<(), WireError> {
    let start = out.len();
    begin_frame(message.kind(), out);
    let ended = message.put(out).and_then(|()| end_frame(out, start));
    if ended.is_err() {
        out.truncate(start);
    }
    ended
}

pub(super) fn begin_frame(kind: u8, out: &mut BytesMut) {
    out.put_u32(0);
    out.put_u8(PROTOCOL_VERSION);
    out.put_u8(kind);
}

/// Fills in the length of the frame that began at `start`, and adds the checksum.
pub(super) fn end_frame(out: &mut BytesMut, start: usize) -> Result<(), WireError> {
    let checksum = crc32fast::hash(out.get(start + LENGTH_BYTES..).unwrap_or_default());
    out.put_u32(checksum);
    let bytes = out.len() - start - LENGTH_BYTES;
    let too_long = WireError::TooLong { bytes, max_bytes: MAX_FRAME_BYTES };
    let length = u32::try_from(bytes).map_err(|_| too_long.clone())?;
    if bytes > MAX_FRAME_BYTES + HEAD_BYTES + CHECKSUM_BYTES {
        return Err(too_long);
    }
    if let Some(place) = out.get_mut(start..start + LENGTH_BYTES) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

impl Fields for FromSource {
    fn kind(&self) -> u8 {
        match self {
            Self::Greeting(_) => kind::GREETING,
            Self::Ask { .. } => kind::ASK,
            Self::Estimate(_) => kind::ESTIMATE,
            Self::Records(_) => kind::RECORDS,
            Self::Claim(_) => kind::CLAIM,
            Self::Heartbeat => kind::SOURCE_HEARTBEAT,
            Self::End(_) => kind::END,
            Self::Given => kind::GIVEN,
            Self::Dropped => kind::DROPPED,
        }
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), WireError> {
        match self {
            Self::Greeting(greeting) => put_greeting(greeting, out)?,
            Self::Ask { attempt, question } => {
                out.put_u64(*attempt);
                out.put_u8(match question {
                    Question::Status => 0,
                    Question::Decide => 1,
                    Question::DecideNow => 2,
                });
            }
            Self::Estimate(moved) => put_moved(*moved, out),
            Self::Records(records) => {
                if records.is_empty() {
                    return Err(WireError::Malformed("a chunk has at least one record"));
                }
                for (key, record) in records {
                    Chunk::put_record(key, record, out)?;
                }
            }
            Self::Claim(cursor) => put_cursor(*cursor, out),
            Self::End(End { attempt, cursor, wall_clock_ms, version_clock }) => {
                out.put_u64(*attempt);
                put_cursor(*cursor, out);
                out.put_u64(*wall_clock_ms);
                out.put_u64(*version_clock);
            }
            Self::Heartbeat | Self::Given | Self::Dropped => {}
        }
        Ok(())
    }

    fn take(kind: u8, fields: Bytes) -> Result<Self, WireError> {
        super::decode::from_source(kind, fields)
    }
}

impl Fields for FromTarget {
    fn kind(&self) -> u8 {
        match self {
            Self::Yes { .. } => kind::YES,
            Self::No { .. } => kind::NO,
            Self::NotYet { .. } => kind::NOT_YET,
            Self::Confirm { .. } => kind::CONFIRM,
            Self::Settled => kind::SETTLED,
            Self::Heartbeat => kind::TARGET_HEARTBEAT,
            Self::Refused(_) => kind::REFUSED,
        }
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), WireError> {
        match self {
            Self::Yes { attempt, moved } => {
                out.put_u64(*attempt);
                put_moved(*moved, out);
            }
            Self::No { attempt } => out.put_u64(*attempt),
            Self::NotYet { attempt, cursor, moved } => {
                out.put_u64(*attempt);
                put_cursor(*cursor, out);
                put_moved(*moved, out);
            }
            Self::Confirm { cursor, stream_bytes, moved } => {
                put_cursor(*cursor, out);
                out.put_u64(*stream_bytes);
                put_moved(*moved, out);
            }
            Self::Settled | Self::Heartbeat => {}
            Self::Refused(text) => {
                let mut ends = (0..=MAX_TEXT_BYTES.min(text.len())).rev();
                let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
                put_text(text.get(..end).unwrap_or_default(), out);
            }
        }
        Ok(())
    }

    fn take(kind: u8, fields: Bytes) -> Result<Self, WireError> {
        super::decode::from_target(kind, fields)
    }
}

fn put_greeting(greeting: &Greeting, out: &mut BytesMut) -> Result<(), WireError> {
    let Greeting { cluster, id, source, target, arcs, epoch } = greeting;
    out.put_u128(cluster.0);
    out.put_u128(id.0);
    put_server(source, out)?;
    put_server(target, out)?;
    out.put_u64(*epoch);
    put_arcs(arcs, out)
}

fn put_server(server: &Server, out: &mut BytesMut) -> Result<(), WireError> {
    if !(1..=MAX_NAME_BYTES).contains(&server.name.len()) {
        return Err(WireError::Malformed("a server's name has 1 to 253 bytes"));
    }
    put_text(&server.name, out);
    out.put_u128(server.incarnation.0);
    Ok(())
}

fn put_arcs(arcs: &ArcSet, out: &mut BytesMut) -> Result<(), WireError> {
    let count = u32::try_from(arcs.len()).unwrap_or(u32::MAX);
    if arcs.is_empty() || arcs.len() > MAX_ARCS {
        return Err(WireError::Malformed("a handoff has 1 to 65,536 arcs"));
    }
    out.put_u32(count);
    for arc in arcs.iter() {
        out.put_u128(arc.start().0);
        out.put_u128(arc.last().0);
    }
    Ok(())
}

/// Texts are far below the length that two bytes can say.
fn put_text(text: &str, out: &mut BytesMut) {
    out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}

fn put_cursor(cursor: Cursor, out: &mut BytesMut) {
    match cursor.point {
        None => out.put_u8(0),
        Some(point) => {
            out.put_u8(1);
            out.put_u128(point.0);
        }
    }
    out.put_u64(cursor.watermark);
}

fn put_moved(moved: Moved, out: &mut BytesMut) {
    out.put_u64(moved.keys);
    out.put_u64(moved.bytes);
}
