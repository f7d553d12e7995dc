//! Pure. The peer protocol: what source and target of a handoff say to each other.
//!
//! A frame: length of what follows (4 bytes, big-endian like every number), protocol version (1),
//! kind (1), fields, CRC-32 of version, kind and fields (4). The source connects, sends its
//! greeting and a question; both sides may then send at any time.

mod chunk;
mod decode;
mod encode;
pub mod stream;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use handoff::{ClusterId, Cursor, Epoch, HandoffId, Moved, Server, Terms, Version};
use ring::ArcSet;

use crate::store::{MAX_KEY_BYTES, POINT_BYTES, RecordKey};

pub use chunk::Chunk;
pub use decode::decode;
pub use encode::encode;

/// The version of the protocol that this server speaks.
pub const PROTOCOL_VERSION: u8 = 1;
/// The longest value that can be moved; no server may accept longer ones from clients.
pub const MAX_VALUE_BYTES: usize = 16 << 20;
/// The longest record: format, flags, version, expiry, value.
pub const MAX_RECORD_BYTES: usize = 18 + MAX_VALUE_BYTES;
/// A chunk of records is about so long, unless one record alone is longer.
pub const CHUNK_BYTES: usize = 1 << 20;
/// The most arcs of one handoff.
pub const MAX_ARCS: usize = 1 << 16;
/// The longest text of a refusal; a longer one is cut.
pub const MAX_TEXT_BYTES: usize = 4_096;
/// The longest first frame, whatever it claims to be.
pub const MAX_GREETING_BYTES: usize = MAX_ARCS * 2 * POINT_BYTES + 4_096;
/// The longest frame.
pub const MAX_FRAME_BYTES: usize =
    CHUNK_BYTES + RECORD_OVERHEAD_BYTES + POINT_BYTES + MAX_KEY_BYTES + MAX_RECORD_BYTES;

/// The lengths in front of a record key and of a record.
const RECORD_OVERHEAD_BYTES: usize = 8;
/// The length in front of a frame.
const LENGTH_BYTES: usize = 4;
/// Version and kind.
const HEAD_BYTES: usize = 2;
const CHECKSUM_BYTES: usize = 4;

/// Where a record is stored, and the record as it is stored.
pub type RawRecord = (RecordKey, Bytes);

/// Which exchange of question and answer a message belongs to. The source counts; an answer to an
/// earlier attempt is ignored.
pub type Attempt = u64;

/// The first frame on a connection: which handoff this is about, and between whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The cluster of both.
    pub cluster: ClusterId,
    /// The handoff.
    pub id: HandoffId,
    /// Who connects.
    pub source: Server,
    /// Whom it wants to reach; another incarnation refuses.
    pub target: Server,
    /// What moves.
    pub arcs: ArcSet,
    /// The epoch at which the target will own it.
    pub epoch: Epoch,
}

impl Greeting {
    /// The terms as the target has them on record.
    #[must_use]
    pub fn target_terms(&self) -> Terms {
        Terms { peer: self.source.clone(), arcs: self.arcs.clone(), epoch: self.epoch }
    }
}

/// What the source wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The source copies: how far is the target?
    Status,
    /// The source is frozen: has the target decided?
    Decide,
    /// As before; and the target is to decide at once, one way or the other.
    DecideNow,
}

/// The last word of a frozen source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Which attempt this is.
    pub attempt: Attempt,
    /// What the target must have, durably, before it owns the arcs.
    pub cursor: Cursor,
    /// The source's wall clock: expiry times up to here may have been acted on.
    pub wall_clock_ms: u64,
    /// The source's version clock: no record that it sent is above.
    pub version_clock: Version,
}

