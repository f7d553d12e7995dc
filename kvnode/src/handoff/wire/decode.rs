//! Pure. Bytes to messages. Every bound is checked before anything is taken or made.

use bytes::{Buf as _, Bytes, BytesMut};
use handoff::{ClusterId, Cursor, HandoffId, Incarnation, Moved, Server};
use ring::{Arc, ArcSet, MAX_NAME_BYTES, Point};

use super::{
    CHECKSUM_BYTES, End, FromSource, FromTarget, Greeting, HEAD_BYTES, LENGTH_BYTES, MAX_ARCS,
    MAX_RECORD_BYTES, MAX_TEXT_BYTES, Message, PROTOCOL_VERSION, Question, RawRecord, WireError,
    kind,
};
use crate::store::RecordKey;

/// Room that is made at once for a frame that is announced and not there; more is made as it comes.
const MAX_RESERVE_BYTES: usize = 1 << 20;
const CUT_SHORT: WireError = WireError::Malformed("cut short");

/// Takes the first frame out of the buffer, or `None` while it is not whole. `max_bytes` bounds its
/// fields. After an error the buffer is of no use.
///
/// # Errors
/// What is there can never become a message of this direction.
pub fn decode<M: Message>(buffer: &mut BytesMut, max_bytes: usize) -> Result<Option<M>, WireError> {
    let Some((length, rest)) = buffer.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > max_bytes.saturating_add(HEAD_BYTES + CHECKSUM_BYTES) {
        return Err(WireError::TooLong { bytes: length, max_bytes });
    }
    if let Some(version) = rest.first().filter(|version| **version != PROTOCOL_VERSION) {
        return Err(WireError::Version(*version));
    }
    if length < HEAD_BYTES + CHECKSUM_BYTES {
        return Err(CUT_SHORT);
    }
    let n_missing = length.saturating_sub(rest.len());
    if n_missing > 0 {
        buffer.reserve(n_missing.min(MAX_RESERVE_BYTES));
        return Ok(None);
    }
    buffer.advance(LENGTH_BYTES);
    let mut frame = Fields(buffer.split_to(length).freeze());
    let checked = frame.take(length - CHECKSUM_BYTES)?;
    if crc32fast::hash(&checked) != frame.u32()? {
        return Err(WireError::Checksum);
    }
    let mut fields = Fields(checked);
    let (_version, kind) = (fields.u8()?, fields.u8()?);
    M::take(kind, fields.0).map(Some)
}

pub(super) fn from_source(kind: u8, fields: Bytes) -> Result<FromSource, WireError> {
    let mut fields = Fields(fields);
    let message = match kind {
        kind::GREETING => FromSource::Greeting(fields.greeting()?),
        kind::ASK => FromSource::Ask { attempt: fields.u64()?, question: fields.question()? },
        kind::ESTIMATE => FromSource::Estimate(fields.moved()?),
        kind::RECORDS => FromSource::Records(fields.records()?),
        kind::CLAIM => FromSource::Claim(fields.cursor()?),
        kind::SOURCE_HEARTBEAT => FromSource::Heartbeat,
        kind::END => FromSource::End(End {
            attempt: fields.u64()?,
            cursor: fields.cursor()?,
            wall_clock_ms: fields.u64()?,
            version_clock: fields.u64()?,
        }),
        kind::GIVEN => FromSource::Given,
        kind::DROPPED => FromSource::Dropped,
        _ => return Err(WireError::Kind(kind)),
    };
    fields.end()?;
    Ok(message)
}

pub(super) fn from_target(kind: u8, fields: Bytes) -> Result<FromTarget, WireError> {
    let mut fields = Fields(fields);
    let message = match kind {
        kind::YES => FromTarget::Yes { attempt: fields.u64()?, moved: fields.moved()? },
        kind::NO => FromTarget::No { attempt: fields.u64()? },
        kind::NOT_YET => FromTarget::NotYet {
            attempt: fields.u64()?,
            cursor: fields.cursor()?,
            moved: fields.moved()?,
        },
        kind::CONFIRM => FromTarget::Confirm {
            cursor: fields.cursor()?,
            stream_bytes: fields.u64()?,
            moved: fields.moved()?,
        },
        kind::SETTLED => FromTarget::Settled,
        kind::TARGET_HEARTBEAT => FromTarget::Heartbeat,
        kind::REFUSED => FromTarget::Refused(fields.text(MAX_TEXT_BYTES)?),
        _ => return Err(WireError::Kind(kind)),
    };
    fields.end()?;
    Ok(message)
}

