//! Whole runs against a server in this process: what is outside is played, nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bench::RunError;
use bench::outcome::Outcome;
use bench::plan::{Limit, Password, Plan};
use bench::progress::{Phase, Progress};
use bench::run::run;
use bytes::BytesMut;
use resp::{CommandDecoder, Decoded, Limits};
use shell::clock::SystemClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server does besides what it should.
#[derive(Clone, Copy, Debug, Default)]
struct Fault {
    /// It answers nothing between these moments after its start.
    stall: Option<(Duration, Duration)>,
    /// Each so-manieth `SET` is answered and forgotten.
    forgets_every: Option<u64>,
    /// Each so-manieth command gets an error.
    refuses_every: Option<u64>,
    /// Each so-manieth command ends the connection.
    hangs_up_every: Option<u64>,
    /// Who does not give this password is refused.
    password: Option<&'static str>,
}

/// A RESP server with the commands that are measured.
struct Server {
    fault: Fault,
    began: Instant,
    commands: AtomicU64,
    values: std::sync::Mutex<std::collections::BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Server {
    /// Starts it; where it listens.
    async fn start(fault: Fault) -> (String, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let server = Arc::new(Self {
            fault,
            began: Instant::now(),
            commands: AtomicU64::new(0),
            values: std::sync::Mutex::default(),
        });
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream));
            }
        });
        (address, server)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut decoder = CommandDecoder::new(Limits::default());
        let (mut input, mut out) = (BytesMut::new(), Vec::new());
        let mut admitted = self.fault.password.is_none();
        while stream.read_buf(&mut input).await.is_ok_and(|bytes| bytes > 0) {
            while let Ok(Some(Decoded::Command(command))) = decoder.decode(&mut input) {
                let args: Vec<Vec<u8>> = command.args().map(<[u8]>::to_vec).collect();
                if !self.answer(&args, &mut admitted, &mut out) {
                    return;
                }
            }
            if let Some((from, to)) = self.fault.stall
                && self.began.elapsed() >= from
            {
                tokio::time::sleep(to.saturating_sub(self.began.elapsed())).await;
            }
            if stream.write_all(&out).await.is_err() {
                return;
            }
            out.clear();
        }
    }

    /// False to hang up.
    fn answer(&self, args: &[Vec<u8>], admitted: &mut bool, out: &mut Vec<u8>) -> bool {
        if args[0] == b"AUTH" {
            *admitted |= self.fault.password.is_some_and(|right| args[1] == right.as_bytes());
            out.extend_from_slice(if *admitted { b"+OK\r\n" } else { b"-WRONGPASS no\r\n" });
            return true;
        }
        if !*admitted {
            out.extend_from_slice(b"-NOAUTH log in\r\n");
            return true;
        }
        let number = self.commands.fetch_add(1, Ordering::Relaxed) + 1;
        let is_turn = |every: Option<u64>| every.is_some_and(|every| number.is_multiple_of(every));
        if is_turn(self.fault.hangs_up_every) {
            return false;
        }
        if is_turn(self.fault.refuses_every) {
            out.extend_from_slice(b"-TRYAGAIN later\r\n");
            return true;
        }
        let mut values = self.values.lock().expect("no panic");
        let key = args[1].clone();
        match args[0].as_slice() {
            b"GET" => match values.get(&key) {
                Some(value) => {
                    out.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                    out.extend_from_slice(value);
                    out.extend_from_slice(b"\r\n");
                }
                None => out.extend_from_slice(b"$-1\r\n"),
            },
            b"SET" => {
                if !is_turn(self.fault.forgets_every) {
                    values.insert(key, args[2].clone());
                }
                out.extend_from_slice(b"+OK\r\n");
            }
            b"INCR" => {
                let before = values.get(&key).map_or(0, |text| {
                    String::from_utf8_lossy(text).parse::<u64>().expect("a number")
                });
                values.insert(key, (before + 1).to_string().into_bytes());
                out.extend_from_slice(format!(":{}\r\n", before + 1).as_bytes());
            }
            b"DEL" => {
                let existed = u8::from(values.remove(&key).is_some());
                out.extend_from_slice(format!(":{existed}\r\n").as_bytes());
            }
            _ => {
                let exists = u8::from(values.contains_key(&key));
                out.extend_from_slice(format!(":{exists}\r\n").as_bytes());
            }
        }
        true
    }
}

fn plan(target: &str) -> Plan {
    Plan {
        target: target.to_owned(),
        servers: None,
        password: None,
        connect_timeout: Duration::from_secs(20),
        clients: 4,
        threads: 2,
        pipeline: 1,
        limit: Limit::Requests(2_000),
        rate: None,
        value_bytes: 100,
        keys: 200,
        distribution: "zipf".parse().expect("a distribution"),
        mix: "get=4,set=4,incr=1,del=1,exists=1".parse().expect("a mix"),
        preload: false,
        warmup: Duration::ZERO,
        verify: false,
        seed: 1,
        interval: None,
    }
}

async fn measure(plan: &Plan) -> Result<Outcome, RunError> {
    run(plan, SystemClock::new(), Arc::new(Progress::default())).await
}

