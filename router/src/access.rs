//! Shell. Who may talk to this router, and how it shows servers that it may talk to them.

use dialect::PasswordCheck;
use node_api::{Secret, SecretFile};
use resp::Command;

/// What is asked for, and shown; nothing, unless told otherwise.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// What servers are shown.
    pub token: Option<Secret>,
    /// What clients give.
    pub password: Option<SecretFile>,
}

impl Access {
    /// What a client's password is worth.
    pub(crate) fn check_password(&self, given: &[u8]) -> PasswordCheck {
        let Some(password) = &self.password else { return PasswordCheck::Right };
        match password.is(given) {
            Ok(true) => PasswordCheck::Right,
            Ok(false) => PasswordCheck::Wrong,
            Err(error) => {
                tracing::warn!(%error, "clients cannot log in");
                PasswordCheck::Unknown
            }
        }
    }

    /// How a router introduces itself to a server of this cluster on this volume.
    pub(crate) fn greeting(&self, cluster: &str, incarnation: &str) -> Command {
        let words =
            ["RINGKV.HELLO", "1", "ROUTER", cluster, incarnation].map(str::as_bytes).into_iter();
        let token = self.token.as_ref().map(Secret::reveal);
        Command::new(&words.chain(token).collect::<Vec<_>>())
    }
}
