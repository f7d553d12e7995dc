//! Shell. Who may talk to this node: routers and coordinators by a token, clients by a password.

use dialect::PasswordCheck;
use node_api::{Secret, SecretFile};

/// What is asked for; nothing, unless told otherwise.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// What the coordinator, routers and other servers show.
    pub token: Option<Secret>,
    /// What RESP clients give.
    pub password: Option<SecretFile>,
}

impl Access {
    /// Whether this is the token, or none is asked for.
    pub(crate) fn admits(&self, given: Option<&[u8]>) -> bool {
        let Some(token) = &self.token else { return true };
        given.is_some_and(|given| token.is(given))
    }

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
}
