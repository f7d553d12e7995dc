//! Pure. The ring document: who is in the ring, numbered by epoch. A ring is a function of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Point;
use crate::placement::{CANDIDATES, Landscape, token};

/// The version of the JSON form.
pub const DOCUMENT_FORMAT: u32 = 1;
/// The most members that a document may have.
pub const MAX_MEMBERS: usize = 256;
/// The most tokens that a member may have.
pub const MAX_VIRTUAL_NODES: u16 = 1_000;
/// The most bytes that a member's name may have.
pub const MAX_NAME_BYTES: usize = 253;
/// The highest epoch and term: far above what is ever reached, and far below where counting ends.
pub const MAX_EPOCH: u64 = 1 << 62;
/// The most dead incarnations that a document may list.
pub const MAX_DEAD: usize = 100_000;

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
    /// Former members that are not known to have retired: they may still own something.
    #[serde(default)]
    pub leaving: Vec<Member>,
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
    /// The chosen salt of each token; empty with classic placement. A digit each in JSON.
    #[serde(default, with = "salts", skip_serializing_if = "Vec::is_empty")]
    pub salts: Vec<u8>,
}

impl Member {
    /// Whether this is that server on that volume.
    #[must_use]
    pub fn is(&self, name: &str, incarnation: &str) -> bool {
        self.name == name && self.incarnation == incarnation
    }
}

/// Salts as a string of digits.
mod salts {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::ptr_arg)]
    pub(super) fn serialize<S: Serializer>(salts: &Vec<u8>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&salts.iter().map(u8::to_string).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let digit = |byte: u8| byte.checked_sub(b'0').filter(|digit| *digit < super::CANDIDATES);
        String::deserialize(from)?.bytes().map(digit).collect::<Option<_>>().ok_or_else(|| {
            serde::de::Error::custom(format!("salts are digits below {}", super::CANDIDATES))
        })
    }
}

/// A server whose volume is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadServer {
    /// Its name.
    pub name: String,
    /// Its volume's incarnation, 32 hexadecimal digits.
    pub incarnation: String,
    /// Whether all that it owned has been granted anew. From then on this acceptance is used up.
    #[serde(default)]
    pub settled: bool,
}

/// A document that describes no ring, or a change that it does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum DocumentError {
    #[error("the ring document is not readable: {0}")]
    Unreadable(String),
    #[error(
        "the ring document has format {0}, this version of ringkv reads format {DOCUMENT_FORMAT}: \
         start the version that wrote it"
    )]
    UnknownFormat(u32),
    #[error("the {what} of a ring document is 32 lower-case hexadecimal digits, not `{value}`")]
    NotAnIdentity { what: &'static str, value: String },
    #[error(
        "the {what} of a ring document is at most {MAX_EPOCH}, its epoch at least 1, not {value}"
    )]
    Number { what: &'static str, value: u64 },
    #[error("a member has 1 to {MAX_VIRTUAL_NODES} virtual nodes, not {0}")]
    VirtualNodes(u16),
    #[error("a ring has 1 to {MAX_MEMBERS} servers, not {0}")]
    MemberCount(usize),
    #[error("at most {MAX_MEMBERS} servers leave at a time, not {0}")]
    LeaverCount(usize),
    #[error("a ring document lists at most {MAX_DEAD} dead servers, not {0}")]
    DeadCount(usize),
    #[error(
        "a server's name is 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` and `.`, \
         beginning with a letter or digit: `{0}` is not"
    )]
    InvalidName(String),
    #[error("the server {0} is in the ring already")]
    AlreadyMember(String),
    #[error("no server {0} is in the ring")]
    NotAMember(String),
    #[error("{name} has {found} salts where {expected} belong, each below {CANDIDATES}")]
    Salts { name: String, expected: usize, found: usize },
    #[error(
        "the volume {incarnation} of {name} has been declared lost and cannot serve again: \
         start the server with an empty volume"
    )]
    Dead { name: String, incarnation: String },
    #[error("the last server cannot leave the ring")]
    LastMember,
    #[error("the first ring is still being set up: its servers cannot change until that is done")]
    Bootstrapping,
}

impl RingDocument {
    /// The first document of a cluster, at epoch 1 and in phase [`Phase::Bootstrapping`]: names
    /// and incarnations in the order in which they join.
    pub fn bootstrap<'a>(
        cluster: &str,
        placement: Placement,
        virtual_nodes: u16,
        members: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, DocumentError> {
        let mut document = Self {
            format: DOCUMENT_FORMAT,
            cluster: cluster.to_owned(),
            epoch: 1,
            term: 0,
            phase: Phase::Bootstrapping,
            placement,
            virtual_nodes,
            members: Vec::new(),
            leaving: Vec::new(),
            dead: Vec::new(),
        };
        document.check_virtual_nodes()?;
        let mut landscape = Landscape::default();
        for (name, incarnation) in members {
            if document.members.len() >= MAX_MEMBERS {
                return Err(DocumentError::MemberCount(document.members.len() + 1));
            }
            document.push_member(&mut landscape, name, incarnation);
        }
        document.validate()?;
        Ok(document)
    }

