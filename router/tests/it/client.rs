//! A blocking RESP client that says what it sends and reads what comes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use resp::{Command, Limits, ReplyDecoder, Value};

/// No test waits longer for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    stream: TcpStream,
    decoder: ReplyDecoder,
    input: BytesMut,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the router takes connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, decoder: ReplyDecoder::new(Limits::default()), input: BytesMut::new() }
    }

    pub(crate) fn send(&mut self, command: &str) {
        self.send_all([command]);
    }

    /// All commands in one write. Words are separated by one space.
    pub(crate) fn send_all<C: AsRef<str>>(&mut self, commands: impl IntoIterator<Item = C>) {
        let mut frames = Vec::new();
        for command in commands {
            let words: Vec<&str> = command.as_ref().split(' ').collect();
            frames.extend_from_slice(Command::new(&words).raw());
        }
        self.send_raw(&frames);
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the router reads");
    }

    /// The end of what is sent; answers can still come.
    pub(crate) fn end(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("the connection is open");
    }

    pub(crate) fn value(&mut self) -> Value {
        self.try_value().expect("an answer")
    }

    /// `None` at the end of the connection.
    pub(crate) fn try_value(&mut self) -> Option<Value> {
        loop {
            if let Some(reply) = self.decoder.decode(&mut self.input).expect("well-formed") {
                return Some(Value::parse(&reply).expect("well-formed"));
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(n) => self.input.extend_from_slice(&chunk[..n]),
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    pub(crate) fn reply(&mut self) -> String {
        show(&self.value())
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.reply()
    }
}

/// A short text for an answer: strings as they are, `nil`, lists in brackets.
pub(crate) fn show(value: &Value) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match value {
        Value::Simple(line) => text(line),
        Value::Error(line) => format!("-{}", text(line)),
        Value::Integer(n) => n.to_string(),
        Value::Bulk(Some(bytes)) => text(bytes),
        Value::Bulk(None) | Value::Array(None) => "nil".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Array(Some(values)) => {
            let values: Vec<String> = values.iter().map(show).collect();
            format!("[{}]", values.join(" "))
        }
        other => format!("{other:?}"),
    }
}
