//! Shell. A connection to one of the two servers, which keeps the bytes of the answers.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::reply::frame_end;
use super::stream::Request;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Peer {
    address: String,
    stream: TcpStream,
    received: Vec<u8>,
}

impl Peer {
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = connect(address).await?;
        Ok(Self { address: address.to_owned(), stream, received: Vec::new() })
    }

    /// Sends commands at once, and takes an answer for each.
    pub(super) async fn pipeline(&mut self, requests: &[Request]) -> anyhow::Result<Vec<Vec<u8>>> {
        let bytes: Vec<u8> = requests.iter().flat_map(Request::encode).collect();
        let (mut read, mut write) = self.stream.split();
        let received = &mut self.received;
        // Both at a time: neither side may wait for the other to read.
        let send = async { write.write_all(&bytes).await.context("cannot send") };
        let receive = async {
            let mut answers = Vec::with_capacity(requests.len());
            let mut used = 0;
            while answers.len() < requests.len() {
                if let Some(length) = frame_end(&received[used..])? {
                    answers.push(received[used..used + length].to_vec());
                    used += length;
                } else if read.read_buf(received).await? == 0 {
                    let first = requests.get(answers.len());
                    bail!(
                        "the connection ended at {}",
                        first.map_or_else(String::new, Request::to_string)
                    );
                }
            }
            received.drain(..used);
            Ok(answers)
        };
        let both = async { tokio::try_join!(send, receive) };
        let ((), answers) = timeout(ANSWER_WITHIN, both).await.context("no answer in time")??;
        Ok(answers)
    }

    /// Sends bytes on a connection of their own, ends them, and takes whatever comes.
    pub(super) async fn raw(&self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut stream = connect(&self.address).await?;
        let mut answer = Vec::new();
        let talk = async {
            // The other side may have had enough before all was sent.
            if stream.write_all(bytes).await.is_ok() {
                let _ = stream.shutdown().await;
            }
            stream.read_to_end(&mut answer).await
        };
        timeout(ANSWER_WITHIN, talk).await.context("the connection does not end")??;
        Ok(answer)
    }
}

async fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let stream = timeout(ANSWER_WITHIN, TcpStream::connect(address))
        .await
        .context("no connection in time")?
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
