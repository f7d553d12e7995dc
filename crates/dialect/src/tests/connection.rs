use resp::Protocol;
use resp::commands::lookup;

use super::command;
use crate::{Reply, Session};

fn session() -> Session {
    Session::new(7, "10.0.0.1:5000".into(), "10.0.0.2:6379".into(), 1_000)
}

/// Each command's reply, an error as its text, in its turn on one connection.
fn check(session: &mut Session, exchange: &[(&str, Reply)]) {
    for (line, expected) in exchange {
        let command = command(line);
        let spec = lookup(command.name()).expect("a command");
        let reply = session.answer(spec.id, &command, 61_000).unwrap_or_else(Reply::Error);
        assert_eq!(&reply, expected, "{line}");
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
        assert!(session.answer(spec.id, &command, 0).is_err(), "{refused}");
        assert_eq!(session.protocol(), Protocol::Resp2, "{refused}");
    }
    let hello = command("HELLO 3 AUTH default secret SETNAME me");
    let spec = lookup(hello.name()).expect("a command");
    let Ok(Reply::Map(pairs)) = session.answer(spec.id, &hello, 0) else { panic!("a map") };
    assert!(pairs.contains(&(Reply::text("proto"), Reply::Integer(3))));
    assert_eq!(session.protocol(), Protocol::Resp3);
    check(&mut session, &[("CLIENT GETNAME", Reply::text("me"))]);
}
