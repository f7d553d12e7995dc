//! Pure. What a client said of its connection, and the commands about it.

use std::borrow::Cow;

use bytes::Bytes;
use resp::commands::{Id, arity_error, unknown_subcommand_error};
use resp::{Command, Limits, Protocol, is_keyword};

use super::{NOT_AN_INTEGER, Outcome, REDIS_VERSION, Reply, SYNTAX_ERROR, parse_integer};

/// The most arguments of a command, and bytes of one of them, before the password is given; as in
/// Redis, or a little more.
const MAX_ARGS_BEFORE_PASSWORD: usize = 16;
const MAX_BULK_BYTES_BEFORE_PASSWORD: usize = 16 << 10;

/// The answer to whoever has not given the password.
pub const NO_PASSWORD: &str = "NOAUTH Authentication required.";
const NO_PASSWORD_IN_HELLO: &str = "NOAUTH HELLO must be called with the client already \
     authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to \
     authenticate the client and select the RESP protocol version at the same time";
const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// What a password is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// It is the one.
    Right,
    /// It is another.
    Wrong,
    /// The one cannot be read now.
    Unknown,
}

/// Whether the client may run commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Nobody is asked for a password.
    Open,
    /// The password is still to come.
    Locked,
    /// It was given.
    Unlocked,
}

/// The limits for whoever has not given the password, with which AUTH and HELLO go through.
#[must_use]
pub fn limits_before_password(limits: Limits) -> Limits {
    Limits {
        max_args: limits.max_args.min(MAX_ARGS_BEFORE_PASSWORD),
        max_bulk_bytes: limits.max_bulk_bytes.min(MAX_BULK_BYTES_BEFORE_PASSWORD),
        ..limits
    }
}

/// One client's connection.
#[derive(Clone, Debug)]
pub struct Session {
    access: Access,
    id: u64,
    client_address: String,
    local_address: String,
    connected_ms: u64,
    protocol: Protocol,
    name: Bytes,
    library_name: Bytes,
    library_version: Bytes,
}

impl Session {
    /// Of a client that has said nothing yet. `id` is the number of the connection in the life of
    /// the process; the time is the Unix time at which it began.
    #[must_use]
    pub fn new(id: u64, client_address: String, local_address: String, connected_ms: u64) -> Self {
        Self {
            access: Access::Open,
            id,
            client_address,
            local_address,
            connected_ms,
            protocol: Protocol::Resp2,
            name: Bytes::new(),
            library_name: Bytes::new(),
            library_version: Bytes::new(),
        }
    }

    /// The same connection, with a password to be given first.
    #[must_use]
    pub fn locked(self) -> Self {
        Self { access: Access::Locked, ..self }
    }

    /// Whether the password is still to come.
    #[must_use]
    #[inline]
    pub const fn is_locked(&self) -> bool {
        matches!(self.access, Access::Locked)
    }

    /// Whether a command is answered to whoever has not given the password.
    #[must_use]
    pub const fn is_for_all(id: Id) -> bool {
        matches!(id, Id::Auth | Id::Hello | Id::Quit | Id::Reset)
    }

    /// The client has shown otherwise that it may run commands.
    pub fn unlock(&mut self) {
        if self.is_locked() {
            self.access = Access::Unlocked;
        }
    }

    /// The number of the connection in the life of the process.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The protocol of the replies from now on.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Answers a command of kind `Connection`; that QUIT ends the connection is up to the caller.
    /// Passwords are checked by `check`, where one is asked for.
    pub fn answer(
        &mut self,
        id: Id,
        command: &Command,
        now_ms: u64,
        check: impl FnOnce(&[u8]) -> PasswordCheck,
    ) -> Outcome {
        if self.is_locked() && !Self::is_for_all(id) {
            return Err(NO_PASSWORD.into());
        }
        let arg = |place| command.arg(place).unwrap_or_default();
        match id {
            Id::Ping => match command.len() {
                1 => Ok(Reply::Simple("PONG")),
                2 => Ok(Reply::value(command.arg_bytes(1))),
                _ => Err(arity_error("ping").into()),
            },
            Id::Echo => Ok(Reply::value(command.arg_bytes(1))),
            Id::Quit => Ok(Reply::Ok),
            Id::Reset => {
                if self.access == Access::Unlocked {
                    self.access = Access::Locked;
                }
                self.protocol = Protocol::Resp2;
                self.name = Bytes::new();
                Ok(Reply::Simple("RESET"))
            }
            Id::Select => select(arg(1)),
            Id::Auth => self.auth(command, check),
            Id::Hello => self.hello(command, check),
            Id::Client => self.client(command, now_ms),
            other => Err(format!("ERR {other:?} is not a command on connections").into()),
        }
    }

