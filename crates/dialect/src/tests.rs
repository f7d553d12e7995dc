mod connection;
mod glob;
mod number;
mod server;

use bytes::BytesMut;
use resp::{Command, CommandDecoder, Decoded, Limits};

/// A command as it is typed.
fn command(line: &str) -> Command {
    let mut bytes = BytesMut::from(format!("{line}\r\n").as_bytes());
    match CommandDecoder::new(Limits::default()).decode(&mut bytes) {
        Ok(Some(Decoded::Command(command))) => command,
        other => panic!("{line}: {other:?}"),
    }
}
