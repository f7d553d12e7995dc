use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use handoff::ClusterId;
use rebalance::{Coordinator, CoordinatorConfig, FileRingStore};
use shell::net::TcpListener;

use super::{Api, Refusal, parse, routes};
use crate::bars::Console;
use crate::cluster_api::RemoveServers;
use crate::cluster_client::{ClusterClient, block_on};
use crate::local::cluster_file::ClusterFile;
use crate::local::data_dir::DataDir;
use crate::local::fleet::{Fleet, Meeting};

const PATIENCE: Duration = Duration::from_secs(30);

fn check_body(body: &'static str) -> Result<RemoveServers, String> {
    parse(Ok(Bytes::from_static(body.as_bytes()))).map_err(|Refusal(problem)| {
        assert_eq!(problem.status, 400);
        problem.detail
    })
}

#[test]
fn no_body_is_all_defaults() {
    for empty in ["", " \n", "{}"] {
        assert_eq!(check_body(empty), Ok(RemoveServers::default()), "{empty:?}");
    }
    let named = check_body(r#"{"name": "kv-1"}"#).expect("valid");
    assert_eq!(named.name.as_deref(), Some("kv-1"));
}

#[test]
fn bad_bodies_are_explained() {
    for (body, says) in [
        ("{", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        (r#"{"name": 5}"#, "expected a string; give a \"name\" (text)"),
        (r#"{"nmae": "kv-1"}"#, "unknown field `nmae`"),
        (r#"{"count": -1}"#, "expected u16"),
    ] {
        let detail = check_body(body).expect_err(body);
        assert!(detail.contains(says), "{body}: {detail}");
    }
}

/// Sends requests, one after the other, to a coordinator of two servers that do not run. Checks
/// each answer's status and a part of its text; answers what is kept as wanted at the end.
fn check(requests: &[(&str, &str, &str, u16, &str)]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let data = DataDir::open(directory.path()).expect("free");
    let cluster = ClusterFile::example(2);
    block_on(async {
        let store = FileRingStore::new(data.ring_document());
        let config = CoordinatorConfig::new(ClusterId(7), cluster.wanted.clone());
        let reached_at = Ipv4Addr::LOCALHOST.into();
        let meeting = Meeting { reached_at, coordinator_url: String::new() };
        let fleet = Arc::new(Fleet::new(data, cluster, Console::new(), meeting));
        let coordinator = Coordinator::start(config, store, fleet.watch_addresses())
            .await
            .expect("a coordinator");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let api = Api { coordinator, fleet: Arc::clone(&fleet) };
        tokio::spawn(async move { axum::serve(listener, routes(api)).await });
        let client = ClusterClient::new(&format!("http://{address}"))?;
        for (method, path, body, status, says) in requests {
            let method: Method = method.parse().expect("a method");
            let body = Bytes::copy_from_slice(body.as_bytes());
            let answer = client.exchange(method.clone(), path, body, PATIENCE).await?;
            let text = String::from_utf8_lossy(answer.body());
            assert_eq!(answer.status().as_u16(), *status, "{method} {path}: {text}");
            assert!(text.contains(says), "{method} {path} does not say {says:?}: {text}");
        }
        Ok(fleet.cluster().wanted)
    })
    .expect("answers")
}

#[test]
fn refused_requests_say_why_and_change_nothing() {
    let wanted = check(&[
        ("POST", "/remove-server", r#"{"name": "kv-77"}"#, 404, "kv-0, kv-1"),
        ("POST", "/remove-server", r#"{"count": 2}"#, 409, "last server"),
        ("POST", "/remove-server", "{", 400, "JSON"),
        ("POST", "/remove-server", r#"{"name": "kv-1", "count": 1}"#, 400, "not both"),
        ("POST", "/add-server", r#"{"name": "kv-1"}"#, 409, "already"),
        ("POST", "/add-server", r#"{"name": "no good"}"#, 400, "no good"),
        ("POST", "/add-server", r#"{"name": "ring.json"}"#, 400, "a file of the cluster"),
        ("POST", "/add-server", r#"{"count": 5000}"#, 400, "at most 64"),
        ("POST", "/scale", r#"{"servers": 65}"#, 400, "at most 64"),
        ("GET", "/plan?replicas=65", "", 400, "at most 64"),
        ("POST", "/scale", "{}", 400, "servers"),
        ("POST", "/scale", r#"{"servers": 0}"#, 400, "1 to"),
        ("GET", "/plan?replicas=many", "", 400, "replicas"),
        ("POST", "/accept-data-loss", "{}", 400, "incarnation"),
        ("GET", "/membership", "", 503, "starting"),
        ("GET", "/no/such/path", "", 404, "/status"),
        ("DELETE", "/status", "", 405, "GET"),
    ]);
    assert_eq!(wanted, ["kv-0", "kv-1"]);
}

#[test]
fn accepted_changes_are_kept_and_retarget_each_other() {
    let wanted = check(&[
        ("POST", "/add-server", "", 202, r#""joining":["kv-2"]"#),
        ("POST", "/add-server", r#"{"count": 2}"#, 202, r#""joining":["kv-3","kv-4"]"#),
        ("POST", "/remove-server", r#"{"name": "kv-1"}"#, 202, r#""leaving":["kv-1"]"#),
        ("POST", "/remove-server", "{}", 202, r#""leaving":["kv-4"]"#),
        ("POST", "/scale", r#"{"servers": 2}"#, 202, r#""leaving":["kv-3"]"#),
        ("POST", "/scale", r#"{"servers": 2}"#, 202, r#""leaving":[]"#),
    ]);
    assert_eq!(wanted, ["kv-0", "kv-2"]);
}
