//! Shell. How HTTP clients connect.

#[cfg(not(feature = "simulation"))]
pub(crate) use hyper_util::client::legacy::connect::HttpConnector as Connector;
#[cfg(feature = "simulation")]
pub(crate) use simulated::Connector;

use std::time::Duration;

/// A connector that gives up a connection that takes longer than this to be made.
#[cfg(not(feature = "simulation"))]
pub(crate) fn connector(connect_timeout: Duration) -> Connector {
    let mut connector = Connector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect_timeout));
    connector
}

/// A connector that gives up a connection that takes longer than this to be made.
#[cfg(feature = "simulation")]
pub(crate) fn connector(connect_timeout: Duration) -> Connector {
    Connector(connect_timeout)
}

#[cfg(feature = "simulation")]
mod simulated {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use hyper::Uri;
    use hyper::rt::{Read, ReadBufCursor, Write};
    use hyper_util::client::legacy::connect::{Connected, Connection};
    use hyper_util::rt::TokioIo;
    use shell::net::TcpStream;

    /// Connects over the simulated network.
    #[derive(Clone, Debug)]
    pub(crate) struct Connector(pub(super) Duration);

    type Connecting = Pin<Box<dyn Future<Output = io::Result<HttpStream>> + Send>>;

    impl tower::Service<Uri> for Connector {
        type Response = HttpStream;
        type Error = io::Error;
        type Future = Connecting;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, uri: Uri) -> Connecting {
            let timeout = self.0;
            Box::pin(async move {
                let address = uri.authority().map(ToString::to_string).unwrap_or_default();
                let connecting = tokio::time::timeout(timeout, TcpStream::connect(address));
                Ok(HttpStream(TokioIo::new(connecting.await??)))
            })
        }
    }

    /// A connection, as hyper wants it.
    #[derive(Debug)]
    pub(crate) struct HttpStream(TokioIo<TcpStream>);

    impl Connection for HttpStream {
        fn connected(&self) -> Connected {
            Connected::new()
        }
    }

    impl Read for HttpStream {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl Write for HttpStream {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }
}
