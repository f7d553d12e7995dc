//! Pure. The MD5 consistent-hash ring: points, arcs, placement of tokens, lookup, the difference
//! of two ownerships, and the numbered ring document.

mod arc;
mod diff;
mod distribution;
mod document;
mod placement;
mod point;
mod ring;

pub use arc::{Arc, ArcMap, ArcSet, InvalidArc, InvalidArcMap};
pub use diff::{Move, diff};
pub use distribution::{Distribution, ServerShare};
pub use document::{
    DOCUMENT_FORMAT, DeadServer, DocumentError, MAX_DEAD, MAX_EPOCH, MAX_MEMBERS, MAX_NAME_BYTES,
    MAX_VIRTUAL_NODES, Member, Phase, Placement, RingDocument, is_name,
};
pub use placement::{CANDIDATES, token};
pub use point::{InvalidPoint, Point};
pub use ring::Ring;
