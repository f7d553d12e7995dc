use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

const PATH: &str = "/apis/ringkv.dev/v1alpha1/namespaces/apps/kvclusters/demo";

/// What the node makes of this answer of the API server.
async fn read(status: u16, body: Value) -> Result<RingDocument, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    let routes = Router::new().route(PATH, get(async move || (status, axum::Json(body))));
    let serving = tokio::spawn(async { axum::serve(listener, routes).await });
    let result = source(address).read().await;
    serving.abort();
    result
}

fn source(address: SocketAddr) -> KubernetesRingSource {
    let url = format!("http://{address}").parse().unwrap();
    KubernetesRingSource::new("apps/demo".parse().unwrap(), LazyClient::at(url))
}

fn object(status: &Value) -> Value {
    json!({
        "apiVersion": "ringkv.dev/v1alpha1",
        "kind": "KvCluster",
        "metadata": { "name": "demo", "namespace": "apps" },
        "status": status,
    })
}

fn refusal(code: u16, message: &str) -> Value {
    let kind = json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure" });
    let Value::Object(mut fields) = kind else { unreachable!() };
    fields.extend([("code".to_owned(), code.into()), ("message".to_owned(), message.into())]);
    fields.into()
}

#[tokio::test]
async fn the_ring_is_that_of_the_status() {
    let members = [("demo-0", "0123456789abcdef0123456789abcdef")];
    let cluster = "f".repeat(32);
    let document = RingDocument::bootstrap(&cluster, ring::Placement::Classic, 4, members).unwrap();
    let ring: Value = serde_json::from_str(&document.to_json()).unwrap();
    assert_eq!(read(200, object(&json!({ "ring": ring }))).await, Ok(document));
    let error = read(200, object(&json!({}))).await.unwrap_err();
    assert!(error.contains("no ring document yet; the operator writes it"), "{error}");
}

#[tokio::test]
async fn a_refusal_says_what_is_missing() {
    let error = read(403, refusal(403, "forbidden")).await.unwrap_err();
    assert!(error.contains("Role demo-nodes in namespace apps"), "{error}");
    let missing = refusal(404, "kvclusters.ringkv.dev \"demo\" not found");
    let error = read(404, missing).await.unwrap_err();
    assert!(error.contains("there is no KvCluster apps/demo"), "{error}");
}

#[tokio::test]
async fn an_api_server_that_is_away_is_asked_again() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let source = source(listener.local_addr().unwrap());
    drop(listener);
    let error = source.read().await.unwrap_err();
    assert!(error.contains("the API server does not answer: "), "{error}");
    let pauses = [0, 1, 2, 3, 4, u32::MAX].map(|failures| source.retry_pause(failures));
    assert_eq!(pauses.map(|pause| pause.as_millis()), [200, 400, 800, 1_600, 2_000, 2_000]);
}