/// What a source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromSource {
    /// First on every connection.
    Greeting(Greeting),
    /// Wants an answer: yes, no, or not yet.
    Ask {
        /// To be repeated in the answer.
        attempt: Attempt,
        /// What is asked.
        question: Question,
    },
    /// What there is to move, as counted at the start.
    Estimate(Moved),
    /// Records to apply where they are newer. At least one; written by [`Chunk`].
    Records(Vec<RawRecord>),
    /// What was sent before this makes it true.
    Claim(Cursor),
    /// The source lives and the connection stands.
    Heartbeat,
    /// Everything was sent.
    End(End),
    /// It is recorded that the target owns the arcs.
    Given,
    /// It is recorded that the handoff is dropped.
    Dropped,
}

/// What a target says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromTarget {
    /// Owns the arcs, durably.
    Yes {
        /// Of the question or the end.
        attempt: Attempt,
        /// What was moved in all.
        moved: Moved,
    },
    /// Will never own the arcs by this handoff, durably.
    No {
        /// Of the question or the end.
        attempt: Attempt,
    },
    /// Has not decided.
    NotYet {
        /// Of the question or the end.
        attempt: Attempt,
        /// What is durable here; the source goes on from there.
        cursor: Cursor,
        /// What was moved so far.
        moved: Moved,
    },
    /// More has become durable.
    Confirm {
        /// What is durable here.
        cursor: Cursor,
        /// Bytes of chunk frames on this connection that are applied and durable.
        stream_bytes: u64,
        /// What was moved so far.
        moved: Moved,
    },
    /// What the source told, given or dropped, is recorded.
    Settled,
    /// The target lives and the connection stands.
    Heartbeat,
    /// The connection is of no use: another cluster, another server, terms that contradict.
    Refused(String),
}

/// Bytes that are no frame, or a message that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The frame is longer than allowed here.
    #[error("a frame of {bytes} bytes, where {max_bytes} is the most")]
    TooLong {
        /// Its length, or what it claims.
        bytes: usize,
        /// The bound.
        max_bytes: usize,
    },
    /// The peer speaks another version of the protocol.
    #[error(
        "the peer speaks version {0} of the handoff protocol, and this server version \
         {PROTOCOL_VERSION}; run the same release on all servers"
    )]
    Version(u8),
    /// The frame was changed on its way.
    #[error("the checksum of a frame does not fit")]
    Checksum,
    /// A kind that does not exist, or that the other side may not send.
    #[error("a frame of kind {0:#04x} may not come from there")]
    Kind(u8),
    /// The fields do not make sense.
    #[error("malformed frame: {0}")]
    Malformed(&'static str),
}

/// A message of one of the two directions.
pub trait Message: Sized + sealed::Fields {}

impl Message for FromSource {}
impl Message for FromTarget {}

mod sealed {
    use bytes::{Bytes, BytesMut};

    use super::WireError;

    pub trait Fields: Sized {
        fn kind(&self) -> u8;
        fn put(&self, out: &mut BytesMut) -> Result<(), WireError>;
        fn take(kind: u8, fields: Bytes) -> Result<Self, WireError>;
    }
}

/// The kind bytes. Never reused.
mod kind {
    pub(super) const GREETING: u8 = 0x01;
    pub(super) const ASK: u8 = 0x02;
    pub(super) const ESTIMATE: u8 = 0x03;
    pub(super) const RECORDS: u8 = 0x04;
    pub(super) const CLAIM: u8 = 0x05;
    pub(super) const SOURCE_HEARTBEAT: u8 = 0x06;
    pub(super) const END: u8 = 0x07;
    pub(super) const GIVEN: u8 = 0x08;
    pub(super) const DROPPED: u8 = 0x09;

    pub(super) const YES: u8 = 0x81;
    pub(super) const NO: u8 = 0x82;
    pub(super) const NOT_YET: u8 = 0x83;
    pub(super) const CONFIRM: u8 = 0x84;
    pub(super) const SETTLED: u8 = 0x85;
    pub(super) const TARGET_HEARTBEAT: u8 = 0x86;
    pub(super) const REFUSED: u8 = 0x87;
}
