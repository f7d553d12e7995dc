//! A client without a router: it asks the nodes one after the other.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use bytes::BytesMut;
use resp::{Limits, ReplyDecoder, Value};
use ring::Point;

use super::cluster::PATIENCE;

/// A client that asks one node after the other until one answers for the key.
pub(super) struct Client {
    nodes: BTreeMap<String, SocketAddr>,
    connections: BTreeMap<String, (TcpStream, BytesMut)>,
    last: BTreeMap<Point, String>,
}

impl Client {
    pub(super) const fn new(nodes: BTreeMap<String, SocketAddr>) -> Self {
        Self { nodes, connections: BTreeMap::new(), last: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, key: &str, value: &str) {
        let reply = self.on_key(key, &["SET", key, value]);
        assert_eq!(reply.as_bytes().map(|ok| &ok[..]), Some(&b"OK"[..]), "{reply:?}");
    }

    pub(super) fn get(&mut self, key: &str) -> Option<String> {
        let reply = self.on_key(key, &["GET", key]);
        reply.as_bytes().map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    pub(super) fn del(&mut self, key: &str) {
        self.on_key(key, &["DEL", key]);
    }

    fn on_key(&mut self, key: &str, words: &[&str]) -> Value {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            match self.try_on_key(key, words) {
                Ok(Some(reply)) => return reply,
                Ok(None) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(std::time::Instant::now() < deadline, "nobody answers for {key}");
        }
    }

    /// Asks each node once. `None` where no one took the command; an error where one may have.
    pub(super) fn try_on_key(
        &mut self,
        key: &str,
        words: &[&str],
    ) -> std::io::Result<Option<Value>> {
        let point = Point::of(key.as_bytes());
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        let first = self.last.get(&point).cloned();
        for name in first.into_iter().chain(names) {
            let reply = self.exchange(&name, words)?;
            match &reply {
                None => {}
                Some(Value::Error(text))
                    if [&b"MOVED"[..], b"LOADING", b"TRYAGAIN"]
                        .iter()
                        .any(|start| text.starts_with(start)) => {}
                Some(Value::Error(text)) => panic!("{name}: {}", text.escape_ascii()),
                Some(_) => {
                    self.last.insert(point, name);
                    return Ok(reply);
                }
            }
        }
        Ok(None)
    }

    /// Where the nodes are after some were started again.
    pub(super) fn move_to(&mut self, nodes: BTreeMap<String, SocketAddr>) {
        for (name, address) in nodes {
            if self.nodes.insert(name.clone(), address) != Some(address) {
                self.connections.remove(&name);
            }
        }
    }

    /// `None` where the node is not there.
    fn exchange(&mut self, name: &str, words: &[&str]) -> std::io::Result<Option<Value>> {
        let result = self.try_exchange(name, words);
        if !matches!(result, Ok(Some(_))) {
            self.connections.remove(name);
        }
        result
    }

    fn try_exchange(&mut self, name: &str, words: &[&str]) -> std::io::Result<Option<Value>> {
        if !self.connections.contains_key(name) {
            let Ok(stream) = TcpStream::connect(self.nodes[name]) else { return Ok(None) };
            stream.set_nodelay(true)?;
            self.connections.insert(name.to_owned(), (stream, BytesMut::new()));
        }
        let Some((stream, buffer)) = self.connections.get_mut(name) else { return Ok(None) };
        let mut out = BytesMut::new();
        resp::encode::command(&mut out, words);
        stream.write_all(&out)?;
        let mut decoder = ReplyDecoder::new(Limits::default());
        let mut piece = [0; 4096];
        loop {
            if let Some(frame) = decoder.decode(buffer).unwrap() {
                return Ok(Some(Value::parse(&frame).unwrap()));
            }
            let n_read = stream.read(&mut piece)?;
            if n_read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            buffer.extend_from_slice(&piece[..n_read]);
        }
    }
}
