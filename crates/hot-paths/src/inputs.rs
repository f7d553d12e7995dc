//! Pure. The inputs that the cases share.

use bytes::{BufMut as _, BytesMut};
use resp::Command;
use ring::{Placement, RingDocument};

/// After so many operations the keys of a case repeat.
pub(crate) const N_INPUTS: u32 = 256;
/// How long the values of most cases are.
pub(crate) const VALUE: [u8; 100] = [b'v'; 100];

const CLUSTER: &str = "0123456789abcdef0123456789abcdef";
/// As many as a server has by default.
const VIRTUAL_NODES: u16 = 100;

/// A key of 16 bytes.
pub(crate) fn key(number: u32) -> String {
    format!("user:{number:011}")
}

/// The keys of a case.
pub(crate) fn keys() -> Vec<String> {
    (0..N_INPUTS).map(key).collect()
}

/// The bytes of these commands, one after the other.
pub(crate) fn pipeline(commands: impl IntoIterator<Item = Command>) -> Vec<u8> {
    let mut frames = BytesMut::new();
    commands.into_iter().for_each(|command| frames.put_slice(command.raw()));
    frames.to_vec()
}

pub(crate) fn get(number: u32) -> Command {
    Command::new(&[b"GET", key(number).as_bytes()])
}

pub(crate) fn set(number: u32) -> Command {
    Command::new(&[b"SET", key(number).as_bytes(), &VALUE])
}

pub(crate) fn mget(n_keys: u32) -> Command {
    let keys = (0..n_keys).map(key);
    Command::new(&std::iter::once("MGET".to_owned()).chain(keys).collect::<Vec<_>>())
}

/// A ring of so many servers, which joined one after the other.
pub(crate) fn document(n_servers: u128) -> RingDocument {
    let members: Vec<(String, String)> =
        (0..n_servers).map(|n| (format!("kv-{n}"), format!("{n:032x}"))).collect();
    let members = members.iter().map(|(name, incarnation)| (&**name, &**incarnation));
    RingDocument::bootstrap(CLUSTER, Placement::Balanced, VIRTUAL_NODES, members)
        .expect("these members make a ring")
}

/// The next element each time, and the first one after the last.
pub(crate) struct Cycle<T> {
    items: Vec<T>,
    next: usize,
}

impl<T> Cycle<T> {
    pub(crate) fn new(items: impl IntoIterator<Item = T>) -> Self {
        Self { items: items.into_iter().collect(), next: 0 }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> &T {
        let at = self.next;
        self.next = if at + 1 == self.items.len() { 0 } else { at + 1 };
        &self.items[at]
    }
}
