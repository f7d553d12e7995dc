use resp::Protocol;
use resp::commands::lookup;

use super::command;
use crate::{PasswordCheck, Reply, Session, limits_before_password};

fn session() -> Session {
    Session::new(7, "10.0.0.1:5000".into(), "10.0.0.2:6379".into(), 1_000)
}

/// Each command's reply, an error as its text, in its turn on one connection.
fn check(session: &mut Session, exchange: &[(&str, Reply)]) {
    for (line, expected) in exchange {
        let command = command(line);
        let spec = lookup(command.name()).expect("a command");
        let reply =
            session.answer(spec.id, &command, 61_000, password).unwrap_or_else(Reply::Error);
        assert_eq!(&reply, expected, "{line}");
    }
}

fn password(given: &[u8]) -> PasswordCheck {
    match given {
        b"secret" => PasswordCheck::Right,
        b"unreadable" => PasswordCheck::Unknown,
        _ => PasswordCheck::Wrong,
    }
}

fn error(text: &'static str) -> Reply {
    Reply::Error(text.into())
}

#[test]
fn simple_ones() {
    let out_of_range = "ERR value is out of range, value must between -2147483648 and 2147483647";
    check(
        &mut session(),
        &[
            ("PING", Reply::Simple("PONG")),
            ("PING hello", Reply::text("hello")),
            ("PING a b", error("ERR wrong number of arguments for 'ping' command")),
            ("ECHO hello", Reply::text("hello")),
            ("QUIT", Reply::Ok),
            ("SELECT 0", Reply::Ok),
            ("SELECT 1", error("ERR DB index is out of range")),
            ("SELECT 2147483648", error(out_of_range)),
            ("SELECT x", error("ERR value is not an integer or out of range")),
            ("AUTH default secret", Reply::Ok),
            (
                "AUTH other secret",
                error("WRONGPASS invalid username-password pair or user is disabled."),
            ),
        ],
    );
}

#[test]
fn a_client_says_who_it_is_until_it_resets() {
    let mut session = session();
    check(
        &mut session,
        &[
            ("CLIENT ID", Reply::Integer(7)),
            ("CLIENT GETNAME", Reply::Null),
            ("CLIENT SETNAME me", Reply::Ok),
            ("CLIENT GETNAME", Reply::text("me")),
            ("CLIENT SETINFO lib-name tester", Reply::Ok),
            ("CLIENT SETINFO LIB-VER 1.2", Reply::Ok),
            ("CLIENT SETINFO other x", error("ERR Unrecognized option 'other'")),
            (
                "CLIENT SETNAME \"a b\"",
                error("ERR Client names cannot contain spaces, newlines or special characters."),
            ),
            (
                "CLIENT INFO",
                Reply::Verbatim(
                    "id=7 addr=10.0.0.1:5000 laddr=10.0.0.2:6379 fd=-1 name=me age=60 idle=0 \
                     flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 user=default resp=2 \
                     lib-name=tester lib-ver=1.2\n"
                        .into(),
                ),
            ),
            ("RESET", Reply::Simple("RESET")),
            ("CLIENT GETNAME", Reply::Null),
            (
                "CLIENT GETNAME x",
                error("ERR wrong number of arguments for 'client|getname' command"),
            ),
            ("CLIENT KILL x", error("ERR unknown subcommand 'KILL'. Try CLIENT HELP.")),
            ("CLIENT REPLY OFF", error("ERR syntax error")),
        ],
    );
}

#[test]
fn hello_changes_all_or_nothing() {
    let mut session = session();
    for refused in [
        "HELLO 4",
        "HELLO x",
        "HELLO 3 SETNAME",
        "HELLO 3 WHAT",
        "HELLO 3 AUTH other secret",
        "HELLO 3 SETNAME \"a b\"",
    ] {
        let command = command(refused);
        let spec = lookup(command.name()).expect("a command");
        assert!(session.answer(spec.id, &command, 0, password).is_err(), "{refused}");
        assert_eq!(session.protocol(), Protocol::Resp2, "{refused}");
    }
    let hello = command("HELLO 3 AUTH default secret SETNAME me");
    let spec = lookup(hello.name()).expect("a command");
    let Ok(Reply::Map(pairs)) = session.answer(spec.id, &hello, 0, password) else {
        panic!("a map")
    };
    assert!(pairs.contains(&(Reply::text("proto"), Reply::Integer(3))));
    assert_eq!(session.protocol(), Protocol::Resp3);
    check(&mut session, &[("CLIENT GETNAME", Reply::text("me"))]);
}

const NOAUTH: &str = "NOAUTH Authentication required.";
const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

#[test]
fn nothing_is_answered_before_the_password() {
    let unreadable = "ERR the password cannot be checked now; the log of the server says why";
    let mut session = session().locked();
    check(
        &mut session,
        &[
            ("PING", error(NOAUTH)),
            ("CLIENT ID", error(NOAUTH)),
            ("SELECT 0", error(NOAUTH)),
            ("AUTH wrong", error(WRONGPASS)),
            ("AUTH other secret", error(WRONGPASS)),
            ("AUTH default wrong", error(WRONGPASS)),
            ("AUTH unreadable", error(unreadable)),
            ("AUTH a b c", error("ERR syntax error")),
            ("QUIT", Reply::Ok),
            ("RESET", Reply::Simple("RESET")),
            ("PING", error(NOAUTH)),
            ("AUTH secret", Reply::Ok),
            ("PING", Reply::Simple("PONG")),
            ("AUTH wrong", error(WRONGPASS)),
            ("PING", Reply::Simple("PONG")),
            ("RESET", Reply::Simple("RESET")),
            ("PING", error(NOAUTH)),
            ("AUTH default secret", Reply::Ok),
            ("PING", Reply::Simple("PONG")),
        ],
    );
}

#[test]
fn hello_can_bring_the_password() {
    let mut session = session().locked();
    let mut say = |line: &str| {
        let command = command(line);
        let spec = lookup(command.name()).expect("a command");
        let reply = session.answer(spec.id, &command, 0, password);
        (reply, session.is_locked(), session.protocol())
    };
    for line in ["HELLO", "HELLO 3", "HELLO 3 SETNAME me"] {
        let (reply, is_locked, protocol) = say(line);
        let text = reply.expect_err("no password");
        assert!(text.starts_with("NOAUTH HELLO must be called"), "{line}: {text}");
        assert_eq!((is_locked, protocol), (true, Protocol::Resp2), "{line}");
    }
    let (reply, ..) = say("HELLO 3 AUTH default wrong");
    assert_eq!(reply.expect_err("refused"), WRONGPASS);
    let (reply, is_locked, _) = say("HELLO 3 AUTH default secret SETNAME \"a b\"");
    assert!(reply.is_err() && is_locked, "all or nothing");
    let (reply, is_locked, protocol) = say("HELLO 3 AUTH default secret");
    assert!(reply.is_ok());
    assert_eq!((is_locked, protocol), (false, Protocol::Resp3));
    assert!(say("HELLO 2").0.is_ok());
}

#[test]
fn strangers_send_little() {
    let before = limits_before_password(resp::Limits::default());
    assert_eq!((before.max_args, before.max_bulk_bytes), (16, 16 << 10));
    let small = resp::Limits { max_args: 3, max_bulk_bytes: 5, ..resp::Limits::default() };
    assert_eq!(limits_before_password(small), small);
}
