//! Pure. An error that a client saw, and of what kind it was.

use serde::{Deserialize, Serialize};

use crate::ledger::KeyNumber;

/// What went wrong, as far as a client can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// `-TRYAGAIN`: refused after a bounded wait, and not applied.
    TryAgain,
    /// `-LOADING`: refused, and not applied.
    Loading,
    /// `-ERR disk full`: refused, and not applied.
    DiskFull,
    /// `-ERR outcome unknown`: a write that may or may not have been applied.
    OutcomeUnknown,
    /// Another answer than the one that was asked for.
    Answer,
    /// The connection broke, could not be made, or brought no answer in time.
    Connection,
}

impl ErrorKind {
    /// The kind of an error that a server answered with.
    #[must_use]
    pub fn of_answer(text: &str) -> Self {
        let beginnings = [
            ("TRYAGAIN", Self::TryAgain),
            ("LOADING", Self::Loading),
            ("ERR disk full", Self::DiskFull),
            ("ERR outcome unknown", Self::OutcomeUnknown),
        ];
        let found = beginnings.iter().find(|(beginning, _)| text.starts_with(beginning));
        found.map_or(Self::Answer, |(_, kind)| *kind)
    }

    /// Whether it promises that nothing was applied.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::TryAgain | Self::Loading | Self::DiskFull)
    }
}

/// An error, with the time of the operation that met it on the ledger's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    /// What kind.
    pub kind: ErrorKind,
    /// The key that was written or read; `None` where there was no connection.
    pub key: Option<KeyNumber>,
    /// When the operation was called.
    pub called: u64,
    /// When the error was there.
    pub answered: u64,
    /// What was done and what came of it.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_from_the_beginning_of_the_answer() {
        assert_eq!(ErrorKind::of_answer("TRYAGAIN kv-1 is down"), ErrorKind::TryAgain);
        assert_eq!(ErrorKind::of_answer("ERR outcome unknown: x"), ErrorKind::OutcomeUnknown);
        assert_eq!(ErrorKind::of_answer("ERR unknown command"), ErrorKind::Answer);
        assert!(ErrorKind::of_answer("ERR disk full").is_refusal());
        assert!(!ErrorKind::of_answer("ERR outcome unknown").is_refusal());
    }
}
