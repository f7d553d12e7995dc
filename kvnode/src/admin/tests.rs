use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use handoff::{ClusterId, HandoffId, Incarnation, Refusal, Server, Terms};
use node_api::{Change, ClientError, Count, NodeClient, Peers, Request};
use ring::{Arc as RingArc, ArcMap, ArcSet, Placement, Point};
use shell::net::TcpStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What stands behind the API in these tests: it notes what it was asked, and refuses term 0.
#[derive(Default)]
struct Notes {
    asked: Mutex<Vec<Request>>,
    ring: Mutex<Option<RingDocument>>,
    not_ready: Mutex<Option<String>>,
}

impl Administration for Notes {
    async fn state(&self) -> Result<NodeState, Problem> {
        Ok(node_state())
    }

    async fn ring(&self) -> Result<Option<RingDocument>, Problem> {
        Ok(self.ring.lock().unwrap().clone())
    }

    async fn change(&self, request: Request) -> Result<(), Problem> {
        if request.term == 0 {
            return Err(problem_of(&Refusal::OldTerm { seen: 5 }));
        }
        if let Change::Ring(document) = &request.change {
            *self.ring.lock().unwrap() = Some(document.clone());
        }
        self.asked.lock().unwrap().push(request);
        Ok(())
    }

    /// Half of the arc at a time.
    async fn count(&self, request: CountRequest) -> Result<Counted, Problem> {
        let half: ArcSet = RingArc::new(Point::MIN, Point(u128::MAX / 2)).unwrap().into();
        let count = Count { keys: request.arcs.len() as u64, bytes: 2, records: 3 };
        Ok(Counted { count, rest: request.arcs.subtract(&half) })
    }

