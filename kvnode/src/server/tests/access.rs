use std::path::PathBuf;

use node_api::{Secret, SecretFile};
use tempfile::TempDir;

use super::{Client, Harness, run, settings};
use crate::Access;
use crate::store::Durability;

struct World {
    harness: Harness,
    path: PathBuf,
    _dir: TempDir,
}

async fn start(token: Option<&str>) -> World {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("password");
    std::fs::write(&path, "secret\n").expect("written");
    let password = Some(SecretFile::new(path.clone()).expect("a password"));
    let token = token.map(|token| Secret::new(token.as_bytes()).expect("a token"));
    let access = Access { token, password };
    let harness = Harness::guarded(Durability::Always, settings(), access).await;
    World { harness, path, _dir: dir }
}

async fn check(client: &mut Client, exchange: &[(&str, &str)]) {
    for (line, says) in exchange {
        let reply = client.ask_text(line).await;
        assert!(reply.contains(says), "{line}: {reply} does not say {says:?}");
    }
}

#[test]
fn a_client_gives_the_password_first() {
    run(async {
        let World { harness, _dir, .. } = start(None).await;
        let mut client = harness.connect().await;
        let long = format!("SET k {}", "x".repeat(17 << 10));
        check(
            &mut client,
            &[
                ("PING", "NOAUTH Authentication required."),
                ("SET k v", "NOAUTH"),
                ("DBSIZE", "NOAUTH"),
                ("INFO", "NOAUTH"),
                ("RINGKV.WATCH 0", "NOAUTH"),
                ("RINGKV.HELLO 1 ROUTER a b", "NOAUTH"),
                ("HELLO 3", "NOAUTH HELLO must be called"),
                ("NONE", "unknown command"),
                (&long, "over the limit"),
                ("AUTH wrong", "WRONGPASS"),
                ("AUTH default wrong", "WRONGPASS"),
                ("GET k", "NOAUTH"),
                ("AUTH secret", "OK"),
                (&long, "OK"),
                ("STRLEN k", "17408"),
                ("AUTH wrong", "WRONGPASS"),
                ("STRLEN k", "17408"),
                ("RESET", "RESET"),
                ("GET k", "NOAUTH"),
                ("HELLO 3 AUTH default secret", "proto"),
                ("GET none", "Null"),
                ("QUIT", "OK"),
            ],
        )
        .await;
        let mut pipelined = harness.connect().await;
        pipelined.send(&["GET k", "AUTH default secret", &long, "GET none"]).await;
        let mut replies = Vec::new();
        for _ in 0..4 {
            replies.push(format!("{:?}", pipelined.receive().await));
        }
        assert!(replies[0].contains("NOAUTH"), "{replies:?}");
        assert!(replies[2].contains("OK"), "{replies:?}");
        harness.finish().await;
    });
}

#[test]
fn a_changed_password_counts_from_the_next_login_on() {
    run(async {
        let World { harness, path, _dir } = start(None).await;
        let mut client = harness.connect().await;
        check(&mut client, &[("AUTH secret", "OK"), ("SET k v", "OK")]).await;
        std::fs::write(&path, "other").expect("written");
        check(&mut client, &[("GET k", "v")]).await;
        let mut second = harness.connect().await;
        check(&mut second, &[("AUTH secret", "WRONGPASS"), ("AUTH other", "OK"), ("GET k", "v")])
            .await;
        std::fs::remove_file(&path).expect("removed");
        let mut third = harness.connect().await;
        check(&mut third, &[("AUTH other", "cannot be checked now"), ("GET k", "NOAUTH")]).await;
        check(&mut second, &[("GET k", "v")]).await;
        harness.finish().await;
    });
}

#[test]
fn a_router_shows_its_token_in_place_of_the_password() {
    run(async {
        let World { harness, _dir, .. } = start(Some("t0ken")).await;
        let mut router = harness.connect().await;
        let hello = format!("RINGKV.HELLO 1 ROUTER {:032x} {:032x}", 9, 7);
        check(
            &mut router,
            &[
                (&hello, "WRONGTOKEN"),
                (&format!("{hello} other"), "WRONGTOKEN"),
                ("GET k", "NOAUTH"),
                (&format!("{hello} t0ken"), "OK"),
                ("SET k v", "OK"),
            ],
        )
        .await;
        drop(router);
        harness.finish().await;
    });
}
