//! Shell. Who may run commands on this node, and how a router shows that it may.

use resp::Command;
use resp::commands::Id;

use super::{Executor, Identity};
use crate::Access;
use crate::command::connection::Session;
use crate::command::{Failure, Reply};

impl Executor {
    /// The same, for those alone who show what is asked for.
    #[must_use]
    pub(crate) fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Whether clients have to give a password.
    pub(crate) const fn asks_password(&self) -> bool {
        self.access.password.is_some()
    }

    /// Whether a command is answered to whoever has not given the password. A token is as good.
    pub(super) const fn is_for_all(&self, id: Id) -> bool {
        let is_greeting = matches!(id, Id::RingkvHello) && self.access.token.is_some();
        is_greeting || dialect::Session::is_for_all(id)
    }

    /// `RINGKV.HELLO 1 ROUTER <cluster> <incarnation> [token]`: a router makes sure whom it talks
    /// to, and shows that it may.
    pub(super) fn hello(&self, session: &mut Session, command: &Command) -> Result<Reply, Failure> {
        let Identity { cluster, server } = &self.identity;
        let word = |place| command.arg(place).map(String::from_utf8_lossy).unwrap_or_default();
        if word(1) != "1" || !command.arg_is(2, "ROUTER") {
            return Err("ERR RINGKV.HELLO takes: 1 ROUTER <cluster> <incarnation> [token]".into());
        }
        if !self.access.admits(command.arg(5)) {
            return Err(
                "WRONGTOKEN this server asks routers for another token; give both the same \
                        --token-file"
                    .into(),
            );
        }
        if word(3) != cluster.to_string() || word(4) != server.incarnation.to_string() {
            let text = format!(
                "WRONGNODE this is {} of incarnation {} in cluster {cluster}",
                server.name, server.incarnation
            );
            return Err(text.into());
        }
        session.greet_router();
        Ok(Reply::Ok)
    }
}
