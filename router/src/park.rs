//! Pure. Why a command cannot be sent now, and the error if that lasts too long.

use std::time::Duration;

/// Why a command waits. Nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Park {
    /// The range is held until a handoff is decided.
    Frozen,
    /// The server no longer owns the range and the new owner is not known yet.
    Moved,
    /// The server does not serve yet; why.
    Loading(String),
    /// No server claims the range; whose it should be.
    Unowned(Option<String>),
    /// The queue to the server is full; its name.
    Busy(String),
    /// The connection was lost before the command was sent, or before a read was answered.
    Lost,
}

impl Park {
    /// Whether it is a pause by a change of owner.
    pub(crate) fn is_handoff(&self) -> bool {
        matches!(self, Self::Frozen | Self::Moved)
    }

    /// The error for the client after so long a wait.
    pub(crate) fn error(&self, waited: Duration) -> String {
        let seconds = waited.as_secs_f64();
        let cause = match self {
            Self::Frozen => "the key's range is changing its server".to_owned(),
            Self::Moved => "the new server of the key's range is not known".to_owned(),
            Self::Loading(why) => format!("the key's server does not serve yet: {why}"),
            Self::Unowned(Some(server)) => {
                format!("no server serves the key's range; it belongs to {server}")
            }
            Self::Unowned(None) => "no server serves the key's range".to_owned(),
            Self::Busy(server) => format!("server {server} takes commands too slowly"),
            Self::Lost => "the connection to the key's server was lost".to_owned(),
        };
        format!("TRYAGAIN {cause} (waited {seconds:.1} s); the command was not applied; try again")
    }
}

/// The error where a server could not be reached.
pub(crate) fn unreachable(server: &str, address: &str) -> String {
    format!(
        "TRYAGAIN server {server} ({address}) is unreachable; \
         the command was not applied; try again"
    )
}

/// The error where the answer to a read was lost, and a later answer could be out of turn.
pub(crate) fn answer_lost(server: &str) -> String {
    format!("TRYAGAIN connection to {server} was lost before the answer came; try again")
}

/// The error where a command may or may not have been applied.
pub(crate) fn outcome_unknown(server: &str) -> String {
    format!(
        "ERR outcome unknown: connection to {server} was lost after sending; \
         the command may or may not have been applied"
    )
}
