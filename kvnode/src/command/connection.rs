//! Pure. What a node knows of a connection beside what every client says of itself: whether it is
//! a router's, and which points are refused on it.

use dialect::{Outcome, PasswordCheck, Session as ClientSession};
use resp::commands::Id;
use resp::{Command, Protocol};
use ring::ArcSet;

/// The longest list of refused ranges that a connection keeps; past it the whole ring is refused.
const MAX_MARKS: usize = 64;

/// One connection to this node.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    client: ClientSession,
    /// The client is a router: what cannot run now is refused, not held.
    pub(crate) is_router: bool,
    /// Points that this router's commands are refused on until it resumes them.
    marks: ArcSet,
}

impl Session {
    pub(crate) fn new(client: ClientSession) -> Self {
        Self { client, is_router: false, marks: ArcSet::default() }
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        self.client.protocol()
    }

    /// Whether the client's password is still to come.
    #[inline]
    pub(crate) const fn is_locked(&self) -> bool {
        self.client.is_locked()
    }

    /// The client has shown that it is a router of this cluster.
    pub(crate) fn greet_router(&mut self) {
        self.client.unlock();
        self.is_router = true;
    }

    /// Answers a command of kind `Connection`; passwords are checked by `check`.
    pub(crate) fn answer(
        &mut self,
        id: Id,
        command: &Command,
        now_ms: u64,
        check: impl FnOnce(&[u8]) -> PasswordCheck,
    ) -> Outcome {
        if id == Id::Reset {
            self.is_router = false;
            self.marks = ArcSet::default();
        }
        self.client.answer(id, command, now_ms, check)
    }

    pub(crate) const fn marks(&self) -> &ArcSet {
        &self.marks
    }

    pub(crate) fn mark(&mut self, arc: ring::Arc) {
        self.marks = self.marks.union(&arc.into());
        if self.marks.len() > MAX_MARKS {
            self.marks = ArcSet::full();
        }
    }

    pub(crate) fn resume(&mut self, arc: ring::Arc) {
        self.marks = self.marks.subtract(&arc.into());
    }
}
