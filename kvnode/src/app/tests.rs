use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use ::handoff::ClusterId;
use bytes::BytesMut;
use node_api::{Change, NodeClient, NodeState, Request, ServerAddresses};
use resp::{Command, Limits, ReplyDecoder, Value};
use ring::{ArcSet, Placement, RingDocument};
use shell::exit;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::{Listeners, RunError, listen, run_until};
use crate::config::{Addresses, Config, RingSource};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const CLUSTER: ClusterId = ClusterId(5);

fn config(dir: &Path, name: &str) -> Config {
    let ring_source = RingSource::File(ring_file(dir));
    let addresses = Addresses { resp: ANY, http: ANY, peer: ANY, ring_source };
    Config::new(name.into(), CLUSTER, dir.join("data"), addresses)
}

fn ring_file(dir: &Path) -> PathBuf {
    dir.join("ring.json")
}

/// A whole node in a thread of this process.
struct Node {
    addresses: ServerAddresses,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), RunError>>,
}

impl Node {
    fn start(config: Config) -> Self {
        let listeners = Listeners::open(&config).expect("free ports");
        let addresses = listeners.addresses().expect("their addresses");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            run_until(&config, listeners, async {
                let _ = stopped.await;
                Ok(())
            })
        });
        Self { addresses, stop, thread }
    }

    fn stop(self) -> Result<(), RunError> {
        let _ = self.stop.send(());
        self.thread.join().expect("no panic")
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.addresses.resp).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("an option");
        let decoder = ReplyDecoder::new(Limits::default());
        Client { stream, decoder, input: BytesMut::new() }
    }
}

struct Client {
    stream: TcpStream,
    decoder: ReplyDecoder,
    input: BytesMut,
}

impl Client {
    fn ask(&mut self, line: &str) -> Value {
        let words: Vec<_> = line.split(' ').collect();
        self.stream.write_all(Command::new(&words).raw()).expect("written");
        loop {
            if let Some(reply) = self.decoder.decode(&mut self.input).expect("a reply") {
                return Value::parse(&reply).expect("a value");
            }
            let mut bytes = [0; 4096];
            let n_bytes = self.stream.read(&mut bytes).expect("read");
            assert!(n_bytes > 0, "the server has closed the connection");
            self.input.extend_from_slice(&bytes[..n_bytes]);
        }
    }
}

/// The coordinator's part of the first start of a cluster of one server.
struct Coordinator {
    runtime: Runtime,
    client: NodeClient,
}

impl Coordinator {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let limit = Duration::from_secs(30);
        Self { runtime: runtime.expect("a runtime"), client: NodeClient::new(limit) }
    }

    fn state(&self, node: &Node) -> NodeState {
        self.runtime.block_on(self.client.state(&node.addresses.http)).expect("its state")
    }

    fn bootstrap(&self, node: &Node, dir: &Path) {
        let server = self.state(node).server;
        let incarnation = server.incarnation.to_string();
        let members = [(server.name.as_str(), incarnation.as_str())];
        let document =
            RingDocument::bootstrap(&CLUSTER.to_string(), Placement::Balanced, 100, members)
                .expect("a ring");
        let http = &node.addresses.http;
        self.runtime.block_on(async {
            let ask = async |change| {
                let request = Request { term: 1, incarnation: server.incarnation, change };
                self.client.change(http, &request).await.expect("accepted");
            };
            ask(Change::Ring(document.clone())).await;
            ask(Change::Grant { arcs: ArcSet::full(), epoch: 1, ring_epoch: 1 }).await;
            ask(Change::Ring(document.bootstrapped())).await;
        });
        std::fs::write(ring_file(dir), document.bootstrapped().to_json()).expect("written");
    }

    fn wait_until_admitted(&self, node: &Node) {
        while !self.state(node).admitted {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_node_keeps_its_data_over_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let coordinator = Coordinator::new();
    let node = Node::start(config(dir.path(), "kv-0"));
    let mut client = node.connect();
    assert!(format!("{:?}", client.ask("GET k")).contains("LOADING "));
    coordinator.bootstrap(&node, dir.path());
    coordinator.wait_until_admitted(&node);
    assert_eq!(client.ask("SET k v"), Value::Simple("OK".into()));
    assert_eq!(client.ask("INCR n"), Value::Integer(1));
    assert_eq!(client.ask("SET gone v PX 1"), Value::Simple("OK".into()));
    let Value::Array(Some(before)) = client.ask("RINGKV.GET k") else { panic!("a version") };
    drop(client);
    let incarnation = coordinator.state(&node).server.incarnation;
    node.stop().expect("an orderly end");

    let node = Node::start(config(dir.path(), "kv-0"));
    coordinator.wait_until_admitted(&node);
    assert_eq!(coordinator.state(&node).server.incarnation, incarnation);
    let mut client = node.connect();
    assert_eq!(client.ask("GET k"), Value::Bulk(Some("v".into())));
    assert_eq!(client.ask("INCR n"), Value::Integer(2));
    assert_eq!(client.ask("GET gone"), Value::Bulk(None));
    client.ask("SET k w");
    let Value::Array(Some(after)) = client.ask("RINGKV.GET k") else { panic!("a version") };
    assert!(matches!((&before[1], &after[1]), (Value::Integer(a), Value::Integer(b)) if a < b));
    node.stop().expect("an orderly end");
}

#[test]
fn a_directory_of_another_server_is_refused() {
    let dir = TempDir::new().expect("a directory");
    Node::start(config(dir.path(), "kv-0")).stop().expect("an orderly end");
    let error = Node::start(config(dir.path(), "kv-1")).stop().expect_err("another's directory");
    assert_eq!(error.exit_code(), exit::STORAGE);
    let text = error.to_string();
    assert!(text.contains("kv-0") && text.contains("kv-1"), "{text}");
}

#[test]
fn expired_records_leave_the_disk() {
    let dir = TempDir::new().expect("a directory");
    let coordinator = Coordinator::new();
    let node = Node::start(config(dir.path(), "kv-0"));
    coordinator.bootstrap(&node, dir.path());
    coordinator.wait_until_admitted(&node);
    let mut client = node.connect();
    for n in 0..50 {
        client.ask(&format!("SET k{n} v PX 1"));
    }
    client.ask("SET stays v");
    let count = || {
        let http = &node.addresses.http;
        let count = coordinator.client.count(http, ArcSet::full());
        let count = coordinator.runtime.block_on(count);
        count.expect("a count").records
    };
    while count() > 1 {
        std::thread::yield_now();
    }
    node.stop().expect("an orderly end");
}

#[test]
fn a_port_in_use_is_named_with_its_remedy() {
    let first = listen(ANY, "RESP", "--resp").expect("a free port");
    let taken = first.local_addr().expect("its address");
    let error = listen(taken, "RESP", "--resp").expect_err("it is taken");
    assert_eq!(error.exit_code(), exit::UNAVAILABLE);
    let text = error.to_string();
    assert!(text.contains(&taken.to_string()) && text.contains("--resp"), "{text}");
}
