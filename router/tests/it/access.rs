use node_api::{Secret, SecretFile};
use router::Access;
use tempfile::TempDir;

use crate::world::{World, until};

/// A router that asks for the password `secret`.
fn guarded() -> (World, TempDir) {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("password");
    std::fs::write(&path, "secret\n").expect("written");
    let password = Some(SecretFile::new(path).expect("a password"));
    let world = World::start_with(1, |config| config.access = Access { token: None, password });
    (world, dir)
}

#[test]
fn a_client_gives_the_password_first() {
    let (world, _dir) = guarded();
    let mut client = world.client();
    let noauth = "-NOAUTH Authentication required.";
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    for (command, answer) in [
        ("PING", noauth),
        ("GET a", noauth),
        ("MGET a b", noauth),
        ("DBSIZE", noauth),
        ("INFO", noauth),
        ("CLIENT ID", noauth),
        ("AUTH wrong", wrong),
        ("AUTH default wrong", wrong),
        ("AUTH other secret", wrong),
        ("SET a 1", noauth),
        ("AUTH default secret", "OK"),
        ("SET a 1", "OK"),
        ("AUTH wrong", wrong),
        ("GET a", "1"),
        ("RESET", "RESET"),
        ("GET a", noauth),
        ("AUTH secret", "OK"),
        ("GET a", "1"),
    ] {
        assert_eq!(client.ask(command), answer, "{command}");
    }
    assert!(world.client().ask("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    let mut hello = world.client();
    assert!(hello.ask("HELLO 3 AUTH default secret").contains("proto"));
    assert_eq!(hello.ask("GET none"), "null");
    let long = format!("SET b {}", "x".repeat(17 << 10));
    let mut pipelined = world.client();
    pipelined.send_all([&*long, "GET a", "AUTH secret", &long, "EXISTS b"]);
    let refused = pipelined.reply();
    assert!(refused.contains("over the limit"), "{refused}");
    assert_eq!([(); 4].map(|()| pipelined.reply()), [noauth, "OK", "OK", "1"]);
    assert_eq!(world.client().ask("QUIT"), "OK");
}

#[test]
fn a_changed_password_counts_from_the_next_login_on() {
    let (world, dir) = guarded();
    let mut client = world.client();
    assert_eq!(client.ask("AUTH secret"), "OK");
    std::fs::write(dir.path().join("password"), "other").expect("written");
    assert_eq!(client.ask("SET a 1"), "OK");
    assert!(world.client().ask("AUTH secret").starts_with("-WRONGPASS"));
    assert_eq!(world.client().ask("AUTH other"), "OK");
    let bearer = |password: &str| {
        let value = format!("Bearer {password}");
        world.http("GET", "/kv/a", &[("Authorization", &value)], b"").status
    };
    assert_eq!((bearer("secret"), bearer("other")), (401, 200));
    std::fs::remove_file(dir.path().join("password")).expect("removed");
    assert!(world.client().ask("AUTH other").contains("cannot be checked now"));
    assert_eq!(bearer("other"), 503);
}

#[test]
fn http_takes_the_password_as_bearer_or_basic() {
    let (world, _dir) = guarded();
    for (method, path) in [
        ("GET", "/kv/a"),
        ("PUT", "/kv/a"),
        ("DELETE", "/kv/a"),
        ("GET", "/status"),
        ("POST", "/add-server"),
        ("GET", "/plan?servers=3"),
    ] {
        for given in ["", "Bearer wrong", "Basic d3Jvbmc=", "Basic YTp3cm9uZw=="] {
            let headers: &[(&str, &str)] =
                if given.is_empty() { &[] } else { &[("Authorization", given)] };
            let answer = world.http(method, path, headers, b"");
            assert_eq!(answer.status, 401, "{method} {path} {given}: {}", answer.body);
            assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
            assert!(answer.head.contains("www-authenticate: Basic"), "{}", answer.head);
        }
    }
    assert!(world.nodes[0].executed().is_empty());
    let bearer = [("Authorization", "Bearer secret")];
    assert_eq!(world.http("PUT", "/kv/a", &bearer, b"1").status, 204);
    let basic = [("Authorization", "Basic YW55OnNlY3JldA==")];
    assert_eq!(world.http("GET", "/kv/a", &basic, b"").body, "1");
    assert_eq!(world.http("GET", "/status", &bearer, b"").status, 200);
    for open in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.http("GET", open, &[], b"").status, 200, "{open}");
    }
    assert_eq!(world.http("GET", "/nowhere", &[], b"").status, 404);
}

#[test]
fn servers_are_shown_the_token() {
    let token = Secret::new(b"t0ken").expect("a token");
    let access = Access { token: Some(token), password: None };
    let world = World::start_with(1, |config| config.access = access);
    assert_eq!(world.client().ask("SET a 1"), "OK");
    let new = world.start_again(0);
    new.ask_token("t0ken");
    until("the router is at the new address", || new.greetings() > 2);
    assert_eq!(world.client().ask("GET a"), "1");
}
