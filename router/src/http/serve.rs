//! Shell. Serves HTTP/1.1 so that no client takes more than its share: the number of connections is
//! bounded, and so is the time that the head of a request, or the next request, may take to come.

use std::sync::Arc as Shared;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use shell::drain::DrainToken;
use shell::net::TcpListener;
use tokio::sync::Semaphore;

/// How long to wait after a failure to accept, as when no descriptors are left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at a time; one more is closed.
    pub(super) max_connections: usize,
    /// How long the head of a request may take from when one is waited for.
    pub(super) head_wait: Duration,
}

impl Bounds {
    /// Enough for pools of clients that keep their connections.
    pub(super) const USUAL: Self =
        Self { max_connections: 4_096, head_wait: Duration::from_secs(30) };
}

/// Serves until told to end, and then until the requests at hand are answered.
pub(super) async fn serve(
    listener: TcpListener,
    routes: Router,
    drain: DrainToken,
    bounds: Bounds,
) {
    let slots = Shared::new(Semaphore::new(bounds.max_connections));
    let open = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head_wait);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.signaled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an HTTP connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let Ok(slot) = Shared::clone(&slots).try_acquire_owned() else {
            tracing::warn!(bounds.max_connections, "too many HTTP connections; one is closed");
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off delays on an HTTP connection");
        }
        let service = TowerToHyperService::new(routes.clone());
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection ended");
            }
            drop(slot);
        });
    }
    drop(listener);
    open.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use shell::net::TcpStream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";

    async fn start(bounds: Bounds) -> (SocketAddr, shell::drain::Drain) {
        let (drain, token) = shell::drain::channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let routes = Router::new().route("/", get(async || "here\n"));
        tokio::spawn(serve(listener, routes, token, bounds));
        (address, drain)
    }

    /// What comes after sending this, until the other side closes.
    async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(bytes).await.expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).expect("text")
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_ends_the_connection() {
        let (address, _drain) =
            start(Bounds { max_connections: 9, head_wait: Duration::from_millis(10) }).await;
        for head in [&b""[..], b"GET / HTTP/1.1\r\nx-slow: "] {
            let answer = exchange(address, head).await;
            assert!(!answer.contains("200"), "{answer}");
        }
        assert!(exchange(address, REQUEST).await.ends_with("here\n"));
    }

    #[tokio::test]
    async fn connections_are_bounded() {
        let (address, _drain) = start(Bounds { max_connections: 1, ..Bounds::USUAL }).await;
        let mut first = TcpStream::connect(address).await.expect("a connection");
        first.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.expect("sent");
        let mut byte = [0];
        first.read_exact(&mut byte).await.expect("an answer");
        assert_eq!(exchange(address, b"").await, "");
        drop(first);
        while !exchange(address, REQUEST).await.ends_with("here\n") {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn it_ends_when_told_to() {
        let (drain, token) = shell::drain::channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let served = serve(listener, Router::new(), token, Bounds::USUAL);
        drain.start();
        served.await;
    }
}
