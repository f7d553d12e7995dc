//! Pure. Why a command failed, for the user, and the exit code that says so to a script.

use std::{fmt, io};

use shell::exit;

/// An error with its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// What was asked for cannot be meant.
    pub(crate) fn usage(text: impl fmt::Display) -> Self {
        Self { code: exit::USAGE, error: anyhow::anyhow!("{text}") }
    }

    /// Something that is needed is not there.
    pub(crate) fn unavailable(text: impl fmt::Display) -> Self {
        Self { code: exit::UNAVAILABLE, error: anyhow::anyhow!("{text}") }
    }

    /// Files could not be read or written, or are not what they should be.
    pub(crate) fn storage(error: anyhow::Error) -> Self {
        Self { code: exit::STORAGE, error }
    }

    /// Anything else.
    pub(crate) fn other(text: impl fmt::Display) -> Self {
        Self { code: exit::FAILURE, error: anyhow::anyhow!("{text}") }
    }

    pub(crate) fn into_error(self) -> anyhow::Error {
        self.error
    }

    /// The reason has a code of its own.
    pub(crate) const fn with_code(code: u8, error: anyhow::Error) -> Self {
        Self { code, error }
    }

    /// A router could not be started, or failed.
    pub(crate) fn of_process(error: anyhow::Error) -> Self {
        let port_is_taken = error.chain().any(|cause| {
            let cause = cause.downcast_ref::<io::Error>();
            cause.is_some_and(|cause| cause.kind() == io::ErrorKind::AddrInUse)
        });
        let code = if port_is_taken { exit::UNAVAILABLE } else { exit::FAILURE };
        Self { code, error }
    }

    pub(crate) const fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { code: exit::FAILURE, error }
    }
}