    /// The next document: every member has recorded its first grant.
    #[must_use]
    pub fn bootstrapped(&self) -> Self {
        Self { phase: Phase::Bootstrapped, epoch: self.epoch + 1, ..self.clone() }
    }

    /// The next document, with one more server, the newest; see [`Self::with_members_added`].
    pub fn with_member_added(&self, name: &str, incarnation: &str) -> Result<Self, DocumentError> {
        self.with_members_added([(name, incarnation)])
    }

    /// The next document, with more servers (name and incarnation), the newest last. A server that
    /// is still leaving comes back with the tokens that it had, unless that would make the ring
    /// uneven.
    pub fn with_members_added<'a>(
        &self,
        joiners: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, DocumentError> {
        self.check_changeable()?;
        let mut landscape = Landscape::default();
        for member in &self.members {
            landscape.add(self.tokens(member));
        }
        let mut next = Self { epoch: self.epoch + 1, ..self.clone() };
        for (name, incarnation) in joiners {
            if next.member(name).is_some() {
                return Err(DocumentError::AlreadyMember(name.to_owned()));
            }
            if next.members.len() >= MAX_MEMBERS {
                return Err(DocumentError::MemberCount(next.members.len() + 1));
            }
            let left = next.leaving.extract_if(.., |left| left.is(name, incarnation)).next();
            match left.filter(|left| landscape.stays_even_with(next.tokens(left))) {
                Some(left) => {
                    landscape.add(next.tokens(&left));
                    next.members.push(left);
                }
                None => next.push_member(&mut landscape, name, incarnation),
            }
        }
        next.validate()?;
        Ok(next)
    }

    /// The next document, without this server, which is leaving from then on.
    pub fn with_member_removed(&self, name: &str) -> Result<Self, DocumentError> {
        self.check_changeable()?;
        let mut next = Self { epoch: self.epoch + 1, ..self.clone() };
        let left = next.members.extract_if(.., |member| member.name == name).next();
        let left = left.ok_or_else(|| DocumentError::NotAMember(name.to_owned()))?;
        next.leaving.push(left);
        if next.members.is_empty() {
            return Err(DocumentError::LastMember);
        }
        Ok(next)
    }

    /// The next document: this former member has retired.
    pub fn with_leaver_retired(
        &self,
        name: &str,
        incarnation: &str,
    ) -> Result<Self, DocumentError> {
        self.check_changeable()?;
        let mut next = Self { epoch: self.epoch + 1, ..self.clone() };
        next.leaving.retain(|left| !left.is(name, incarnation));
        if next.leaving.len() == self.leaving.len() {
            return Err(DocumentError::NotAMember(name.to_owned()));
        }
        Ok(next)
    }

    /// The next document, in which this volume is lost. A member of that name goes on with the
    /// volume `replacement`, or leaves the ring without one.
    pub fn with_dead(
        &self,
        name: &str,
        incarnation: &str,
        replacement: Option<&str>,
    ) -> Result<Self, DocumentError> {
        self.check_changeable()?;
        let mut next = Self { epoch: self.epoch + 1, ..self.clone() };
        if !next.is_dead(name, incarnation) {
            next.dead.push(DeadServer {
                name: name.to_owned(),
                incarnation: incarnation.to_owned(),
                settled: false,
            });
        }
        next.leaving.retain(|left| !left.is(name, incarnation));
        match replacement {
            Some(new) => {
                for member in next.members.iter_mut().filter(|one| one.is(name, incarnation)) {
                    member.incarnation = new.to_owned();
                }
            }
            None => next.members.retain(|member| !member.is(name, incarnation)),
        }
        if next.members.is_empty() {
            return Err(DocumentError::LastMember);
        }
        next.validate()?;
        Ok(next)
    }

    /// The next document: all that the dead owned has been granted anew.
    pub fn with_dead_settled(&self) -> Result<Self, DocumentError> {
        self.check_changeable()?;
        let mut next = Self { epoch: self.epoch + 1, ..self.clone() };
        next.dead.iter_mut().for_each(|dead| dead.settled = true);
        Ok(next)
    }

    /// The member of that name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Whoever may own something: the members, and former ones that are not known to have retired.
    pub fn listed(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().chain(&self.leaving)
    }

    /// Whether a server of that name may own something.
    #[must_use]
    pub fn lists(&self, name: &str) -> bool {
        self.listed().any(|member| member.name == name)
    }

    /// Whether this volume has been declared lost.
    #[must_use]
    pub fn is_dead(&self, name: &str, incarnation: &str) -> bool {
        self.dead.iter().any(|dead| dead.name == name && dead.incarnation == incarnation)
    }

