//! Shell. One connection through the proxy, and what the rules do to it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::rules::{Effect, Party, Rules};

/// The most that is on the way in one direction.
const CHUNK_BYTES: usize = 16 * 1024;

/// A connection: who made it, and to whom.
pub(super) struct Ends {
    pub(super) from: Party,
    pub(super) to: Party,
}

/// What ends the quiet passing on of bytes.
enum Breach {
    Reset,
    /// Only the side of the one who connected is kept.
    KeepClient,
    /// Only the other side is kept.
    KeepServer,
}

/// Passes bytes on as the rules have it, until both sides are done.
pub(super) async fn pass(
    mut client: TcpStream,
    address: &str,
    ends: &Ends,
    mut rules: watch::Receiver<Rules>,
) {
    // Like a SYN that is lost: the connection is not there before the rule is over.
    if open_gate(&mut rules.clone(), &ends.from, &ends.to).await.is_err() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let breach = {
        let (mut client_reads, mut client_writes) = client.split();
        let (mut server_reads, mut server_writes) = server.split();
        let there = flow(&mut client_reads, &mut server_writes, &ends.from, &ends.to, &rules);
        let back = flow(&mut server_reads, &mut client_writes, &ends.to, &ends.from, &rules);
        let mut watched = rules.clone();
        tokio::select! {
            _ = async { tokio::join!(there, back) } => return,
            breach = breached(&mut watched, ends) => breach,
        }
    };
    match breach {
        Some(Breach::KeepClient) => {
            drop(server);
            swallow(&mut client, &mut rules, &ends.from, &ends.to).await;
        }
        Some(Breach::KeepServer) => {
            drop(client);
            swallow(&mut server, &mut rules, &ends.to, &ends.from).await;
        }
        Some(Breach::Reset) | None => {}
    }
}

/// One direction, until its end.
async fn flow(
    reads: &mut (impl AsyncReadExt + Unpin),
    writes: &mut (impl AsyncWriteExt + Unpin),
    from: &Party,
    to: &Party,
    rules: &watch::Receiver<Rules>,
) {
    let mut rules = rules.clone();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = reads.read(&mut buffer).await.unwrap_or(0);
        let Ok(rate) = open_gate(&mut rules, from, to).await else { return };
        if let Some(rate) = rate {
            let seconds = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / f64::from(rate);
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        let written = match buffer.get(..count) {
            Some([]) | None => {
                // The end of the stream travels as the bytes do.
                let _ = writes.shutdown().await;
                return;
            }
            Some(bytes) => writes.write_all(bytes).await,
        };
        if written.is_err() {
            return;
        }
    }
}

/// Waits until bytes may go on; at which rate, where there is one. An error means that the proxy
/// has ended.
async fn open_gate(
    rules: &mut watch::Receiver<Rules>,
    from: &Party,
    to: &Party,
) -> Result<Option<u32>, watch::error::RecvError> {
    loop {
        let effect = rules.borrow_and_update().effect(from, to);
        match effect {
            Some(Effect::Hold) => rules.changed().await?,
            Some(Effect::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                return Ok(None);
            }
            Some(Effect::Throttle(rate)) => return Ok(Some(rate.max(1))),
            Some(Effect::Reset | Effect::HalfOpen) | None => return Ok(None),
        }
    }
}

/// Waits until a rule breaks the connection; `None` when the proxy has ended.
async fn breached(rules: &mut watch::Receiver<Rules>, ends: &Ends) -> Option<Breach> {
    loop {
        let (there, back) = {
            let now = rules.borrow_and_update();
            (now.effect(&ends.from, &ends.to), now.effect(&ends.to, &ends.from))
        };
        match (there, back) {
            (Some(Effect::Reset), _) | (_, Some(Effect::Reset)) => return Some(Breach::Reset),
            (Some(Effect::HalfOpen), _) => return Some(Breach::KeepClient),
            (_, Some(Effect::HalfOpen)) => return Some(Breach::KeepServer),
            _ => rules.changed().await.ok()?,
        }
    }
}

/// Takes bytes that go nowhere, until the rule is over or the sender leaves.
async fn swallow(
    stream: &mut TcpStream,
    rules: &mut watch::Receiver<Rules>,
    from: &Party,
    to: &Party,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    let over = |rules: &Rules| rules.effect(from, to) != Some(Effect::HalfOpen);
    tokio::select! {
        _ = rules.wait_for(over) => {}
        () = async { while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {} } => {}
    }
}
