//! Pure. What source and target of a handoff say to each other.
//!
//! A frame is: length of what follows (4 bytes), version of the format (1), kind (1), content.
//! Numbers are big-endian. The source connects and greets; the stream goes on from the cursor in
//! the target's answer, and everything within one connection is in order.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use handoff::{ClusterId, Cursor, Epoch, HandoffId, Moved, Server, Version};
use node_api::Secret;
use ring::{ArcSet, MAX_NAME_BYTES, Point};
use serde::{Deserialize, Serialize};

use crate::store::RecordKey;

/// The version of all frames.
pub(crate) const WIRE_VERSION: u8 = 1;
/// The longest frame that a source may send once it has greeted. A chunk holds one record at
/// least, however long.
pub(crate) const MAX_FRAME_BYTES: usize = 528 << 20;
/// The longest greeting, and the longest frame of a target: whoever is not known, and whoever has
/// little to say, gets no more memory than this.
pub(crate) const MAX_SHORT_FRAME_BYTES: usize = 2 << 20;
/// The most arcs that a greeting names: more than the tokens of any one server.
pub(crate) const MAX_ARCS: usize = 16_384;
/// What a record costs in a chunk beside its bytes.
pub(crate) const RECORD_OVERHEAD_BYTES: usize = 8;

/// A frame that does not follow the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("a frame of {length} bytes is over the limit of {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("a frame has version {0}, this program reads {WIRE_VERSION}")]
    Version(u8),
    #[error("a frame of kind {0} is not known here")]
    Kind(u8),
    #[error("a frame is cut short or holds impossible values")]
    Malformed,
}

/// Where the source stands when it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// It copies, and asks from where.
    Copying,
    /// It is frozen, and asks how the target stands.
    Frozen,
    /// It has recorded that the target owns the arcs.
    Given,
    /// It has dropped the handoff.
    Dropped,
}

/// The greeting of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) id: HandoffId,
    pub(crate) cluster: ClusterId,
    pub(crate) source: Server,
    pub(crate) target: Server,
    pub(crate) arcs: ArcSet,
    pub(crate) epoch: Epoch,
    pub(crate) standing: Standing,
}

/// The end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) attempt: u32,
    pub(crate) watermark: Version,
    pub(crate) wall_clock_ms: u64,
    pub(crate) version_clock: Version,
}

/// From the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToTarget {
    /// Before the greeting, where the servers ask each other for a token.
    Token(Secret),
    Hello(Box<Hello>),
    /// Encoded records, tombstones included.
    Chunk(Vec<(RecordKey, Bytes)>),
    /// What the source has sent all of.
    Watermark(Cursor),
    /// To be answered by a confirmation; with an estimate of the whole.
    Heartbeat {
        total: Moved,
    },
    End(End),
    /// The target is to decide at once.
    DecideNow,
    Given,
    Dropped,
}

/// From the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToSource {
    /// Not decided; everything up to the cursor is durable.
    NotYet(Cursor),
    /// Everything up to the cursor, and so many bytes of this connection, is durable.
    Confirm {
        cursor: Cursor,
        received_bytes: u64,
        moved: Moved,
    },
    Yes(Moved),
    No,
    Settled,
    /// This connection is not taken; the text says why.
    Failed(String),
}

const HELLO: u8 = 1;
const CHUNK: u8 = 2;
const WATERMARK: u8 = 3;
const HEARTBEAT: u8 = 4;
const END: u8 = 5;
const DECIDE_NOW: u8 = 6;
const GIVEN: u8 = 7;
const DROPPED: u8 = 8;
const TOKEN: u8 = 9;
const NOT_YET: u8 = 65;
const CONFIRM: u8 = 66;
const YES: u8 = 67;
const NO: u8 = 68;
const SETTLED: u8 = 69;
const FAILED: u8 = 70;

/// The length of the next frame after its length field, or `None` where that is not there yet.
pub(crate) fn frame_len(buffer: &[u8], limit: usize) -> Result<Option<usize>, WireError> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| WireError::Malformed)?;
    if length > limit {
        return Err(WireError::TooLong { length, limit });
    }
    Ok(Some(length))
}

