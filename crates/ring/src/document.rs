//! Pure. The ring document: who is in the ring, numbered by epoch. A ring is a function of it.

use serde::{Deserialize, Serialize};

/// The version of the JSON form.
pub const DOCUMENT_FORMAT: u32 = 1;
/// The most members that a document may have.
pub const MAX_MEMBERS: usize = 1_000;
/// The most tokens that a member may have.
pub const MAX_VIRTUAL_NODES: u16 = 1_000;

/// The wish: which servers share the ring. The nodes hold the truth of who owns what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingDocument {
    /// [`DOCUMENT_FORMAT`].
    pub format: u32,
    /// The cluster, 32 hexadecimal digits.
    pub cluster: String,
    /// Grows with each committed change of the document.
    pub epoch: u64,
    /// The term of the coordinator that wrote it.
    pub term: u64,
    /// Whether the first owners are known.
    pub phase: Phase,
    /// How tokens are chosen.
    pub placement: Placement,
    /// Tokens of each member.
    pub virtual_nodes: u16,
    /// The members in the order in which they joined; the last is the newest.
    pub members: Vec<Member>,
    /// Incarnations that will never serve again; kept for ever.
    #[serde(default)]
    pub dead: Vec<DeadServer>,
}

/// How far the ring is from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Members and incarnations are frozen; grants are being recorded; nobody serves.
    Bootstrapping,
    /// Every member has recorded its first grant.
    Bootstrapped,
}

/// How a member's tokens are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Token i is MD5("{name}-{i}").
    Classic,
    /// Token i is the best of 8 salted candidates, MD5("{name}-{i}~{salt}").
    #[default]
    Balanced,
}

/// One server of the ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name, never an address.
    pub name: String,
    /// Its volume's incarnation, 32 hexadecimal digits.
    pub incarnation: String,
    /// The chosen salt of each token; empty with classic placement.
    #[serde(default)]
    pub salts: Vec<u8>,
}

/// A server whose volume is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadServer {
    /// Its name.
    pub name: String,
    /// Its volume's incarnation, 32 hexadecimal digits.
    pub incarnation: String,
}
