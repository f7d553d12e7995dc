//! Pure. Requests as bytes, put together from parts that are made once.

use crate::keys::{KEY_BYTES, Space};
use crate::mix::Kind;

/// Writes requests with values of one size.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    /// What is between the key and the value of a `SET`.
    value_header: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(value_bytes: usize) -> Self {
        Self { value_header: format!("\r\n${value_bytes}\r\n").into_bytes() }
    }

    /// A request of any kind but `SET`.
    #[inline]
    pub(crate) fn bare(out: &mut Vec<u8>, kind: Kind, key: &[u8; KEY_BYTES]) {
        out.extend_from_slice(head(kind));
        out.extend_from_slice(key);
        out.extend_from_slice(b"\r\n");
    }

    /// A `SET`; the closure appends a value of the size given to [`Encoder::new`].
    #[inline]
    pub(crate) fn set(
        &self,
        out: &mut Vec<u8>,
        key: &[u8; KEY_BYTES],
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(head(Kind::Set));
        out.extend_from_slice(key);
        out.extend_from_slice(&self.value_header);
        value(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// Where the keys of a kind are.
pub(crate) const fn space(kind: Kind) -> Space {
    match kind {
        Kind::Incr => Space::Counters,
        Kind::Get | Kind::Set | Kind::Del | Kind::Exists => Space::Values,
    }
}

/// All before the key.
const fn head(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Get => b"*2\r\n$3\r\nGET\r\n$16\r\n",
        Kind::Set => b"*3\r\n$3\r\nSET\r\n$16\r\n",
        Kind::Incr => b"*2\r\n$4\r\nINCR\r\n$16\r\n",
        Kind::Del => b"*2\r\n$3\r\nDEL\r\n$16\r\n",
        Kind::Exists => b"*2\r\n$6\r\nEXISTS\r\n$16\r\n",
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use resp::{CommandDecoder, Decoded, Limits};

    use super::{Encoder, space};
    use crate::keys::key;
    use crate::mix::Kind;

    #[test]
    fn requests_are_what_a_server_reads() {
        for kind in Kind::ALL {
            let key = key(space(kind), 7);
            let mut out = Vec::new();
            if kind == Kind::Set {
                Encoder::new(3).set(&mut out, &key, |out| out.extend_from_slice(b"abc"));
            } else {
                Encoder::bare(&mut out, kind, &key);
            }
            let mut expected = vec![kind.name().to_uppercase().into_bytes(), key.to_vec()];
            expected.extend((kind == Kind::Set).then(|| b"abc".to_vec()));
            let mut buffer = BytesMut::from(&out[..]);
            let decoded = CommandDecoder::new(Limits::default()).decode(&mut buffer);
            let Ok(Some(Decoded::Command(command))) = decoded else { panic!("{decoded:?}") };
            let args: Vec<Vec<u8>> = command.args().map(<[u8]>::to_vec).collect();
            assert_eq!((args, buffer.len()), (expected, 0));
        }
    }
}
