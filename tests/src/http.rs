//! Shell. A small HTTP client: one request a connection, and any bytes as a body.

use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The head, as it was sent.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, where the status says that all went well.
    ///
    /// # Errors
    /// Another status, or another body.
    pub fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        anyhow::ensure!(self.status < 300, "status {}: {}", self.status, self.text());
        serde_json::from_slice(&self.body).with_context(|| self.text())
    }

    /// One header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends a request and takes the whole answer.
///
/// # Errors
/// No connection, no answer in time, or no HTTP.
pub async fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> anyhow::Result<Response> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: {}\r\n{headers}\r\n",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        anyhow::Ok(bytes)
    };
    let bytes = tokio::time::timeout(ANSWER_WITHIN, exchange)
        .await
        .with_context(|| format!("no answer in time: {method} {address}{path}"))?
        .with_context(|| format!("{method} {address}{path}"))?;
    parse(&bytes).with_context(|| format!("{method} {address}{path}"))
}

/// `GET`, and the body as JSON.
///
/// # Errors
/// As of [`request`] and [`Response::json`].
pub async fn get<T: DeserializeOwned>(address: &str, path: &str) -> anyhow::Result<T> {
    request(address, "GET", path, "", b"").await?.json()
}

/// `POST` of JSON.
///
/// # Errors
/// As of [`request`].
pub async fn post(address: &str, path: &str, body: &impl Serialize) -> anyhow::Result<Response> {
    let body = serde_json::to_vec(body)?;
    request(address, "POST", path, "content-type: application/json\r\n", &body).await
}

fn parse(bytes: &[u8]) -> anyhow::Result<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").context("no head")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    let mut body = bytes[end + 4..].to_vec();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunk(&body).context("bad chunks")?;
    }
    Ok(Response { status, head, body })
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        bytes = bytes.get(end + 2..)?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..length)?);
        bytes = bytes.get(length + 2..)?;
    }
}
