//! Pure. Clients: each does one thing after the other and waits for its answer, which comes when
//! what it depends on is on disk.

use std::hash::{Hash, Hasher};

use handoff::Version;
use handoff::invariants::Stored;
use ring::Point;

use crate::scenario::{Operation, Scenario};

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Client {
    /// What it may still do.
    pub left: u8,
    /// Its name; it gets another one after an operation without an answer.
    pub thread: u8,
    /// What was executed and is not answered.
    pub doing: Option<Doing>,
}

/// An operation between its execution and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Doing {
    /// Where it was executed.
    pub node: usize,
    /// Of which key.
    pub point: Point,
    /// What.
    pub operation: Operation,
    /// What was written or found.
    pub found: Option<Stored>,
    /// Up to which version the node's disk must be before the answer.
    pub depends: Version,
}

impl PartialOrd for Doing {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Doing {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |one: &Self| {
            (one.node, one.point, one.operation as u8, one.depends, one.found.map(|f| f.version))
        };
        key(self).cmp(&key(other))
    }
}

impl Client {
    pub(crate) fn all(scenario: &Scenario) -> Vec<Self> {
        let client = |thread| Self { left: scenario.limits.operations, thread, doing: None };
        (0..scenario.limits.clients).map(client).collect()
    }

    /// The operation that is answered now, if one is.
    pub(crate) fn answered(&mut self, node: usize, durable: Version) -> Option<Doing> {
        self.doing.take_if(|doing| doing.node == node && doing.depends <= durable)
    }

    /// Its node went down; whether its operation took effect it will never know.
    pub(crate) fn lost(&mut self, node: usize, n_clients: u8) -> Option<Doing> {
        let lost = self.doing.take_if(|doing| doing.node == node)?;
        self.thread += n_clients;
        Some(lost)
    }

    /// All alike but for what they do, where nobody asks for their names.
    pub(crate) fn print_all(clients: &[Self], named: bool, to: &mut impl Hasher) {
        if named {
            return clients.hash(to);
        }
        let mut alike: Vec<(u8, Option<&Doing>)> =
            clients.iter().map(|client| (client.left, client.doing.as_ref())).collect();
        alike.sort_unstable();
        alike.hash(to);
    }
}
