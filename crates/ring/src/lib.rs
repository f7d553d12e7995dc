//! Pure. The MD5 consistent-hash ring: points, arcs, placement of tokens, lookup, the difference
//! of two ownerships, and the numbered ring document.

mod arc;
mod point;

pub use arc::{Arc, ArcMap, ArcSet, InvalidArc, InvalidArcMap};
pub use point::{InvalidPoint, Point};
mod document;

pub use document::{
    DOCUMENT_FORMAT, DeadServer, MAX_MEMBERS, MAX_VIRTUAL_NODES, Member, Phase, Placement,
    RingDocument,
};
