//! Pure. RESP: any bytes, in any pieces.

use bytes::{Bytes, BytesMut};
use resp::{
    Command, CommandDecoder, Decoded, Limits, Protocol, ProtocolError, ReplyDecoder, Value,
};

/// Small enough for a short input to pass each bound.
const LIMITS: Limits = Limits {
    max_args: 8,
    max_bulk_bytes: 16,
    max_inline_bytes: 32,
    max_command_bytes: 64,
    max_reply_depth: 4,
    max_reply_bytes: 64,
};

/// Any bytes as a pipeline of commands: no panic, and each command is exactly its frame.
pub(crate) fn command_decode(stream: &[u8]) {
    let mut decoder = CommandDecoder::new(Limits::default());
    let mut buffer = BytesMut::from(stream);
    while let Ok(Some(decoded)) = decoder.decode(&mut buffer) {
        match decoded {
            Decoded::Command(command) => {
                let args: Vec<_> = command.args().collect();
                assert_eq!(args.len(), command.len());
                assert!(!args.is_empty());
                assert_eq!(Command::new(&args).raw(), command.raw(), "a canonical frame");
                check_alone(&command);
            }
            Decoded::Refused(refusal) => assert!(!refusal.to_string().is_empty()),
        }
    }
}

/// A frame decodes to the same command where it stands alone.
fn check_alone(command: &Command) {
    let mut decoder = CommandDecoder::new(Limits::default());
    let mut buffer = BytesMut::from(command.raw().as_ref());
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(Decoded::Command(command.clone()))));
    assert!(buffer.is_empty());
}

/// A stream of commands in pieces gives what the whole gives, errors and refusals included.
/// The input's first four bytes are the sizes of the pieces, used in turn.
pub(crate) fn command_split(input: &[u8]) {
    let Some((sizes, stream)) = input.split_at_checked(4) else { return };
    let whole = decode_commands([stream]);
    assert_eq!(decode_commands(stream.chunks(1)), whole);
    let mut rest = stream;
    let pieces = sizes.iter().cycle().map_while(|size| {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(*size) + 1));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(decode_commands(pieces), whole);
}

fn decode_commands<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Decoded>, Option<ProtocolError>) {
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

/// Any bytes as a pipeline of replies: no panic; in pieces as in one; each frame is one value.
/// The input's first byte is the size of the pieces.
pub(crate) fn reply_decode(input: &[u8]) {
    let Some((size, stream)) = input.split_first() else { return };
    let (replies, error) = decode_replies([stream]);
    assert_eq!(decode_replies(stream.chunks(usize::from(*size) + 1)), (replies.clone(), error));
    let length: usize = replies.iter().map(Bytes::len).sum();
    assert!(stream.starts_with(&replies.concat()) && length <= stream.len());
    for reply in &replies {
        let parsed = Value::parse(reply);
        let is_expected = matches!(parsed, Ok(_) | Err(ProtocolError::InvalidScalar { .. }));
        assert!(is_expected, "{parsed:?} of {}", reply.escape_ascii());
    }
}

fn decode_replies<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Bytes>, Option<ProtocolError>) {
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

/// What parses as a value can be written again: RESP3 keeps it, RESP2 is still one reply.
pub(crate) fn value_roundtrip(frame: &[u8]) {
    let Ok(value) = Value::parse(&Bytes::copy_from_slice(frame)) else { return };
    let written = write(&value, Protocol::Resp3);
    let again = Value::parse(&written).expect("what was written parses");
    // The bytes are compared: a NaN is not equal to itself, and the nulls of RESP2 become one.
    assert_eq!(write(&again, Protocol::Resp3), written);
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let written = write(&value, protocol);
        let mut buffer = BytesMut::from(written.as_ref());
        let reply = ReplyDecoder::new(Limits::default()).decode(&mut buffer);
        assert_eq!(reply, Ok(Some(written)));
    }
}

fn write(value: &Value, protocol: Protocol) -> Bytes {
    let mut out = BytesMut::new();
    value.encode(&mut out, protocol);
    out.freeze()
}
