//! Shell. Publishes a ring document over HTTP, as a coordinator does for servers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::Context;
use node_api::Membership;
use ring::RingDocument;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The longest head of a request that is read.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Answers every request with the present membership.
pub struct Publisher {
    address: String,
    answer: Rc<RefCell<Option<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Publisher {
    /// Listens on a free port, on the current `LocalSet`; there is no document yet.
    ///
    /// # Errors
    /// No port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let answer = Rc::new(RefCell::new(None));
        let shared = Rc::clone(&answer);
        let task = tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(stream, Rc::clone(&shared)));
            }
        });
        Ok(Self { address, answer, task })
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on this is the committed document.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn publish(&self, document: &RingDocument) -> anyhow::Result<()> {
        let membership =
            Membership { generation: 1, document: document.clone(), servers: BTreeMap::new() };
        let body = serde_json::to_vec(&membership).context("cannot encode the membership")?;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        *self.answer.borrow_mut() = Some([head.into_bytes(), body].concat());
        Ok(())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers the requests of one connection, which have no bodies.
async fn serve(mut stream: TcpStream, answer: Rc<RefCell<Option<Vec<u8>>>>) {
    let mut head = Vec::new();
    loop {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) if head.len() > HEAD_BYTES_MAX => return,
            Ok(_) if !head.ends_with(b"\r\n\r\n") => continue,
            Ok(_) => head.clear(),
        }
        let none = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec();
        let bytes = answer.borrow().clone().unwrap_or(none);
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
