//! Shell. Stands between an operator and the API server, passes everything on, and does to one
//! request or event what a fault says.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use e2e::fault::{Asked, Fault, Harm, Injector, Passage};
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::process::Operator;

/// How long a watch is held up, or silent before it breaks.
const HELD_UP: Duration = Duration::from_millis(1_500);
/// Events of a watch that may wait to be taken.
const EVENTS_MAX: usize = 64;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The connection breaks without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection breaks here")]
struct Broken;

/// One proxy, for one operator.
pub(crate) struct Proxy {
    state: Arc<State>,
    serving: JoinHandle<()>,
}

struct State {
    upstream: Client,
    operator: Arc<Operator>,
    injector: Mutex<Injector>,
    /// Lists as they were when the case began, by kind, for a fault that shows them again.
    old_lists: Mutex<BTreeMap<String, String>>,
    /// Kinds whose next watch has to begin anew from a list.
    expired: Mutex<BTreeSet<String>>,
    /// Kinds of which an old list was given: the next watch of them is held up.
    stale: Mutex<BTreeSet<String>>,
    /// Requests that would change something, since it was armed.
    changes: Mutex<Vec<String>>,
}

impl Proxy {
    /// Listens.
    pub(crate) fn start(listener: TcpListener, upstream: Client, operator: Arc<Operator>) -> Self {
        let state = Arc::new(State {
            upstream,
            operator,
            injector: Mutex::default(),
            old_lists: Mutex::default(),
            expired: Mutex::default(),
            stale: Mutex::default(),
            changes: Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { state, serving }
    }

    /// Begins to count anew, with that fault; `old_lists` are shown again where it says so.
    pub(crate) fn arm(&self, fault: Option<Fault>, old_lists: BTreeMap<String, String>) {
        lock(&self.state.changes).clear();
        *lock(&self.state.old_lists) = old_lists;
        lock(&self.state.stale).clear();
        lock(&self.state.injector).arm(fault);
    }

    /// What has been counted, and what the fault has met.
    pub(crate) fn seen(&self) -> Injector {
        lock(&self.state.injector).clone()
    }

    /// Requests that would change something, since it was armed.
    pub(crate) fn changes(&self) -> Vec<String> {
        lock(&self.state.changes).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, Arc::clone(&state)));
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    // It ends where a fault breaks it, or the operator is killed.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, Broken> {
    let uri = request.uri().clone();
    let line = format!("{} {uri}", request.method());
    let asked = Asked::of(request.method().as_str(), uri.path(), uri.query().unwrap_or_default());
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    if asked.is_list
        && let Some(old) = state.old_list(&asked.kind)
    {
        return Ok(json_answer(StatusCode::OK, old));
    }
    if asked.is_watch && lock(&state.expired).remove(&asked.kind) {
        return Ok(json_answer(StatusCode::OK, expired_event()));
    }
    let harm = state.harm(&asked, &line);
    match harm {
        Some(Harm::CrashBefore) => {
            state.operator.kill();
            return Err(Broken);
        }
        Some(Harm::Conflict) => return Ok(refusal(StatusCode::CONFLICT, "Conflict")),
        Some(Harm::TooMany) => {
            return Ok(refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"));
        }
        _ => {}
    }
    let response = state.forward(Request::from_parts(head, Body::from(body.to_vec()))).await?;
    match harm {
        Some(Harm::CrashAfter) => {
            state.operator.kill();
            Err(Broken)
        }
        Some(Harm::AnswerLost) => Err(Broken),
        Some(Harm::TimedOut) => Ok(refusal(StatusCode::GATEWAY_TIMEOUT, "Timeout")),
        _ if asked.is_watch && response.status().is_success() => {
            Ok(state.relay(asked.kind, response))
        }
        _ => passed_on(response).await,
    }
}

impl State {
    fn harm(&self, asked: &Asked, line: &str) -> Option<Harm> {
        if asked.is_change {
            lock(&self.changes).push(line.to_owned());
        }
        lock(&self.injector).request(asked, line)
    }

    /// The list of that kind as it was when the case began, if it is to be shown now: once.
    fn old_list(&self, kind: &str) -> Option<String> {
        if lock(&self.injector).stale_kind() != Some(kind) {
            return None;
        }
        let old = lock(&self.old_lists).remove(kind)?;
        lock(&self.stale).insert(kind.to_owned());
        Some(old)
    }

    async fn forward(&self, mut request: Request<Body>) -> Result<Response<Body>, Broken> {
        for own in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            request.headers_mut().remove(own);
        }
        self.upstream.send(request).await.map_err(|_| Broken)
    }

    /// Passes a watch on, event by event.
    fn relay(self: &Arc<Self>, kind: String, response: Response<Body>) -> Answer {
        let (head, body) = response.into_parts();
        let (sender, mut receiver) = mpsc::channel(EVENTS_MAX);
        let is_stale = lock(&self.stale).remove(&kind);
        let held = is_stale.then(|| Instant::now() + HELD_UP);
        let relay = Relay { state: Arc::clone(self), kind, sender, held };
        tokio::spawn(relay.run(body));
        let events = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
        let mut answer = Response::new(StreamBody::new(events).boxed_unsync());
        *answer.status_mut() = head.status;
        answer.headers_mut().insert(header::CONTENT_TYPE, JSON);
        answer
    }
}

/// A watch on its way to the operator.
struct Relay {
    state: Arc<State>,
    kind: String,
    sender: mpsc::Sender<Result<Frame<Bytes>, Infallible>>,
    /// Until when nothing is delivered.
    held: Option<Instant>,
}

impl Relay {
    /// Until either side ends it, or the operator that asked for it is gone.
    async fn run(mut self, mut body: Body) {
        let mut starts = self.state.operator.starts();
        starts.mark_unchanged();
        let mut pending = Vec::new();
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = self.sender.closed() => return,
                _ = starts.changed() => return,
            };
            let Some(Ok(frame)) = frame else { return };
            let Ok(data) = frame.into_data() else { continue };
            pending.extend_from_slice(&data);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let event: Vec<u8> = pending.drain(..=end).collect();
                if !self.pass(event).await {
                    return self.fall_silent(body).await;
                }
            }
        }
    }

    /// False where this event, and what follows, is never seen.
    async fn pass(&mut self, event: Vec<u8>) -> bool {
        if is_of_object(&event) {
            match lock(&self.state.injector).event(&self.kind) {
                Passage::Through => {}
                Passage::Later => self.held = Some(Instant::now() + HELD_UP),
                Passage::Never => return false,
            }
        }
        if let Some(until) = self.held.take() {
            tokio::time::sleep_until(until).await;
        }
        // Where nobody takes it any more, the next look ends the watch.
        let _ = self.sender.send(Ok(Frame::data(event.into()))).await;
        true
    }

    /// Swallows what comes, and then breaks off; the next watch has to begin from a list.
    async fn fall_silent(self, mut body: Body) {
        let until = Instant::now() + HELD_UP;
        let swallow = async { while let Some(Ok(_)) = body.frame().await {} };
        // It is silent for all of the time, even where the API server ends the watch.
        let _ = tokio::time::timeout_at(until, swallow).await;
        tokio::time::sleep_until(until).await;
        lock(&self.state.expired).insert(self.kind);
    }
}