#[tokio::test]
async fn every_request_is_sent_and_answered_once() {
    for (pipeline, rate) in [(1, None), (7, None), (1, Some(20_000)), (16, Some(50_000))] {
        let (target, server) = Server::start(Fault::default()).await;
        let plan = Plan { pipeline, rate, preload: true, verify: true, ..plan(&target) };
        let progress = Arc::new(Progress::default());
        let outcome = run(&plan, SystemClock::new(), progress.clone()).await.expect("a run");
        assert_eq!((outcome.operations, outcome.errors, outcome.violations), (2_000, 0, 0));
        assert_eq!(server.commands.load(Ordering::Relaxed), 2_200, "with the keys before");
        assert_eq!(progress.now(), (Phase::Measuring, 2_000));
        assert_eq!(outcome.kinds.values().map(|kind| kind.operations).sum::<u64>(), 2_000);
        assert_eq!(outcome.kinds.len(), 5);
        assert!(outcome.bytes_sent > 2_000 * 36 && outcome.bytes_received > 2_000 * 4);
        assert!(outcome.elapsed_s > 0.0 && outcome.throughput > 0.0);
    }
}

/// A server that stands still for 400 ms. In a closed loop each client meets that once; whoever
/// would have sent in the meantime is in an open loop's latencies.
#[tokio::test]
async fn an_open_loop_counts_what_waits_behind_a_stall() {
    let stall = (Duration::from_millis(100), Duration::from_millis(500));
    let shape = |target: &str, rate| Plan {
        limit: Limit::Time(Duration::from_secs(1)),
        rate,
        clients: 2,
        ..plan(target)
    };
    let (target, _) = Server::start(Fault { stall: Some(stall), ..Fault::default() }).await;
    let closed = measure(&shape(&target, None)).await.expect("a run");
    assert!(closed.latency.max_us > 200_000.0, "{closed:?}");
    let waited = 2.0 / closed.operations as f64;
    assert!(waited > 0.01 || closed.latency.p99_us < 100_000.0, "{closed:?}");

    let (target, _) = Server::start(Fault { stall: Some(stall), ..Fault::default() }).await;
    let open = measure(&shape(&target, Some(500))).await.expect("a run");
    assert_eq!(open.operations, 500);
    // Some 400 of 1000 ms are stalled: of the requests meant to be sent then, evenly spread over
    // that time, each waits for its end.
    assert!(open.latency.p90_us > 100_000.0, "{open:?}");
    assert!(open.latency.max_us > 300_000.0, "{open:?}");
}

#[tokio::test]
async fn lost_writes_are_found() {
    let (target, _) = Server::start(Fault { forgets_every: Some(50), ..Fault::default() }).await;
    let plan = Plan { verify: true, preload: true, ..plan(&target) };
    let outcome = measure(&plan).await.expect("a run");
    assert!(outcome.violations > 0 && !outcome.violation_examples.is_empty(), "{outcome:?}");
    let unverified = measure(&Plan { verify: false, ..plan }).await.expect("a run");
    assert_eq!(unverified.violations, 0);
}

#[tokio::test]
async fn errors_are_counted_and_make_no_violations() {
    let (target, _) = Server::start(Fault { refuses_every: Some(100), ..Fault::default() }).await;
    let outcome = measure(&Plan { verify: true, ..plan(&target) }).await.expect("a run");
    assert_eq!(outcome.error_kinds.get("TRYAGAIN"), Some(&20));
    assert_eq!((outcome.operations, outcome.violations), (1_980, 0));
}

#[tokio::test]
async fn lost_connections_come_back() {
    for rate in [None, Some(20_000)] {
        let (target, _) =
            Server::start(Fault { hangs_up_every: Some(500), ..Fault::default() }).await;
        let outcome = measure(&Plan { verify: true, rate, ..plan(&target) }).await.expect("a run");
        let lost = outcome.error_kinds.get("connection").copied().unwrap_or_default();
        assert!((3..=4).contains(&lost), "{outcome:?}");
        assert_eq!((outcome.operations + lost, outcome.violations), (2_000, 0));
    }
}

#[tokio::test]
async fn a_timeline_covers_the_run() {
    let (target, _) = Server::start(Fault::default()).await;
    let time = Duration::from_millis(500);
    let interval = Some(Duration::from_millis(50));
    let plan = Plan { limit: Limit::Time(time), interval, warmup: time / 5, ..plan(&target) };
    let outcome = measure(&plan).await.expect("a run");
    let counted: f64 = outcome.timeline.iter().map(|row| row.throughput * 0.05).sum();
    assert!((counted - outcome.operations as f64).abs() < 1.0, "{counted} {outcome:?}");
    assert!(outcome.timeline.len() >= 10);
}

#[tokio::test]
async fn what_keeps_a_run_from_beginning_is_said() {
    let password = Some("right");
    let (target, _) = Server::start(Fault { password, ..Fault::default() }).await;
    let with =
        |word: &str| Plan { password: Some(Password::new(word.as_bytes())), ..plan(&target) };
    let refused = measure(&with("wrong")).await.expect_err("refused").to_string();
    assert!(refused.contains("WRONGPASS") && refused.contains("--password-file"), "{refused}");
    assert_eq!(measure(&with("right")).await.expect("a run").errors, 0);
    let unasked = measure(&plan(&target)).await.expect("a run");
    assert_eq!(unasked.error_kinds.get("NOAUTH"), Some(&2_000));
    let preload = measure(&Plan { preload: true, ..plan(&target) }).await.expect_err("refused");
    assert!(preload.to_string().contains("NOAUTH"), "{preload}");

    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nowhere = holder.local_addr().expect("bound").to_string();
    drop(holder);
    let absent = measure(&plan(&nowhere)).await.expect_err("refused").to_string();
    assert!(absent.contains(&nowhere) && absent.contains("--target"), "{absent}");
}
