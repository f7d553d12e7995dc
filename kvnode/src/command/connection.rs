//! Pure. Commands about the connection itself.

use bytes::Bytes;
use resp::commands::{Id, arity_error, unknown_subcommand_error};
use resp::{Command, Protocol, is_keyword};
use ring::ArcSet;

use super::{Failure, NOT_AN_INTEGER, Outcome, REDIS_VERSION, Reply, SYNTAX_ERROR, parse_integer};

/// The longest list of refused ranges that a connection keeps; past it the whole ring is refused.
const MAX_MARKS: usize = 64;

/// What a connection has been told by its client.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The number of the connection in the life of the process.
    pub(crate) id: u64,
    pub(crate) client_address: String,
    pub(crate) local_address: String,
    pub(crate) connected_ms: u64,
    pub(crate) protocol: Protocol,
    pub(crate) name: Bytes,
    pub(crate) library: [Bytes; 2],
    /// The client is a router: what cannot run now is refused, not held.
    pub(crate) is_router: bool,
    /// Points that this router's commands are refused on until it resumes them.
    marks: ArcSet,
}

impl Session {
    pub(crate) fn new(id: u64, client: String, local: String, connected_ms: u64) -> Self {
        Self {
            id,
            client_address: client,
            local_address: local,
            connected_ms,
            protocol: Protocol::Resp2,
            name: Bytes::new(),
            library: [Bytes::new(), Bytes::new()],
            is_router: false,
            marks: ArcSet::default(),
        }
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

    fn reset(&mut self) {
        self.protocol = Protocol::Resp2;
        self.name = Bytes::new();
        self.is_router = false;
        self.marks = ArcSet::default();
    }

    fn set_name(&mut self, name: &[u8]) -> Result<(), Failure> {
        check_printable(name, "Client names")?;
        self.name = Bytes::copy_from_slice(name);
        Ok(())
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
            text(&self.library[0]),
            text(&self.library[1]),
        )
    }
}

const fn protocol_number(protocol: Protocol) -> i64 {
    match protocol {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    }
}

fn check_printable(word: &[u8], what: &str) -> Result<(), Failure> {
    if word.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(format!("ERR {what} cannot contain spaces, newlines or special characters.").into())
}

/// Runs a command of kind `Connection`.
pub(crate) fn run(id: Id, command: &Command, session: &mut Session, now_ms: u64) -> Outcome {
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
            session.reset();
            Ok(Reply::Simple("RESET"))
        }
        Id::Select => match parse_integer(arg(1)) {
            Some(0) => Ok(Reply::Ok),
            Some(index) if i32::try_from(index).is_ok() => {
                Err("ERR DB index is out of range".into())
            }
            Some(_) => Err("ERR value is out of range, value must between -2147483648 and \
                            2147483647"
                .into()),
            None => Err(NOT_AN_INTEGER.into()),
        },
        Id::Auth => auth(command),
        Id::Hello => hello(command, session),
        Id::Client => client(command, session, now_ms),
        other => Err(format!("ERR {other:?} is not a command on connections").into()),
    }
}

fn auth(command: &Command) -> Outcome {
    match command.len() {
        2 => Err("ERR AUTH <password> called without any password configured for the default \
                  user. Are you sure your configuration is correct?"
            .into()),
        3 => check_user(command.arg(1).unwrap_or_default()).map(|()| Reply::Ok),
        _ => Err(SYNTAX_ERROR.into()),
    }
}

fn check_user(user: &[u8]) -> Result<(), Failure> {
    if user == b"default" {
        return Ok(());
    }
    Err("WRONGPASS invalid username-password pair or user is disabled.".into())
}

fn hello(command: &Command, session: &mut Session) -> Outcome {
    let protocol = match command.arg(1).map(parse_integer) {
        None => session.protocol,
        Some(Some(2)) => Protocol::Resp2,
        Some(Some(3)) => Protocol::Resp3,
        Some(Some(_)) => return Err("NOPROTO unsupported protocol version".into()),
        Some(None) => {
            return Err("ERR Protocol version is not an integer or out of range".into());
        }
    };
    let mut words = command.args().skip(2);
    let mut name = None;
    while let Some(word) = words.next() {
        let rest = words.len();
        if is_keyword(word, "AUTH") && rest >= 2 {
            check_user(words.next().unwrap_or_default())?;
            words.next();
        } else if is_keyword(word, "SETNAME") && rest >= 1 {
            name = words.next();
        } else {
            let word = String::from_utf8_lossy(word);
            return Err(format!("ERR Syntax error in HELLO option '{word}'").into());
        }
    }
    if let Some(name) = name {
        session.set_name(name)?;
    }
    session.protocol = protocol;
    let pair = |name: &str, value| (Reply::text(name), value);
    Ok(Reply::Map(vec![
        pair("server", Reply::text("redis")),
        pair("version", Reply::text(REDIS_VERSION)),
        pair("proto", Reply::Integer(protocol_number(protocol))),
        pair("id", Reply::Integer(i64::try_from(session.id).unwrap_or(i64::MAX))),
        pair("mode", Reply::text("standalone")),
        pair("role", Reply::text("master")),
        pair("modules", Reply::Array(Vec::new())),
    ]))
}

fn client(command: &Command, session: &mut Session, now_ms: u64) -> Outcome {
    let subcommand = command.arg(1).unwrap_or_default().to_ascii_lowercase();
    let words = command.len();
    let arg = |place| command.arg(place).unwrap_or_default();
    let on_off = |place| is_keyword(arg(place), "ON") || is_keyword(arg(place), "OFF");
    match (subcommand.as_slice(), words) {
        (b"id", 2) => Ok(Reply::Integer(i64::try_from(session.id).unwrap_or(i64::MAX))),
        (b"getname", 2) if session.name.is_empty() => Ok(Reply::Null),
        (b"getname", 2) => Ok(Reply::Bulk(session.name.clone())),
        (b"setname", 3) => session.set_name(arg(2)).map(|()| Reply::Ok),
        (b"setinfo", 4) => {
            let place = match () {
                () if is_keyword(arg(2), "LIB-NAME") => 0,
                () if is_keyword(arg(2), "LIB-VER") => 1,
                () => {
                    let option = String::from_utf8_lossy(arg(2));
                    return Err(format!("ERR Unrecognized option '{option}'").into());
                }
            };
            check_printable(arg(3), "lib-name and lib-ver")?;
            session.library[place] = Bytes::copy_from_slice(arg(3));
            Ok(Reply::Ok)
        }
        (b"info", 2) | (b"list", 2..) => Ok(Reply::Verbatim(session.describe(now_ms))),
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
