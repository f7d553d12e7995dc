//! Shell. A coordinator that tells a router of servers that are none of ringkv's, and does nothing
//! else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;

use super::membership::{Answer, answer_to, membership};

/// How long a question is held whose answer has not changed.
const HELD: Duration = Duration::from_secs(1);
/// A request that takes longer, or is larger, is none.
const REQUEST_WITHIN: Duration = Duration::from_secs(2);
const REQUEST_BYTES_MAX: u64 = 16 * 1024;

/// Serves until it is dropped.
pub(crate) struct Coordinator {
    port: u16,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Coordinator {
    /// A coordinator of redis-servers on these ports.
    pub(crate) fn start(servers: &[u16]) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
        let port = listener.local_addr()?.port();
        let body: Arc<str> = membership(servers, port).to_string().into();
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let body = Arc::clone(&body);
                // Whoever asks asks again after an error; threads end within the bounds above.
                thread::spawn(move || drop(answer(&stream, &body)));
            }
        });
        Ok(Self { port, ends, thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // It is waiting for a connection: this one.
        if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: &TcpStream, body: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_WITHIN))?;
    stream.set_write_timeout(Some(REQUEST_WITHIN))?;
    let mut lines = BufReader::new(stream.take(REQUEST_BYTES_MAX)).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let (status, body) = match answer_to(&request) {
        Answer::Membership => ("200 OK", body),
        Answer::Unchanged => {
            thread::sleep(HELD);
            ("204 No Content", "")
        }
        Answer::Nothing => ("404 Not Found", ""),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes())
}
