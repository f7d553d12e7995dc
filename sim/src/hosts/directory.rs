//! Shell. What a Kubernetes API server is to ringkv: it keeps the ring document, replaces it by
//! compare-and-swap, and tells where the servers are.

use std::rc::Rc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{Method, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use node_api::{HttpClient, Membership};
use rebalance::{RingStore, RingStoreError};
use ring::RingDocument;
use serde::{Deserialize, Serialize};
use shell::net::{Sharing, TcpListener, listen};
use tokio::sync::watch;

use super::{HTTP_PORT, any};
use crate::stage::Stage;

/// Where it is.
pub(crate) const URL: &str = "http://directory:5000";
/// How long a question about what has not changed is held.
const LONG_POLL: Duration = Duration::from_secs(1);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Kept {
    document: watch::Sender<(u64, Option<RingDocument>)>,
    servers: watch::Sender<std::collections::BTreeMap<String, node_api::ServerAddresses>>,
}

#[derive(Deserialize)]
struct After {
    after: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Swap {
    expected: Option<RingDocument>,
    next: RingDocument,
}

/// Runs for ever.
pub(crate) async fn run(stage: Rc<Stage>) -> turmoil::Result {
    let kept = Kept { document: stage.document.clone(), servers: stage.directory.clone() };
    let routes = Router::new()
        .route("/membership", get(membership))
        .route("/document", get(load).put(swap))
        .with_state(kept);
    let listener = TcpListener::from_std(listen(any(HTTP_PORT), Sharing::Alone)?)?;
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn membership(
    State(kept): State<Kept>,
    Query(query): Query<After>,
) -> Result<Json<Membership>, StatusCode> {
    let mut documents = kept.document.subscribe();
    let news = documents.wait_for(|(generation, _)| Some(*generation) != query.after);
    let _ = tokio::time::timeout(LONG_POLL, news).await.is_ok();
    let (generation, document) = kept.document.borrow().clone();
    let servers = kept.servers.borrow().clone();
    let document = document.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(Membership { generation, document, servers }))
}

async fn load(State(kept): State<Kept>) -> Json<Option<RingDocument>> {
    Json(kept.document.borrow().1.clone())
}

async fn swap(State(kept): State<Kept>, Json(swap): Json<Swap>) -> StatusCode {
    let mut is_swapped = false;
    kept.document.send_if_modified(|(generation, document)| {
        is_swapped = *document == swap.expected;
        if is_swapped {
            *generation += 1;
            *document = Some(swap.next);
        }
        is_swapped
    });
    if is_swapped { StatusCode::OK } else { StatusCode::CONFLICT }
}

/// The ring document, as a coordinator keeps it there.
#[derive(Clone)]
pub(crate) struct DirectoryStore(HttpClient);

impl DirectoryStore {
    pub(crate) fn new() -> Self {
        Self(HttpClient::new(TIMEOUT))
    }
}

impl RingStore for DirectoryStore {
    async fn load(&self) -> Result<Option<RingDocument>, RingStoreError> {
        let answer = self.0.send(Method::GET, &url(), Bytes::new(), TIMEOUT).await;
        let answer = answer.map_err(failed)?;
        serde_json::from_slice(answer.body()).map_err(failed)
    }

    async fn compare_and_swap(
        &self,
        expected: Option<&RingDocument>,
        next: &RingDocument,
    ) -> Result<(), RingStoreError> {
        let swap = Swap { expected: expected.cloned(), next: next.clone() };
        let body = serde_json::to_vec(&swap).map_err(failed)?.into();
        let answer = self.0.send(Method::PUT, &url(), body, TIMEOUT).await;
        match answer.map_err(failed)?.status() {
            StatusCode::OK => Ok(()),
            _ => Err(RingStoreError::Conflict),
        }
    }
}

fn url() -> String {
    format!("{URL}/document")
}

fn failed(error: impl std::fmt::Display) -> RingStoreError {
    let error = error.to_string();
    RingStoreError::Io { action: "use", place: URL.to_owned(), error }
}
