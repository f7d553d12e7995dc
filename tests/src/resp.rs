//! Shell. A client of the Redis protocol, written for these tests alone: it shares no code with
//! what it tests. Every wait has a limit.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take. Longer than every bounded wait of the router and the nodes.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// One answer (RESP2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `+OK`
    Simple(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$…`, or nil.
    Bulk(Option<Vec<u8>>),
    /// `*…`
    Array(Vec<Answer>),
}

impl Answer {
    /// The answer as text, for messages and comparisons in tests.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Simple(text) => text.clone(),
            Self::Error(text) => format!("-{text}"),
            Self::Integer(number) => number.to_string(),
            Self::Bulk(None) => "(nil)".to_owned(),
            Self::Bulk(Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Array(items) => {
                format!("[{}]", items.iter().map(Self::text).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    /// Bytes that were read and not yet used begin at `used`.
    received: Vec<u8>,
    used: usize,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = tokio::time::timeout(ANSWER_WITHIN, TcpStream::connect(address))
            .await
            .context("no connection in time")?
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(64 * 1024), used: 0 })
    }

    /// Sends one command and takes its answer.
    ///
    /// # Errors
    /// The connection broke, or no answer came in time.
    pub async fn call(&mut self, arguments: &[&[u8]]) -> anyhow::Result<Answer> {
        self.send(&frame(arguments)).await?;
        self.answer().await
    }

    /// Sends a command of words and takes its answer as text.
    ///
    /// # Errors
    /// As of [`Self::call`].
    pub async fn words(&mut self, command: &str) -> anyhow::Result<String> {
        let arguments: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        Ok(self.call(&arguments).await?.text())
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        tokio::time::timeout(ANSWER_WITHIN, self.stream.write_all(bytes))
            .await
            .context("the other side takes nothing any more")?
            .context("cannot send")
    }

    /// Takes the next answer.
    ///
    /// # Errors
    /// The connection broke, no answer came in time, or it is not RESP.
    pub async fn answer(&mut self) -> anyhow::Result<Answer> {
        tokio::time::timeout(ANSWER_WITHIN, async {
            loop {
                let mut reader = Reader { bytes: &self.received, at: self.used };
                if let Some(answer) = reader.answer()? {
                    self.used = reader.at;
                    if self.used == self.received.len() {
                        self.received.clear();
                        self.used = 0;
                    }
                    return Ok(answer);
                }
                if self.stream.read_buf(&mut self.received).await? == 0 {
                    bail!("the other side closed the connection");
                }
            }
        })
        .await
        .context("no answer in time")?
    }
}

/// The bytes of a command.
#[must_use]
pub fn frame(arguments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// The next whole answer, or `None` where bytes are missing.
    fn answer(&mut self) -> anyhow::Result<Option<Answer>> {
        let Some(line) = self.line() else { return Ok(None) };
        let Some((kind, rest)) = line.split_first() else { bail!("an empty line") };
        let rest = String::from_utf8_lossy(rest).into_owned();
        Ok(Some(match kind {
            b'+' => Answer::Simple(rest),
            b'-' => Answer::Error(rest),
            b':' => Answer::Integer(rest.parse()?),
            b'$' => match usize::try_from(rest.parse::<i64>()?) {
                Err(_) => Answer::Bulk(None),
                Ok(length) => {
                    let Some(bytes) = self.bytes.get(self.at..self.at + length + 2) else {
                        return Ok(None);
                    };
                    self.at += length + 2;
                    Answer::Bulk(Some(bytes[..length].to_vec()))
                }
            },
            b'*' => {
                let mut items = Vec::new();
                for _ in 0..rest.parse::<i64>()? {
                    let Some(item) = self.answer()? else { return Ok(None) };
                    items.push(item);
                }
                Answer::Array(items)
            }
            _ => bail!("not RESP2: {}", String::from_utf8_lossy(&line)),
        }))
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.windows(2).position(|pair| pair == b"\r\n")?;
        self.at += length + 2;
        Some(rest[..length].to_vec())
    }
}