impl ToTarget {
    /// The frame with its length in front.
    pub(crate) fn encode(&self) -> Bytes {
        frame(|out| match self {
            Self::Token(token) => {
                out.put_u8(TOKEN);
                out.put_slice(token.reveal());
            }
            Self::Hello(hello) => {
                out.put_u8(HELLO);
                out.put_slice(&serde_json::to_vec(hello).unwrap_or_default());
            }
            Self::Chunk(records) => {
                out.put_u8(CHUNK);
                for (key, record) in records {
                    put_bytes(out, key.as_bytes());
                    put_bytes(out, record);
                }
            }
            Self::Watermark(cursor) => {
                out.put_u8(WATERMARK);
                put_cursor(out, cursor);
            }
            Self::Heartbeat { total } => {
                out.put_u8(HEARTBEAT);
                put_moved(out, total);
            }
            Self::End(end) => {
                out.put_u8(END);
                out.put_u32(end.attempt);
                out.put_u64(end.watermark);
                out.put_u64(end.wall_clock_ms);
                out.put_u64(end.version_clock);
            }
            Self::DecideNow => out.put_u8(DECIDE_NOW),
            Self::Given => out.put_u8(GIVEN),
            Self::Dropped => out.put_u8(DROPPED),
        })
    }

    /// Reads a frame without its length.
    pub(crate) fn decode(frame: Bytes) -> Result<Self, WireError> {
        let (kind, mut content) = open(frame)?;
        let message = match kind {
            TOKEN => {
                return Secret::new(&content).map(Self::Token).map_err(|_| WireError::Malformed);
            }
            HELLO => {
                return Ok(Self::Hello(Box::new(get_hello(&content)?)));
            }
            CHUNK => Self::Chunk(get_records(&mut content)?),
            WATERMARK => Self::Watermark(get_cursor(&mut content)?),
            HEARTBEAT => Self::Heartbeat { total: get_moved(&mut content)? },
            END => Self::End(End {
                attempt: content.try_get_u32().map_err(|_| WireError::Malformed)?,
                watermark: get_u64(&mut content)?,
                wall_clock_ms: get_u64(&mut content)?,
                version_clock: get_u64(&mut content)?,
            }),
            DECIDE_NOW => Self::DecideNow,
            GIVEN => Self::Given,
            DROPPED => Self::Dropped,
            kind => return Err(WireError::Kind(kind)),
        };
        done(&content, message)
    }
}

impl ToSource {
    /// The frame with its length in front.
    pub(crate) fn encode(&self) -> Bytes {
        frame(|out| match self {
            Self::NotYet(cursor) => {
                out.put_u8(NOT_YET);
                put_cursor(out, cursor);
            }
            Self::Confirm { cursor, received_bytes, moved } => {
                out.put_u8(CONFIRM);
                put_cursor(out, cursor);
                out.put_u64(*received_bytes);
                put_moved(out, moved);
            }
            Self::Yes(moved) => {
                out.put_u8(YES);
                put_moved(out, moved);
            }
            Self::No => out.put_u8(NO),
            Self::Settled => out.put_u8(SETTLED),
            Self::Failed(text) => {
                out.put_u8(FAILED);
                out.put_slice(text.as_bytes());
            }
        })
    }

    /// Reads a frame without its length.
    pub(crate) fn decode(frame: Bytes) -> Result<Self, WireError> {
        let (kind, mut content) = open(frame)?;
        let message = match kind {
            NOT_YET => Self::NotYet(get_cursor(&mut content)?),
            CONFIRM => Self::Confirm {
                cursor: get_cursor(&mut content)?,
                received_bytes: get_u64(&mut content)?,
                moved: get_moved(&mut content)?,
            },
            YES => Self::Yes(get_moved(&mut content)?),
            NO => Self::No,
            SETTLED => Self::Settled,
            FAILED => return Ok(Self::Failed(String::from_utf8_lossy(&content).into_owned())),
            kind => return Err(WireError::Kind(kind)),
        };
        done(&content, message)
    }
}

fn frame(write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_u32(0);
    out.put_u8(WIRE_VERSION);
    write(&mut out);
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    if let Some(head) = out.first_chunk_mut::<4>() {
        *head = length.to_be_bytes();
    }
    out.freeze()
}

fn open(mut frame: Bytes) -> Result<(u8, Bytes), WireError> {
    let version = frame.try_get_u8().map_err(|_| WireError::Malformed)?;
    if version != WIRE_VERSION {
        return Err(WireError::Version(version));
    }
    let kind = frame.try_get_u8().map_err(|_| WireError::Malformed)?;
    Ok((kind, frame))
}