/// The fields of a frame that are not read yet.
struct Fields(Bytes);

impl Fields {
    fn take(&mut self, n_bytes: usize) -> Result<Bytes, WireError> {
        if n_bytes > self.0.len() {
            return Err(CUT_SHORT);
        }
        Ok(self.0.split_to(n_bytes))
    }

    fn u8(&mut self) -> Result<u8, WireError> {
        self.0.try_get_u8().map_err(|_| CUT_SHORT)
    }

    fn u16(&mut self) -> Result<u16, WireError> {
        self.0.try_get_u16().map_err(|_| CUT_SHORT)
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        self.0.try_get_u32().map_err(|_| CUT_SHORT)
    }

    fn u64(&mut self) -> Result<u64, WireError> {
        self.0.try_get_u64().map_err(|_| CUT_SHORT)
    }

    fn u128(&mut self) -> Result<u128, WireError> {
        self.0.try_get_u128().map_err(|_| CUT_SHORT)
    }

    fn end(self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Malformed("bytes after the end")) }
    }

    fn text(&mut self, max_bytes: usize) -> Result<String, WireError> {
        let n_bytes = usize::from(self.u16()?);
        if n_bytes > max_bytes {
            return Err(WireError::Malformed("a text is too long"));
        }
        let text = str::from_utf8(&self.take(n_bytes)?).map(str::to_owned);
        text.map_err(|_| WireError::Malformed("a text is not UTF-8"))
    }

    fn server(&mut self) -> Result<Server, WireError> {
        let name = self.text(MAX_NAME_BYTES)?;
        if name.is_empty() {
            return Err(WireError::Malformed("a server has no name"));
        }
        Ok(Server { name, incarnation: Incarnation(self.u128()?) })
    }

    fn greeting(&mut self) -> Result<Greeting, WireError> {
        Ok(Greeting {
            cluster: ClusterId(self.u128()?),
            id: HandoffId(self.u128()?),
            source: self.server()?,
            target: self.server()?,
            epoch: self.u64()?,
            arcs: self.arcs()?,
        })
    }

    /// The arcs in the one form that a set has: in order, disjoint, no two that could be one.
    fn arcs(&mut self) -> Result<ArcSet, WireError> {
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if count == 0 || count > MAX_ARCS {
            return Err(WireError::Malformed("a handoff has 1 to 65,536 arcs"));
        }
        let mut arcs: Vec<Arc> = Vec::new();
        for _ in 0..count {
            let (start, last) = (Point(self.u128()?), Point(self.u128()?));
            let after = arcs.last().map(|arc| arc.last().next());
            let is_apart = after.is_none_or(|next| next.is_some_and(|next| next < start));
            let arc = Arc::new(start, last).filter(|_| is_apart);
            arcs.push(arc.ok_or(WireError::Malformed("arcs out of order"))?);
        }
        Ok(arcs.into_iter().collect())
    }

    fn question(&mut self) -> Result<Question, WireError> {
        match self.u8()? {
            0 => Ok(Question::Status),
            1 => Ok(Question::Decide),
            2 => Ok(Question::DecideNow),
            _ => Err(WireError::Malformed("an unknown question")),
        }
    }

    fn cursor(&mut self) -> Result<Cursor, WireError> {
        let point = match self.u8()? {
            0 => None,
            1 => Some(Point(self.u128()?)),
            _ => return Err(WireError::Malformed("an impossible cursor")),
        };
        Ok(Cursor { point, watermark: self.u64()? })
    }

    fn moved(&mut self) -> Result<Moved, WireError> {
        Ok(Moved { keys: self.u64()?, bytes: self.u64()? })
    }

    /// All the rest. A key's point is checked, since ownership goes by it.
    fn records(&mut self) -> Result<Vec<RawRecord>, WireError> {
        let mut records = Vec::new();
        while records.is_empty() || !self.0.is_empty() {
            let n_key_bytes = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
            let key = RecordKey::from_raw(self.take(n_key_bytes)?);
            let key = key.filter(RecordKey::point_fits_key);
            let key = key.ok_or(WireError::Malformed("an impossible record key"))?;
            let n_record_bytes = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
            if n_record_bytes > MAX_RECORD_BYTES {
                return Err(WireError::Malformed("a record is too long"));
            }
            records.push((key, self.take(n_record_bytes)?));
        }
        Ok(records)
    }
}
