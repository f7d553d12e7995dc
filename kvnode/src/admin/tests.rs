use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use handoff::{ClusterId, HandoffId, Incarnation, Refusal, Server};
use node_api::{ClientError, NodeClient};
use ring::{ArcMap, ArcSet, Placement};
use shell::net::TcpStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What stands behind the API in these tests: it notes what it was asked, and refuses term 0.
#[derive(Default)]
struct Notes {
    asked: Mutex<Vec<String>>,
    ring: Mutex<Option<RingDocument>>,
    not_ready: Mutex<Option<String>>,
}

impl Notes {
    fn note(&self, name: &str, term: u64, request: &impl Debug) -> Result<(), Problem> {
        if term == 0 {
            return Err(problem_of(&Refusal::OldTerm { seen: 5 }));
        }
        self.asked.lock().unwrap().push(format!("{name} {request:?}"));
        Ok(())
    }
}

macro_rules! noted {
    ($($name:ident($request:ty)),+) => {
        $(async fn $name(&self, request: $request) -> Result<(), Problem> {
            self.note(stringify!($name), request.term, &request)
        })+
    };
}

impl Administration for Notes {
    async fn state(&self) -> Result<NodeState, Problem> {
        Ok(node_state())
    }

    async fn ring(&self) -> Result<Option<RingDocument>, Problem> {
        Ok(self.ring.lock().unwrap().clone())
    }

    async fn record_ring(&self, request: RingRequest) -> Result<(), Problem> {
        self.note("record_ring", request.term, &())?;
        *self.ring.lock().unwrap() = Some(request.document);
        Ok(())
    }

    async fn count(&self, request: CountRequest) -> Result<Count, Problem> {
        Ok(Count { keys: request.arcs.len() as u64, bytes: 2, records: 3 })
    }

    fn readiness(&self) -> Result<(), String> {
        self.not_ready.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    noted! {
        term(TermRequest), grant(GrantRequest), fence(FenceRequest), receive(ReceiveRequest),
        give(GiveRequest), cancel(CancelRequest), retire(RetireRequest), peers(PeersRequest)
    }
}

fn server() -> Server {
    Server { name: "kv-0".to_owned(), incarnation: Incarnation(7) }
}

fn node_state() -> NodeState {
    NodeState {
        cluster: ClusterId(1),
        server: server(),
        term: 3,
        ring_epoch: 2,
        admitted: true,
        admission_error: None,
        retired: None,
        granted: true,
        owned: ArcMap::from_iter([(ring::Arc::FULL, 2)]),
        given: ArcMap::default(),
        fences: ArcMap::default(),
        highest_epoch: 2,
        handoffs: Vec::new(),
        disk_free_bytes: 1 << 40,
        peers: [("kv-1".to_owned(), "127.0.0.1:1".to_owned())].into(),
        max_bytes_per_second: None,
    }
}

struct World {
    notes: Arc<Notes>,
    address: SocketAddr,
    client: NodeClient,
    drain: shell::drain::Drain,
    serving: JoinHandle<io::Result<()>>,
}

impl World {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(token: Option<&Secret>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(Notes::default());
        let (drain, drained) = shell::drain::channel();
        let secret = token.cloned();
        let metrics: MetricsText = Arc::new(|| "# EOF\n".to_owned());
        let serving = tokio::spawn(serve(listener, Arc::clone(&notes), metrics, secret, drained));
        Self { notes, address, client: NodeClient::new(30 * SECOND, 30 * SECOND), drain, serving }
    }

    /// Status line and headers, and body, of the answer to a request of these lines.
    async fn exchange(&self, head: &str, body: &[u8]) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let head =
            format!("{head}\r\nhost: n\r\nconnection: close\r\ncontent-length: {length}\r\n");
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        // A server that refuses a long body need not read all of it.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    async fn check_problem(&self, head: &str, body: &[u8], status: u16, says: &str) {
        let (answered, body) = self.exchange(head, body).await;
        assert!(answered.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answered}");
        assert!(answered.contains("content-type: application/problem+json"), "{head}: {answered}");
        let problem: Problem = serde_json::from_str(&body).unwrap();
        assert_eq!(problem.status, status);
        assert!(problem.detail.contains(says), "{head} does not say {says:?}: {problem}");
        assert_eq!(*self.notes.asked.lock().unwrap(), [""; 0]);
    }

