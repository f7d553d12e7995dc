//! Shell. A connection of its own to one server, on which it tells at once what it serves whenever
//! that changes.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use handoff::Incarnation;
use node_api::NodeView;
use resp::{Command, Limits, ReplyDecoder, Value};
use shell::net::TcpStream;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{BACKOFF, News};
use crate::Access;
use crate::upstream::link::read_reply;

/// A server to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) cluster: String,
    pub(super) incarnation: Incarnation,
}

/// Tells what the server claims for as long as anybody listens. While the server is away its last
/// claims stand.
pub(super) async fn watch_node(
    target: Target,
    news: mpsc::Sender<News>,
    access: Access,
    server_wait: Duration,
) {
    let mut pause = BACKOFF.0;
    let mut reported = false;
    while !news.is_closed() {
        let mut heard = false;
        if let Err(error) = follow(&target, &news, &access, server_wait, &mut heard).await {
            if heard {
                (pause, reported) = (BACKOFF.0, false);
            }
            if !std::mem::replace(&mut reported, true) {
                let (server, address) = (&target.name, &target.address);
                tracing::warn!(server, address, %error, "cannot watch a server");
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

async fn follow(
    target: &Target,
    news: &mpsc::Sender<News>,
    access: &Access,
    server_wait: Duration,
    heard: &mut bool,
) -> io::Result<()> {
    let connect = TcpStream::connect(&*target.address);
    let mut stream = timeout(server_wait, connect).await??;
    stream.set_nodelay(true)?;
    let mut decoder = ReplyDecoder::new(Limits::default());
    let mut input = BytesMut::new();
    let incarnation = target.incarnation.to_string();
    let hello = access.greeting(&target.cluster, &incarnation);
    stream.write_all(hello.raw()).await?;
    let reply = read_reply(&mut stream, &mut decoder, &mut input);
    let reply = timeout(server_wait, reply).await??;
    if !reply.starts_with(b"+") {
        return Err(io::Error::other(String::from_utf8_lossy(&reply).trim_end().to_owned()));
    }
    let mut view = None;
    loop {
        let number = view.as_ref().map_or(0, |view: &NodeView| view.view).to_string();
        let watch = Command::new(&["RINGKV.WATCH", &number]);
        stream.write_all(watch.raw()).await?;
        // The server answers within a second even when nothing changes.
        let reply = read_reply(&mut stream, &mut decoder, &mut input);
        let reply = timeout(server_wait, reply).await??;
        if reply.starts_with(b">") {
            return Err(io::Error::other("the server is stopping"));
        }
        let value = Value::parse(&reply).map_err(io::Error::other)?;
        let new: NodeView = match &value {
            Value::Bulk(Some(json)) => serde_json::from_slice(json).map_err(io::Error::other)?,
            _ => return Err(io::Error::other(String::from_utf8_lossy(&reply).trim_end())),
        };
        *heard = true;
        if new.server.name != target.name || new.server.incarnation != target.incarnation {
            return Err(io::Error::other("another server answers at its address"));
        }
        if view.as_ref() != Some(&new) {
            view = Some(new.clone());
            if news.send(News::View(new)).await.is_err() {
                return Ok(());
            }
        }
    }
}
