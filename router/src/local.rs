//! Pure. Commands about the connection and the router, answered here.

use bytes::{Bytes, BytesMut};
use resp::commands::{self, CommandSpec, Id};
use resp::{Command, Protocol, encode};

mod describe;

pub(crate) use describe::Facts;

/// The Redis version whose commands are served.
pub(crate) const REDIS_VERSION: &str = "7.0.15";

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next command.
    GoOn,
    /// The end of the connection.
    Close,
}

/// What a client said of itself.
#[derive(Debug)]
pub(crate) struct Session {
    id: u64,
    protocol: Protocol,
    name: Bytes,
    library: (Bytes, Bytes),
}

impl Session {
    /// A client that said nothing yet.
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            protocol: Protocol::Resp2,
            name: Bytes::new(),
            library: (Bytes::new(), Bytes::new()),
        }
    }

    /// The client's number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The protocol of the answers from now on.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Answers a command of kind `Connection` or `Server`.
    pub(crate) fn answer(
        &mut self,
        spec: &CommandSpec,
        command: &Command,
        facts: &Facts,
        out: &mut BytesMut,
    ) -> After {
        match spec.id {
            Id::Ping => match (command.arg(1), command.len()) {
                (None, _) => encode::simple(out, "PONG"),
                (Some(text), 2) => encode::bulk(out, text),
                _ => encode::error(out, &spec.arity_error()),
            },
            Id::Echo => encode::bulk(out, command.arg(1).unwrap_or_default()),
            Id::Quit => {
                encode::ok(out);
                return After::Close;
            }
            Id::Reset => {
                *self = Self::new(self.id);
                encode::simple(out, "RESET");
            }
            Id::Select => match command.arg(1) {
                Some(b"0") => encode::ok(out),
                Some(index) if index.iter().all(u8::is_ascii_digit) => {
                    encode::error(out, "ERR DB index is out of range");
                }
                _ => encode::error(out, "ERR value is not an integer or out of range"),
            },
            Id::Auth => encode::error(
                out,
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ),
            Id::Hello => self.hello(command, out),
            Id::Client => self.client(command, facts, out),
            Id::Command => describe::command(command, self.protocol, out),
            Id::Config => describe::config(command, self.protocol, out),
            Id::Info => describe::info(command, facts, self.protocol, out),
            Id::Time => {
                encode::array_header(out, 2);
                encode::bulk(out, (facts.unix_micros / 1_000_000).to_string().as_bytes());
                encode::bulk(out, (facts.unix_micros % 1_000_000).to_string().as_bytes());
            }
            _ => encode::error(out, &format!("ERR '{}' is not served by a router", spec.name)),
        }
        After::GoOn
    }

    fn hello(&mut self, command: &Command, out: &mut BytesMut) {
        let protocol = match command.arg(1) {
            None => self.protocol,
            Some(b"2") => Protocol::Resp2,
            Some(b"3") => Protocol::Resp3,
            Some(version) if version.iter().all(u8::is_ascii_digit) => {
                return encode::error(out, "NOPROTO unsupported protocol version");
            }
            Some(_) => {
                return encode::error(
                    out,
                    "ERR Protocol version is not an integer or out of range",
                );
            }
        };
        let mut name = None;
        let mut place = 2;
        while place < command.len() {
            if command.arg_is(place, "AUTH") && command.len() > place + 2 {
                return encode::error(
                    out,
                    "WRONGPASS invalid username-password pair or user is disabled.",
                );
            }
            match command.arg_bytes(place + 1) {
                Some(given) if command.arg_is(place, "SETNAME") => name = Some(given),
                _ => {
                    let option = command.arg(place).unwrap_or_default();
                    let option = String::from_utf8_lossy(option).replace(['\r', '\n'], " ");
                    let text = format!("ERR Syntax error in HELLO option '{option}'");
                    return encode::error(out, &text);
                }
            }
            place += 2;
        }
        if let Some(name) = name {
            if !is_clean(&name) {
                return encode::error(out, CLIENT_NAME_ERROR);
            }
            self.name = Bytes::copy_from_slice(&name);
        }
        self.protocol = protocol;
        describe::hello(self.id, protocol, out);
    }

    fn client(&mut self, command: &Command, facts: &Facts, out: &mut BytesMut) {
        let subcommand = command.arg(1).unwrap_or_default().to_ascii_lowercase();
        match (subcommand.as_slice(), command.len()) {
            (b"id", 2) => encode::integer(out, i64::try_from(self.id).unwrap_or(i64::MAX)),
            (b"getname", 2) if self.name.is_empty() => encode::null(out, self.protocol),
            (b"getname", 2) => encode::bulk(out, &self.name),
            (b"setname", 3) => match command.arg(2) {
                Some(name) if is_clean(name) => {
                    self.name = Bytes::copy_from_slice(name);
                    encode::ok(out);
                }
                _ => encode::error(out, CLIENT_NAME_ERROR),
            },
            (b"setinfo", 4) => self.set_info(command, out),
            (b"info", 2) | (b"list", _) => {
                encode::bulk(out, self.describe(facts).as_bytes());
            }
            (b"no-evict" | b"no-touch", 3) => encode::ok(out),
            (b"reply", 3) if command.arg_is(2, "ON") => encode::ok(out),
            (b"reply" | b"kill" | b"pause" | b"unpause" | b"tracking" | b"caching", _) => {
                let name = subcommand.escape_ascii();
                encode::error(out, &format!("ERR CLIENT {name} is not supported by a router"));
            }
            (
                name @ (b"id" | b"getname" | b"setname" | b"setinfo" | b"info" | b"no-evict"
                | b"no-touch"),
                _,
            ) => {
                let name = format!("client|{}", name.escape_ascii());
                encode::error(out, &commands::arity_error(&name));
            }
            _ => {
                let given = command.arg(1).unwrap_or_default();
                encode::error(out, &commands::unknown_subcommand_error("client", given));
            }
        }
    }

    fn set_info(&mut self, command: &Command, out: &mut BytesMut) {
        let value = Bytes::copy_from_slice(command.arg(3).unwrap_or_default());
        if !is_clean(&value) {
            let text = "ERR the value must not contain spaces, newlines or special characters";
            return encode::error(out, text);
        }
        if command.arg_is(2, "LIB-NAME") {
            self.library.0 = value;
        } else if command.arg_is(2, "LIB-VER") {
            self.library.1 = value;
        } else {
            let option = command.arg(2).unwrap_or_default().escape_ascii();
            return encode::error(out, &format!("ERR Unrecognized option '{option}'"));
        }
        encode::ok(out);
    }

    fn describe(&self, facts: &Facts) -> String {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let resp = if self.protocol == Protocol::Resp3 { 3 } else { 2 };
        format!(
            "id={} name={} db=0 resp={resp} lib-name={} lib-ver={} connected_clients={}\n",
            self.id,
            text(&self.name),
            text(&self.library.0),
            text(&self.library.1),
            facts.clients,
        )
    }
}

const CLIENT_NAME_ERROR: &str =
    "ERR Client names cannot contain spaces, newlines or special characters.";

fn is_clean(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}