    async fn check_text(&self, path: &str, status: u16, says: &str) {
        let (answered, body) = self.exchange(&format!("GET {path} HTTP/1.1"), b"").await;
        assert!(answered.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answered}");
        assert_eq!(body, says);
    }
}

#[tokio::test]
async fn health_readiness_and_metrics_are_text() {
    let world = World::start().await;
    world.check_text("/healthz", 200, "ok\n").await;
    world.check_text("/readyz", 200, "ready\n").await;
    world.check_text("/metrics", 200, "# EOF\n").await;
    *world.notes.not_ready.lock().unwrap() = Some("not admitted yet".to_owned());
    world.check_text("/readyz", 503, "not admitted yet\n").await;
    world.check_text("/healthz", 200, "ok\n").await;
}

#[tokio::test]
async fn each_request_of_the_client_is_answered() {
    let world = World::start().await;
    let (at, client) = (world.address.to_string(), &world.client);
    assert_eq!(client.state(&at).await.unwrap(), node_state());
    assert!(matches!(client.ring(&at).await, Err(ClientError::Refused(p)) if p.status == 404));
    let incarnation = server().incarnation.to_string();
    let members = [("kv-0", incarnation.as_str())];
    let cluster = ClusterId(1).to_string();
    let document = RingDocument::bootstrap(&cluster, Placement::Classic, 4, members).unwrap();
    let ring = RingRequest { term: 1, document: document.clone() };
    client.record_ring(&at, &ring).await.unwrap();
    assert_eq!(client.ring(&at).await.unwrap(), document);
    let (arcs, id, epoch) = (ArcSet::full(), HandoffId(9), 4);
    assert_eq!(client.count(&at, &CountRequest { arcs: arcs.clone() }).await.unwrap().keys, 1);

    let grant = GrantRequest { term: 1, ring_epoch: 1, arcs: arcs.clone(), epoch };
    let fence = FenceRequest { term: 1, arcs: arcs.clone(), epoch };
    let receive = ReceiveRequest { term: 1, id, source: server(), arcs: arcs.clone(), epoch };
    let give = GiveRequest { term: 1, id, target: server(), arcs, epoch };
    let cancel = CancelRequest { term: 1, id };
    let retire = RetireRequest { term: 1, ring_epoch: 4 };
    let peers = PeersRequest { term: 1, max_bytes_per_second: Some(5), ..PeersRequest::default() };
    client.term(&at, &TermRequest { term: 1 }).await.unwrap();
    client.grant(&at, &grant).await.unwrap();
    client.fence(&at, &fence).await.unwrap();
    client.receive(&at, &receive).await.unwrap();
    client.give(&at, &give).await.unwrap();
    client.cancel(&at, &cancel).await.unwrap();
    client.retire(&at, &retire).await.unwrap();
    client.peers(&at, &peers).await.unwrap();
    let expected = [
        "record_ring ()".to_owned(),
        "term TermRequest { term: 1 }".to_owned(),
        format!("grant {grant:?}"),
        format!("fence {fence:?}"),
        format!("receive {receive:?}"),
        format!("give {give:?}"),
        format!("cancel {cancel:?}"),
        format!("retire {retire:?}"),
        format!("peers {peers:?}"),
    ];
    assert_eq!(*world.notes.asked.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_refusal_reaches_the_client_as_it_is() {
    let world = World::start().await;
    let at = world.address.to_string();
    let refused = world.client.term(&at, &TermRequest { term: 0 }).await;
    let Err(ClientError::Refused(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!((problem.status, problem.title.as_str()), (409, "old term"));
    assert!(problem.detail.contains("term 5 has taken over"), "{problem}");
}

#[tokio::test]
async fn what_is_no_request_is_a_problem_with_a_remedy() {
    let world = World::start().await;
    let json = "content-type: application/json; charset=utf-8";
    let term = format!("POST /admin/v1/term HTTP/1.1\r\n{json}");
    world.check_problem("GET /none HTTP/1.1", b"", 404, "/admin/v1/state").await;
    world.check_problem("GET /admin/v1/none HTTP/1.1", b"", 404, "/admin/v1/state").await;
    world.check_problem("GET /admin/v2/state HTTP/1.1", b"", 404, "/admin/v1/state").await;
    world.check_problem("GET /admin/v1/term HTTP/1.1", b"", 405, "POST").await;
    world.check_problem("POST /admin/v1/state HTTP/1.1", b"", 405, "GET").await;
    world.check_problem("DELETE /healthz HTTP/1.1", b"", 405, "GET").await;
    let without = "POST /admin/v1/term HTTP/1.1";
    world.check_problem(without, br#"{"term":1}"#, 415, "content-type").await;
    let as_text = "POST /admin/v1/term HTTP/1.1\r\ncontent-type: text/plain";
    world.check_problem(as_text, br#"{"term":1}"#, 415, "application/json").await;
    for body in ["", "{", "[]", "{}", r#"{"term":-1}"#, r#"{"term":1} {}"#, "\u{0}"] {
        let says = "POST /admin/v1/term takes";
        world.check_problem(&term, body.as_bytes(), 400, says).await;
    }
    let grant = format!("POST /admin/v1/grant HTTP/1.1\r\n{json}");
    let backwards =
        format!(r#"{{"term":1,"epoch":1,"arcs":[{{"start":"{:032x}","last":"{:032x}"}}]}}"#, 2, 1);
    world.check_problem(&grant, backwards.as_bytes(), 400, "at or before its last point").await;
}

#[tokio::test]
async fn administration_asks_for_the_token() {
    let token = Secret::new(b"t0ken").unwrap();
    let world = World::start_with(Some(&token)).await;
    let state = "GET /admin/v1/state HTTP/1.1";
    let json = "content-type: application/json";
    for header in ["", "\r\nauthorization: Bearer other", "\r\nauthorization: Basic t0ken"] {
        world.check_problem(&format!("{state}{header}"), b"", 401, "--token-file").await;
        let term = format!("POST /admin/v1/term HTTP/1.1\r\n{json}{header}");
        world.check_problem(&term, br#"{"term":1}"#, 401, "Bearer <token>").await;
    }
    world.check_problem("GET /admin/v1/none HTTP/1.1", b"", 404, "/admin/v1/state").await;
    for (path, says) in [("/healthz", "ok\n"), ("/readyz", "ready\n"), ("/metrics", "# EOF\n")] {
        world.check_text(path, 200, says).await;
    }
    let at = world.address.to_string();
    assert!(world.client.state(&at).await.is_err());
    let client = world.client.clone().with_token(Some(&token));
    assert_eq!(client.state(&at).await.unwrap(), node_state());
    client.term(&at, &TermRequest { term: 1 }).await.unwrap();
}

#[tokio::test]
async fn bodies_are_bounded() {
    let world = World::start().await;
    let json = "content-type: application/json";
    let term = format!("POST /admin/v1/term HTTP/1.1\r\n{json}");
    let spaces = |n: usize| vec![b' '; n];
    world.check_problem(&term, &spaces(MAX_BODY_BYTES), 400, "takes").await;
    world.check_problem(&term, &spaces(MAX_BODY_BYTES + 1), 413, "less").await;
    let ring = format!("PUT /admin/v1/ring HTTP/1.1\r\n{json}");
    world.check_problem(&ring, &spaces(MAX_BODY_BYTES + 1), 400, "takes").await;
    world.check_problem(&ring, &spaces(MAX_RING_BODY_BYTES + 1), 413, "less").await;
}

#[tokio::test]
async fn a_drain_ends_it() {
    let world = World::start().await;
    world.check_text("/healthz", 200, "ok\n").await;
    world.drain.finish(60 * SECOND).await.unwrap();
    world.serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}