    /// The tokens of a member, in the order of their numbers.
    pub fn tokens<'a>(&self, member: &'a Member) -> impl Iterator<Item = Point> + use<'a> {
        let (placement, virtual_nodes) = (self.placement, self.virtual_nodes);
        (0..virtual_nodes).map(move |index| {
            let salt = member.salts.get(usize::from(index)).copied().unwrap_or(0);
            token(placement, &member.name, index, salt)
        })
    }

    /// Whether the document describes a ring, within all bounds.
    pub fn validate(&self) -> Result<(), DocumentError> {
        if self.format != DOCUMENT_FORMAT {
            return Err(DocumentError::UnknownFormat(self.format));
        }
        check_identity("cluster", &self.cluster)?;
        self.check_virtual_nodes()?;
        if !(1..=MAX_EPOCH).contains(&self.epoch) {
            return Err(DocumentError::Number { what: "epoch", value: self.epoch });
        }
        if self.term > MAX_EPOCH {
            return Err(DocumentError::Number { what: "term", value: self.term });
        }
        if self.members.is_empty() || self.members.len() > MAX_MEMBERS {
            return Err(DocumentError::MemberCount(self.members.len()));
        }
        if self.dead.len() > MAX_DEAD {
            return Err(DocumentError::DeadCount(self.dead.len()));
        }
        let dead: BTreeSet<(&str, &str)> =
            self.dead.iter().map(|dead| (&*dead.name, &*dead.incarnation)).collect();
        if self.leaving.len() > MAX_MEMBERS {
            return Err(DocumentError::LeaverCount(self.leaving.len()));
        }
        let (mut names, mut volumes) = (BTreeSet::new(), BTreeSet::new());
        let twice = self.members.iter().find(|member| !names.insert(&member.name));
        if let Some(member) = twice {
            return Err(DocumentError::AlreadyMember(member.name.clone()));
        }
        for member in self.listed() {
            self.check_member(member)?;
            if !volumes.insert((&member.name, &member.incarnation)) {
                return Err(DocumentError::AlreadyMember(member.name.clone()));
            }
            if dead.contains(&(&*member.name, &*member.incarnation)) {
                return Err(DocumentError::Dead {
                    name: member.name.clone(),
                    incarnation: member.incarnation.clone(),
                });
            }
        }
        Ok(())
    }

    /// Reads the JSON form: the format first, so that a later one is named as such.
    pub fn from_json(json: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| DocumentError::Unreadable(error.to_string());
        let head: Head = serde_json::from_slice(json).map_err(unreadable)?;
        if head.format != DOCUMENT_FORMAT {
            return Err(DocumentError::UnknownFormat(head.format));
        }
        let document: Self = serde_json::from_slice(json).map_err(unreadable)?;
        document.validate()?;
        Ok(document)
    }

    /// The JSON form, indented for people.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    fn push_member(&mut self, landscape: &mut Landscape, name: &str, incarnation: &str) {
        let mut member =
            Member { name: name.to_owned(), incarnation: incarnation.to_owned(), salts: vec![] };
        if self.placement == Placement::Balanced {
            member.salts = landscape.add_balanced(name, self.virtual_nodes);
        }
        self.members.push(member);
    }

    fn check_changeable(&self) -> Result<(), DocumentError> {
        self.validate()?;
        match self.phase {
            Phase::Bootstrapping => Err(DocumentError::Bootstrapping),
            Phase::Bootstrapped => Ok(()),
        }
    }

    fn check_virtual_nodes(&self) -> Result<(), DocumentError> {
        if (1..=MAX_VIRTUAL_NODES).contains(&self.virtual_nodes) {
            Ok(())
        } else {
            Err(DocumentError::VirtualNodes(self.virtual_nodes))
        }
    }

    fn check_member(&self, member: &Member) -> Result<(), DocumentError> {
        if !is_name(&member.name) {
            return Err(DocumentError::InvalidName(member.name.clone()));
        }
        check_identity("incarnation", &member.incarnation)?;
        let expected = match self.placement {
            Placement::Classic => 0,
            Placement::Balanced => usize::from(self.virtual_nodes),
        };
        if member.salts.len() != expected || member.salts.iter().any(|salt| *salt >= CANDIDATES) {
            return Err(DocumentError::Salts {
                name: member.name.clone(),
                expected,
                found: member.salts.len(),
            });
        }
        Ok(())
    }
}

/// Whether a server may have that name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn check_identity(what: &'static str, value: &str) -> Result<(), DocumentError> {
    if value.len() == 32 && value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        Ok(())
    } else {
        Err(DocumentError::NotAnIdentity { what, value: value.chars().take(64).collect() })
    }
}

#[cfg(test)]
mod tests;
