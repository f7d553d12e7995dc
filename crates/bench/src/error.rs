//! Pure. Why a run came to nothing.

use std::io;

use crate::plan::{Plan, PlanError};

/// An error that says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan cannot be meant.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No connection.
    #[error(
        "cannot connect to {target}: {source}; start a server there (`ringkv local`), or name \
         another with --target HOST:PORT"
    )]
    Connect {
        /// Where.
        target: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The password was refused.
    #[error("{target} refuses the password: {reply}; give the right one with --password-file")]
    Login {
        /// Where.
        target: String,
        /// What it answered.
        reply: String,
    },
    /// The connection was lost and did not come back.
    #[error(
        "lost the connection to {target}, and it did not come back: {source}; --connect-timeout \
         says how long to wait for it"
    )]
    Gone {
        /// Where.
        target: String,
        /// The last attempt.
        source: io::Error,
    },
    /// Keys could not be written before the run.
    #[error("{count} keys could not be written before the run ({kind}); see what the target logs")]
    Preload {
        /// The kind of the first errors.
        kind: String,
        /// How many of it.
        count: u64,
    },
    /// Nothing was answered.
    #[error("no answer for {seconds} s; see what the target logs")]
    Silence {
        /// For so long.
        seconds: u64,
    },
    /// The operating system gives no thread or runtime.
    #[error("cannot start a thread: {0}; lower --threads")]
    Thread(io::Error),
    /// A bug of this program.
    #[error("a thread of the client has failed; please report it")]
    Panic,
}

impl RunError {
    pub(crate) fn connect(plan: &Plan, source: io::Error) -> Self {
        let target = plan.target.clone();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Login { target, reply: source.to_string() },
            _ => Self::Connect { target, source },
        }
    }

    pub(crate) fn gone(plan: &Plan, source: io::Error) -> Self {
        let target = plan.target.clone();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Login { target, reply: source.to_string() },
            _ => Self::Gone { target, source },
        }
    }
}