    fn auth(&mut self, command: &Command, check: impl FnOnce(&[u8]) -> PasswordCheck) -> Outcome {
        let arg = |place| command.arg(place).unwrap_or_default();
        match command.len() {
            2 if self.access == Access::Open => {
                Err("ERR AUTH <password> called without any password configured for the default \
                      user. Are you sure your configuration is correct?"
                    .into())
            }
            2 => self.log_in(b"default", arg(1), check).map(|()| Reply::Ok),
            3 => self.log_in(arg(1), arg(2), check).map(|()| Reply::Ok),
            _ => Err(SYNTAX_ERROR.into()),
        }
    }

    /// A failure leaves the connection as it was.
    fn log_in(
        &mut self,
        user: &[u8],
        password: &[u8],
        check: impl FnOnce(&[u8]) -> PasswordCheck,
    ) -> Result<(), Cow<'static, str>> {
        if user != b"default" {
            return Err(WRONG_PASSWORD.into());
        }
        if self.access == Access::Open {
            return Ok(());
        }
        match check(password) {
            PasswordCheck::Right => {
                self.access = Access::Unlocked;
                Ok(())
            }
            PasswordCheck::Wrong => Err(WRONG_PASSWORD.into()),
            PasswordCheck::Unknown => {
                Err("ERR the password cannot be checked now; the log of the server says why".into())
            }
        }
    }

    fn hello(&mut self, command: &Command, check: impl FnOnce(&[u8]) -> PasswordCheck) -> Outcome {
        let protocol = match command.arg(1).map(parse_integer) {
            None => self.protocol,
            Some(Some(2)) => Protocol::Resp2,
            Some(Some(3)) => Protocol::Resp3,
            Some(Some(_)) => return Err("NOPROTO unsupported protocol version".into()),
            Some(None) => {
                return Err("ERR Protocol version is not an integer or out of range".into());
            }
        };
        let mut words = command.args().skip(2);
        let (mut name, mut login) = (None, None);
        while let Some(word) = words.next() {
            let rest = words.len();
            if is_keyword(word, "AUTH") && rest >= 2 {
                login = words.next().zip(words.next());
            } else if is_keyword(word, "SETNAME") && rest >= 1 {
                name = words.next();
            } else {
                let word = String::from_utf8_lossy(word);
                return Err(format!("ERR Syntax error in HELLO option '{word}'").into());
            }
        }
        if let Some(name) = name {
            check_printable(name, "Client names")?;
        }
        if let Some((user, password)) = login {
            self.log_in(user, password, check)?;
        }
        if self.is_locked() {
            return Err(NO_PASSWORD_IN_HELLO.into());
        }
        if let Some(name) = name {
            self.set_name(name)?;
        }
        self.protocol = protocol;
        let pair = |name: &str, value| (Reply::text(name), value);
        Ok(Reply::Map(vec![
            pair("server", Reply::text("redis")),
            pair("version", Reply::text(REDIS_VERSION)),
            pair("proto", Reply::Integer(protocol_number(protocol))),
            pair("id", Reply::Integer(i64::try_from(self.id).unwrap_or(i64::MAX))),
            pair("mode", Reply::text("standalone")),
            pair("role", Reply::text("master")),
            pair("modules", Reply::Array(Vec::new())),
        ]))
    }

    fn client(&mut self, command: &Command, now_ms: u64) -> Outcome {
        let subcommand = command.arg(1).unwrap_or_default().to_ascii_lowercase();
        let words = command.len();
        let arg = |place| command.arg(place).unwrap_or_default();
        let on_off = |place| is_keyword(arg(place), "ON") || is_keyword(arg(place), "OFF");
        match (subcommand.as_slice(), words) {
            (b"id", 2) => Ok(Reply::Integer(i64::try_from(self.id).unwrap_or(i64::MAX))),
            (b"getname", 2) if self.name.is_empty() => Ok(Reply::Null),
            (b"getname", 2) => Ok(Reply::Bulk(self.name.clone())),
            (b"setname", 3) => self.set_name(arg(2)),
            (b"setinfo", 4) => self.set_info(arg(2), arg(3)),
            (b"info", 2) | (b"list", 2..) => Ok(Reply::Verbatim(self.describe(now_ms))),
            (b"getredir", 2) => Ok(Reply::Integer(-1)),
            (b"no-evict" | b"no-touch", 3) if on_off(2) => Ok(Reply::Ok),
            (b"reply", 3) if is_keyword(arg(2), "ON") => Ok(Reply::Ok),
            (b"no-evict" | b"no-touch" | b"reply", 3) => Err(SYNTAX_ERROR.into()),
            (b"help", 2) => Ok(client_help()),
            (
                b"id" | b"getname" | b"setname" | b"setinfo" | b"info" | b"getredir" | b"no-evict"
                | b"no-touch" | b"reply" | b"help",
                _,
            ) => {
                let name = format!("client|{}", String::from_utf8_lossy(&subcommand));
                Err(arity_error(&name).into())
            }
            _ => Err(unknown_subcommand_error("client", arg(1)).into()),
        }
    }

    fn set_name(&mut self, name: &[u8]) -> Outcome {
        check_printable(name, "Client names")?;
        self.name = Bytes::copy_from_slice(name);
        Ok(Reply::Ok)
    }

    fn set_info(&mut self, option: &[u8], value: &[u8]) -> Outcome {
        let place = if is_keyword(option, "LIB-NAME") {
            &mut self.library_name
        } else if is_keyword(option, "LIB-VER") {
            &mut self.library_version
        } else {
            let option = String::from_utf8_lossy(option);
            return Err(format!("ERR Unrecognized option '{option}'").into());
        };
        check_printable(value, "lib-name and lib-ver")?;
        *place = Bytes::copy_from_slice(value);
        Ok(Reply::Ok)
    }

    fn describe(&self, now_ms: u64) -> String {
        let age = now_ms.saturating_sub(self.connected_ms) / 1000;
        let text = String::from_utf8_lossy;
        format!(
            "id={} addr={} laddr={} fd=-1 name={} age={age} idle=0 flags=N db=0 sub=0 psub=0 \
             ssub=0 multi=-1 user=default resp={} lib-name={} lib-ver={}\n",
            self.id,
            self.client_address,
            self.local_address,
            text(&self.name),
            protocol_number(self.protocol),
            text(&self.library_name),
            text(&self.library_version),
        )
    }
}

const fn protocol_number(protocol: Protocol) -> i64 {
    match protocol {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    }
}

fn check_printable(word: &[u8], what: &str) -> Result<(), Cow<'static, str>> {
    if word.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(format!("ERR {what} cannot contain spaces, newlines or special characters.").into())
}

fn select(index: &[u8]) -> Outcome {
    match parse_integer(index) {
        Some(0) => Ok(Reply::Ok),
        Some(index) if i32::try_from(index).is_ok() => Err("ERR DB index is out of range".into()),
        Some(_) => {
            Err("ERR value is out of range, value must between -2147483648 and 2147483647".into())
        }
        None => Err(NOT_AN_INTEGER.into()),
    }
}

fn client_help() -> Reply {
    let lines = [
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current connection.",
        "LIST",
        "    Return information about the current connection; others are not shown.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
        "SETINFO <LIB-NAME|LIB-VER> <value>",
        "    Say which client library is used.",
        "HELP",
        "    Print this help.",
    ];
    Reply::Array(lines.map(Reply::Simple).to_vec())
}
