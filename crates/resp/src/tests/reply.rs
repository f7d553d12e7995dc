//! Behaviour of [`ReplyDecoder`].

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::pieces::{self, SMALL};
use super::value::values;
use crate::{Limits, Protocol, ProtocolError, ReplyDecoder};

type Outcome = (Vec<Bytes>, Option<ProtocolError>);

fn decode_pieces<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = ReplyDecoder::new(limits);
    pieces::decode(|buffer| decoder.decode(buffer), pieces)
}

fn decode_all(limits: Limits, stream: &[u8]) -> Outcome {
    let whole = decode_pieces(limits, [stream]);
    assert_eq!(decode_pieces(limits, stream.chunks(1)), whole, "byte by byte");
    whole
}

/// Each of `replies` is one reply, alone and after the others.
fn check(replies: &[&[u8]]) {
    let (decoded, error) = decode_all(Limits::default(), &replies.concat());
    assert_eq!(error, None);
    assert_eq!(decoded, replies);
}

fn check_error(stream: &[u8], expected: ProtocolError) {
    assert_eq!(decode_all(SMALL, stream), (vec![], Some(expected)), "{}", stream.escape_ascii());
}

#[test]
fn replies_of_resp2() {
    check(&[
        b"+OK\r\n",
        b"+\r\n",
        b"-ERR no\r\n",
        b":-12\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$4\r\n\r\n\r\n\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n*2\r\n:1\r\n$1\r\na\r\n*0\r\n",
        b"*1\r\n*1\r\n*1\r\n*-1\r\n",
    ]);
}

#[test]
fn replies_of_resp3() {
    check(&[
        b"_\r\n",
        b"#t\r\n",
        b",1.5\r\n",
        b"(123456789012345678901234567890\r\n",
        b"!5\r\nERR a\r\n",
        b"=5\r\ntxt:a\r\n",
        b"%2\r\n+a\r\n*1\r\n:1\r\n+b\r\n%0\r\n",
        b"~2\r\n#t\r\n_\r\n",
        b">2\r\n+message\r\n$1\r\nx\r\n",
        b"|1\r\n+ttl\r\n:1\r\n+OK\r\n",
        b"|0\r\n|1\r\n+a\r\n%0\r\n*2\r\n|1\r\n+b\r\n~0\r\n:1\r\n:2\r\n",
    ]);
}

#[test]
fn malformed_replies() {
    for stream in [&b"$x\r\n"[..], b"$-2\r\n", b"*-2\r\n", b"%-1\r\n", b"!-1\r\n", b"$?\r\n"] {
        check_error(stream, ProtocolError::InvalidReplyLength);
    }
    check_error(b"%9223372036854775808\r\n", ProtocolError::InvalidReplyLength);
    check_error(b"hello\r\n", ProtocolError::UnknownReplyType { got: b'h' });
    check_error(b"*1\r\n\r\n", ProtocolError::UnknownReplyType { got: b'\r' });
    check_error(b"+a\rb\r\n", ProtocolError::ExpectedCrlf);
    check_error(b"+a\nb\r\n", ProtocolError::ExpectedCrlf);
    check_error(b"$1\r\nabc", ProtocolError::ExpectedCrlf);
}

#[test]
fn limits_at_the_bound_and_one_past_it() {
    let nested = |depth| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
    assert_eq!(decode_all(SMALL, &nested(4)), (vec![nested(4).into()], None));
    check_error(&nested(5), ProtocolError::ReplyTooDeep { limit: 4 });
    check_error(&b"|1\r\n".repeat(5), ProtocolError::ReplyTooDeep { limit: 4 });

    let too_large = ProtocolError::ReplyTooLarge { limit: 64 };
    let line = |length: usize| [b"+", &vec![b'a'; length - 3][..], b"\r\n"].concat();
    assert_eq!(decode_all(SMALL, &line(64)), (vec![line(64).into()], None));
    check_error(&line(65), too_large);
    let bulk = |length: usize| {
        [format!("${}\r\n", length - 7).as_bytes(), &vec![b'a'; length - 7], b"\r\n"].concat()
    };
    assert_eq!(decode_all(SMALL, &bulk(64)), (vec![bulk(64).into()], None));
    check_error(&bulk(65), too_large);
    check_error(&[b"*2000000000\r\n", &b":1\r\n".repeat(16)[..]].concat(), too_large);
}

#[test]
fn announced_sizes_reserve_nothing() {
    for stream in
        [&b"*9223372036854775807\r\n"[..], b"%4611686018427387903\r\n", b"$9223372036854775807\r\n"]
    {
        let mut decoder = ReplyDecoder::new(Limits::default());
        let mut buffer = BytesMut::from(stream);
        assert_eq!(decoder.decode(&mut buffer), Ok(None));
        assert!(buffer.capacity() < 1024);
    }
}

/// Encoded values and noise in a row.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let value = values().prop_map(|value| {
        let mut out = BytesMut::new();
        value.encode(&mut out, Protocol::Resp3);
        out.to_vec()
    });
    let piece = prop_oneof![
        6 => value,
        1 => "[-+:$*%~>|_#,(!=0-9a\r\n]{1,8}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn split_anywhere_is_whole(stream in streams(), cut in any::<prop::sample::Index>()) {
        let whole = decode_all(SMALL, &stream);
        let (left, right) = stream.split_at(cut.index(stream.len() + 1));
        prop_assert_eq!(decode_pieces(SMALL, [left, right]), whole);
    }

    #[test]
    fn a_pipeline_comes_apart_at_its_replies(values in prop::collection::vec(values(), 0..6)) {
        let mut stream = BytesMut::new();
        let mut ends = Vec::new();
        for value in &values {
            value.encode(&mut stream, Protocol::Resp3);
            ends.push(stream.len());
        }
        let (replies, error) = decode_pieces(Limits::default(), [stream.as_ref()]);
        prop_assert_eq!(error, None);
        let decoded_ends: Vec<_> = replies.iter().scan(0, |end, reply| {
            *end += reply.len();
            Some(*end)
        }).collect();
        prop_assert_eq!(decoded_ends, ends);
        prop_assert_eq!(replies.concat(), stream);
    }
}