    fn readiness(&self) -> Result<(), String> {
        self.not_ready.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

/// A change of term 1 for this server.
fn request(change: Change) -> Request {
    Request { term: 1, incarnation: server().incarnation, change }
}

/// Its body.
fn body(term: &str, change: &str) -> String {
    let incarnation = server().incarnation;
    format!(r#"{{"term":{term},"incarnation":"{incarnation}","change":{change}}}"#)
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
        Self { notes, address, client: NodeClient::new(30 * SECOND), drain, serving }
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
        assert_eq!(*self.notes.asked.lock().unwrap(), []);
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
    let arcs = ArcSet::full();
    let count = client.count(&at, arcs.clone()).await;
    assert!(matches!(count, Err(ClientError::Protocol { .. })), "it has no end: {count:?}");
    let half: ArcSet = RingArc::new(Point::MIN, Point(u128::MAX / 2)).unwrap().into();
    assert_eq!(client.count(&at, half).await.unwrap(), Count { keys: 1, bytes: 2, records: 3 });

    let (id, epoch) = (HandoffId(9), 4);
    let terms = Terms { peer: server(), arcs: arcs.clone(), epoch };
    let changes = [
        Change::Ring(document.clone()),
        Change::Term,
        Change::Grant { arcs: arcs.clone(), epoch, ring_epoch: 1 },
        Change::Fence { arcs, epoch },
        Change::Receive { id, terms: terms.clone() },
        Change::Give { id, terms },
        Change::Cancel { id },
        Change::Retire { ring_epoch: 4 },
        Change::Peers(Peers { max_bytes_per_second: Some(5), ..Peers::default() }),
    ];
    let requests = changes.map(request);
    for request in &requests {
        client.change(&at, request).await.unwrap();
    }
    assert_eq!(client.ring(&at).await.unwrap(), document);
    assert_eq!(*world.notes.asked.lock().unwrap(), requests);
}

#[tokio::test]
async fn a_refusal_reaches_the_client_as_it_is() {
    let world = World::start().await;
    let at = world.address.to_string();
    let old = Request { term: 0, ..request(Change::Term) };
    let refused = world.client.change(&at, &old).await;
    let Err(ClientError::Refused(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!((problem.status, problem.title.as_str()), (409, "old term"));
    assert!(problem.detail.contains("term 5 has taken over"), "{problem}");
}

#[tokio::test]
async fn what_is_no_request_is_a_problem_with_a_remedy() {
    let world = World::start().await;
    let json = "content-type: application/json; charset=utf-8";
    let change = format!("POST /admin/v1/change HTTP/1.1\r\n{json}");
    world.check_problem("GET /none HTTP/1.1", b"", 404, "/admin/v1/state").await;
    world.check_problem("GET /admin/v1/none HTTP/1.1", b"", 404, "/admin/v1/state").await;
    world.check_problem("GET /admin/v2/state HTTP/1.1", b"", 404, "/admin/v1/state").await;
    world.check_problem("GET /admin/v1/change HTTP/1.1", b"", 405, "POST").await;
    world.check_problem("PUT /admin/v1/ring HTTP/1.1", b"", 405, "GET").await;
    world.check_problem("POST /admin/v1/state HTTP/1.1", b"", 405, "GET").await;
    world.check_problem("DELETE /healthz HTTP/1.1", b"", 405, "GET").await;
    let sound = body("1", r#""term""#);
    let without = "POST /admin/v1/change HTTP/1.1";
    world.check_problem(without, sound.as_bytes(), 415, "content-type").await;
    let as_text = "POST /admin/v1/change HTTP/1.1\r\ncontent-type: text/plain";
    world.check_problem(as_text, sound.as_bytes(), 415, "application/json").await;
    let negative = body("-1", r#""term""#);
    let unknown = body("1", r#""none""#);
    let twice = format!("{sound} {{}}");
    for body in ["", "{", "[]", "{}", r#"{"term":1}"#, &negative, &unknown, &twice, "\u{0}"] {
        let says = "POST /admin/v1/change takes";
        world.check_problem(&change, body.as_bytes(), 400, says).await;
    }
    let backwards = format!(
        r#"{{"fence":{{"epoch":1,"arcs":[{{"start":"{:032x}","last":"{:032x}"}}]}}}}"#,
        2, 1
    );
    let backwards = body("1", &backwards);
    world.check_problem(&change, backwards.as_bytes(), 400, "at or before its last point").await;
}

#[tokio::test]
async fn administration_asks_for_the_token() {
    let token = Secret::new(b"t0ken").unwrap();
    let world = World::start_with(Some(&token)).await;
    let state = "GET /admin/v1/state HTTP/1.1";
    let json = "content-type: application/json";
    for header in ["", "\r\nauthorization: Bearer other", "\r\nauthorization: Basic t0ken"] {
        world.check_problem(&format!("{state}{header}"), b"", 401, "--token-file").await;
        let change = format!("POST /admin/v1/change HTTP/1.1\r\n{json}{header}");
        let body = body("1", r#""term""#);
        world.check_problem(&change, body.as_bytes(), 401, "Bearer <token>").await;
    }
    world.check_problem("GET /admin/v1/none HTTP/1.1", b"", 404, "/admin/v1/state").await;
    for (path, says) in [("/healthz", "ok\n"), ("/readyz", "ready\n"), ("/metrics", "# EOF\n")] {
        world.check_text(path, 200, says).await;
    }
    let at = world.address.to_string();
    assert!(world.client.state(&at).await.is_err());
    let client = world.client.clone().with_token(Some(&token));
    assert_eq!(client.state(&at).await.unwrap(), node_state());
    client.change(&at, &request(Change::Term)).await.unwrap();
}

#[tokio::test]
async fn bodies_are_bounded() {
    let world = World::start().await;
    let json = "content-type: application/json";
    let spaces = |n: usize| vec![b' '; n];
    for (path, bound) in [("count", MAX_BODY_BYTES), ("change", MAX_CHANGE_BODY_BYTES)] {
        let head = format!("POST /admin/v1/{path} HTTP/1.1\r\n{json}");
        world.check_problem(&head, &spaces(bound), 400, "takes").await;
        world.check_problem(&head, &spaces(bound + 1), 413, "less").await;
    }
}

#[tokio::test]
async fn a_drain_ends_it() {
    let world = World::start().await;
    world.check_text("/healthz", 200, "ok\n").await;
    world.drain.finish(60 * SECOND).await.unwrap();
    world.serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}