const JSON: header::HeaderValue = header::HeaderValue::from_static("application/json");

/// Whether the line is an event of an object, not a mark or an error of the watch itself.
fn is_of_object(line: &[u8]) -> bool {
    [b"{\"type\":\"ADDED\"".as_slice(), b"{\"type\":\"MODIFIED\"", b"{\"type\":\"DELETED\""]
        .iter()
        .any(|start| line.starts_with(start))
}

async fn passed_on(response: Response<Body>) -> Result<Answer, Broken> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let mut answer = Response::new(full(body));
    *answer.status_mut() = head.status;
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = head.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    Ok(answer)
}

fn refusal(status: StatusCode, reason: &str) -> Answer {
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": format!("{reason}, says the test"),
        "reason": reason,
        "code": status.as_u16(),
    });
    let mut answer = json_answer(status, body.to_string());
    if status == StatusCode::TOO_MANY_REQUESTS {
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    answer
}

fn expired_event() -> String {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "too old resource version, says the test",
        "reason": "Expired",
        "code": 410,
    });
    format!("{}\n", json!({ "type": "ERROR", "object": status }))
}

fn json_answer(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(full(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, JSON);
    answer
}

fn full(body: Bytes) -> UnsyncBoxBody<Bytes, Infallible> {
    Full::new(body).boxed_unsync()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