fn done<T>(rest: &Bytes, message: T) -> Result<T, WireError> {
    if rest.is_empty() { Ok(message) } else { Err(WireError::Malformed) }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn get_bytes(from: &mut Bytes) -> Result<Bytes, WireError> {
    let length = from.try_get_u32().map_err(|_| WireError::Malformed)?;
    let length = usize::try_from(length).map_err(|_| WireError::Malformed)?;
    if length > from.len() {
        return Err(WireError::Malformed);
    }
    Ok(from.split_to(length))
}

fn get_hello(content: &[u8]) -> Result<Hello, WireError> {
    if content.len() > MAX_SHORT_FRAME_BYTES {
        return Err(WireError::Malformed);
    }
    let hello: Hello = serde_json::from_slice(content).map_err(|_| WireError::Malformed)?;
    let names = [&hello.source.name, &hello.target.name];
    let are_named = names.into_iter().all(|name| (1..=MAX_NAME_BYTES).contains(&name.len()));
    let has_arcs = (1..=MAX_ARCS).contains(&hello.arcs.len());
    if are_named && has_arcs { Ok(hello) } else { Err(WireError::Malformed) }
}

fn get_records(from: &mut Bytes) -> Result<Vec<(RecordKey, Bytes)>, WireError> {
    let mut records = Vec::new();
    while !from.is_empty() {
        let key = RecordKey::from_raw(get_bytes(from)?).ok_or(WireError::Malformed)?;
        records.push((key, get_bytes(from)?));
    }
    Ok(records)
}

fn put_cursor(out: &mut BytesMut, cursor: &Cursor) {
    out.put_u8(u8::from(cursor.point.is_some()));
    out.put_u128(cursor.point.map_or(0, |point| point.0));
    out.put_u64(cursor.watermark);
}

fn get_cursor(from: &mut Bytes) -> Result<Cursor, WireError> {
    let has_point = from.try_get_u8().map_err(|_| WireError::Malformed)?;
    let point = from.try_get_u128().map_err(|_| WireError::Malformed)?;
    let point = match has_point {
        0 => None,
        1 => Some(Point(point)),
        _ => return Err(WireError::Malformed),
    };
    Ok(Cursor { point, watermark: get_u64(from)? })
}

fn put_moved(out: &mut BytesMut, moved: &Moved) {
    out.put_u64(moved.keys);
    out.put_u64(moved.bytes);
}

fn get_moved(from: &mut Bytes) -> Result<Moved, WireError> {
    Ok(Moved { keys: get_u64(from)?, bytes: get_u64(from)? })
}

fn get_u64(from: &mut Bytes) -> Result<u64, WireError> {
    from.try_get_u64().map_err(|_| WireError::Malformed)
}

/// How far a target is, kept in its store in the same commits as the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) cursor: Cursor,
    pub(crate) moved: Moved,
}

const RECEIVED_FORMAT: u8 = 1;

impl Received {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(42);
        out.put_u8(RECEIVED_FORMAT);
        put_cursor(&mut out, &self.cursor);
        put_moved(&mut out, &self.moved);
        out.freeze()
    }

    pub(crate) fn decode(mut from: Bytes) -> Result<Self, WireError> {
        match from.try_get_u8().map_err(|_| WireError::Malformed)? {
            RECEIVED_FORMAT => {}
            other => return Err(WireError::Version(other)),
        }
        let received = Self { cursor: get_cursor(&mut from)?, moved: get_moved(&mut from)? };
        done(&from, received)
    }
}

/// Holds of any stream: what is read of it is written so that it is read alike.
pub(crate) fn check_any(stream: &[u8]) {
    let mut stream = Bytes::copy_from_slice(stream);
    while let Ok(Some(length)) = frame_len(&stream, MAX_SHORT_FRAME_BYTES) {
        stream.advance(4);
        let frame = stream.split_to(length.min(stream.len()));
        if let Ok(message) = ToTarget::decode(frame.clone()) {
            assert_eq!(ToTarget::decode(message.encode().slice(4..)), Ok(message));
        }
        if let Ok(message) = ToSource::decode(frame.clone()) {
            assert_eq!(ToSource::decode(message.encode().slice(4..)), Ok(message));
        }
        if let Ok(received) = Received::decode(frame) {
            assert_eq!(Received::decode(received.encode()), Ok(received));
        }
    }
}

#[cfg(test)]
mod tests;
