//! Any bytes as a pipeline of replies: no panic; in pieces as in one; each frame is one value.
//! The input's first byte is the size of the pieces.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use resp::{Limits, ProtocolError, ReplyDecoder, Value};

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else { return };
    let (replies, error) = decode([stream]);
    assert_eq!(decode(stream.chunks(usize::from(*size) + 1)), (replies.clone(), error));
    let length: usize = replies.iter().map(Bytes::len).sum();
    assert!(stream.starts_with(&replies.concat()) && length <= stream.len());
    for reply in &replies {
        match Value::parse(reply) {
            Ok(_) | Err(ProtocolError::InvalidScalar { .. }) => {}
            Err(error) => panic!("{error} in {}", reply.escape_ascii()),
        }
    }
});

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Bytes>, Option<ProtocolError>) {
    let mut decoder = ReplyDecoder::new(Limits::default());
    let mut buffer = BytesMut::new();
    let mut replies = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            }
        }
    }
    (replies, None)
}
