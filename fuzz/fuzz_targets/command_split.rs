//! A stream of commands in pieces gives what the whole gives, errors and refusals included.
//! The input's first four bytes are the sizes of the pieces, used in turn.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use resp::{CommandDecoder, Decoded, Limits, ProtocolError};

/// Small enough for a short input to pass each bound.
const LIMITS: Limits = Limits {
    max_args: 8,
    max_bulk_bytes: 16,
    max_inline_bytes: 32,
    max_command_bytes: 64,
    max_reply_depth: 4,
    max_reply_bytes: 64,
};

fuzz_target!(|input: &[u8]| {
    let Some((sizes, stream)) = input.split_at_checked(4) else { return };
    let whole = decode([stream]);
    assert_eq!(decode(stream.chunks(1)), whole);
    let mut rest = stream;
    let pieces = sizes.iter().cycle().map_while(|size| {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(*size) + 1));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(decode(pieces), whole);
});

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Decoded>, Option<ProtocolError>) {
    let mut decoder = CommandDecoder::new(LIMITS);
    let mut buffer = BytesMut::new();
    let mut decoded = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(item)) => decoded.push(item),
                Ok(None) => break,
                Err(error) => return (decoded, Some(error)),
            }
        }
        // A header may go a little past the frame's bound before it is refused.
        assert!(buffer.len() <= LIMITS.max_command_bytes + 32, "what is kept is bounded");
    }
    (decoded, None)
}
