//! A router process and the signals that end it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No test waits longer for one condition.
const PATIENCE: Duration = Duration::from_secs(60);

struct Router {
    process: Child,
    resp: u16,
    http: u16,
}

impl Router {
    fn start(drain_delay_ms: u64) -> Self {
        let (resp, http) = (free_port(), free_port());
        let process = Command::new(env!("CARGO_BIN_EXE_ringkv"))
            .args(["router", "--coordinator", "http://127.0.0.1:1", "--threads", "1"])
            .args(["--resp", &format!("127.0.0.1:{resp}")])
            .args(["--http", &format!("127.0.0.1:{http}")])
            .args(["--drain-delay-ms", &drain_delay_ms.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let router = Self { process, resp, http };
        until("it listens", || router.exchange(router.resp, "PING\r\nQUIT\r\n").is_some());
        router
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it runs");
    }

    /// What comes until the other side ends; `None` where nobody listens.
    fn exchange(&self, port: u16, request: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn is_leaving(&self) -> bool {
        let request = "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let ready = self.exchange(self.http, request).expect("an answer");
        ready.starts_with("HTTP/1.1 503 ") && ready.contains("leaving")
    }

    fn ends_well(&mut self) {
        until("it ends", || self.process.try_wait().expect("a child").is_some());
        assert!(self.process.wait().expect("a child").success());
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < limit, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

#[test]
fn a_router_goes_on_for_its_delay_and_a_second_signal_ends_that() {
    for second in [Signal::TERM, Signal::INT] {
        let mut router = Router::start(1_000_000);
        assert!(!router.is_leaving());
        router.signal(Signal::TERM);
        until("it says that it leaves", || router.is_leaving());
        let answer = router.exchange(router.resp, "PING\r\nQUIT\r\n");
        assert_eq!(answer.as_deref(), Some("+PONG\r\n+OK\r\n"), "new clients are served");
        router.signal(second);
        router.ends_well();
    }
}

#[test]
fn without_a_delay_a_router_ends_at_once() {
    let mut router = Router::start(0);
    router.signal(Signal::TERM);
    router.ends_well();
}
