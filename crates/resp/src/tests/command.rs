//! Behaviour of [`CommandDecoder`].

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::pieces::{self, SMALL};
use crate::{Command, CommandDecoder, Decoded, Limits, ProtocolError, Refusal, encode};

/// What the decoder makes of a stream: its commands, and the error that ends it.
type Outcome = (Vec<Decoded>, Option<ProtocolError>);

/// Decodes `pieces` as they arrive one after the other.
fn decode_pieces<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = CommandDecoder::new(limits);
    pieces::decode(|buffer| decoder.decode(buffer), pieces)
}

/// Decodes `stream` whole, and checks that byte by byte it comes to the same.
fn decode_all(limits: Limits, stream: &[u8]) -> Outcome {
    let whole = decode_pieces(limits, [stream]);
    assert_eq!(decode_pieces(limits, stream.chunks(1)), whole, "byte by byte");
    whole
}

fn command(args: &[&[u8]]) -> Decoded {
    Decoded::Command(Command::new(args))
}

fn check(stream: &[u8], expected: &[&[&[u8]]]) {
    let expected: Vec<_> = expected.iter().map(|args| command(args)).collect();
    assert_eq!(decode_all(Limits::default(), stream), (expected, None));
}

fn check_error(stream: &[u8], text: &str) {
    let (decoded, error) = decode_all(Limits::default(), stream);
    assert_eq!(decoded, []);
    assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(text));
}

fn check_small(stream: &[u8], refusal: Refusal) {
    let stream = [stream, b"PING\r\n"].concat();
    let expected = (vec![Decoded::Refused(refusal), command(&[b"PING"])], None);
    assert_eq!(decode_all(SMALL, &stream), expected);
}

#[test]
fn arrays_of_bulk_strings() {
    check(b"*1\r\n$4\r\nPING\r\n", &[&[b"PING"]]);
    check(b"*2\r\n$3\r\nget\r\n$0\r\n\r\n", &[&[b"get", b""]]);
    check(
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n\r\n*1\r\n$1\r\n\r\n\r\n",
        &[&[b"SET", b"k", b"\r\n*1\r\n$1\r\n\r\n"]],
    );
    check(b"*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n*1\r\n$1\r\n", &[&[b"a"], &[b"b"]]);
}

#[test]
fn empty_requests_are_passed_over() {
    check(b"\r\n\n*0\r\n*-1\r\n*-10\r\n   \r\nPING\r\n", &[&[b"PING"]]);
}

#[test]
fn inline_commands() {
    check(b"PING\r\n", &[&[b"PING"]]);
    check(b"  set  k\tv \n", &[&[b"set", b"k", b"v"]]);
    check(b"set k \"a b\\x41\\x4\\n\\\"\\q\"\r\n", &[&[b"set", b"k", b"a bAx4\n\"q"]]);
    check(b"set k 'a \\' \\n \"b'\r\n", &[&[b"set", b"k", b"a ' \\n \"b"]]);
    check(b"set \"\" ''\n", &[&[b"set", b"", b""]]);
    check(b"foo\"bar\" baz\n", &[&[b"foobar", b"baz"]]);
    check(b"\x00\xff\n$3\n", &[&[b"\x00\xff"], &[b"$3"]]);
}

#[test]
fn malformed_inline_commands() {
    let unbalanced = "Protocol error: unbalanced quotes in request";
    for line in [&b"set \"k"[..], b"set 'k", b"set \"k\"v", b"set 'k'v", b"set \"k\\\"", b"\"\\"] {
        check_error(&[line, b"\r\n"].concat(), unbalanced);
    }
    check_error(&[b'A'; 65 * 1024 + 2], "Protocol error: too big inline request");
}

#[test]
fn malformed_frames() {
    let multibulk = "Protocol error: invalid multibulk length";
    for stream in [
        &b"*x\r\n"[..],
        b"*\r\n",
        b"*1x\r\n",
        b"*+1\r\n",
        b"*01\r\n",
        b"*-\r\n",
        b"*-0\r\n",
        b"*1\rx",
        b"*1\n$1\r\na\r\n",
        b"*3000000000\r\n",
        b"*9223372036854775808\r\n",
        b"*18446744073709551617\r\n",
        b"*99999999999999999999999999",
        b"*\0AAAA",
    ] {
        check_error(stream, multibulk);
    }
    let bulk = "Protocol error: invalid bulk length";
    for length in [
        &b"x"[..],
        b"",
        b"-1",
        b"-10",
        b"536870913",
        b"2000000000",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"18446744073709551615",
        b"00",
    ] {
        check_error(&[b"*1\r\n$", length, b"\r\n"].concat(), bulk);
    }
    check_error(b"*1\r\nfoo\r\n", "Protocol error: expected '$', got 'f'");
    check_error(b"*2\r\n$1\r\nx\r\n\r\n", "Protocol error: expected '$', got '\\r'");
    check_error(b"*1\r\n$1\r\nabc", "Protocol error: expected CRLF");
    check_error(b"*1\r\n$1\r\na\rb", "Protocol error: expected CRLF");
}

#[test]
fn limits_at_the_bound_and_one_past_it() {
    let at_bound = b"*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$10\r\n0123456789\r\n";
    let expected = command(&[b"a", b"b", b"c", b"0123456789"]);
    assert_eq!(decode_all(SMALL, at_bound), (vec![expected], None));
    check_small(
        b"*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n",
        Refusal::TooManyArguments { count: 5, limit: 4 },
    );
    check_small(
        b"*3\r\n$1\r\na\r\n$11\r\n0123456789a\r\n$1\r\nb\r\n",
        Refusal::ArgumentTooLarge { bytes: 11, limit: 10 },
    );
    let ten = b"$10\r\n0123456789\r\n";
    let frame_of_64 = [b"*4\r\n", &ten[..], ten, ten, b"$3\r\nabc\r\n"].concat();
    assert_eq!(frame_of_64.len(), 64);
    let decoded = decode_all(SMALL, &frame_of_64);
    let expected = command(&[b"0123456789", b"0123456789", b"0123456789", b"abc"]);
    assert_eq!(decoded, (vec![expected], None));
    check_small(
        &[b"*4\r\n", &ten[..], ten, ten, b"$4\r\nabcd\r\n"].concat(),
        Refusal::CommandTooLarge { limit: 64 },
    );
}

#[test]
fn inline_limits() {
    check_small(b"a b c d e\r\n", Refusal::TooManyArguments { count: 5, limit: 4 });
    check_small(b"a 0123456789a\n", Refusal::ArgumentTooLarge { bytes: 11, limit: 10 });
    let spaces = |count| [&vec![b' '; count][..], b"\r\n"].concat();
    assert_eq!(decode_all(SMALL, &spaces(32)), (vec![], None));
    assert_eq!(decode_all(SMALL, &spaces(33)), (vec![], Some(ProtocolError::InlineTooLarge)));
    let tight = Limits { max_command_bytes: 13, ..SMALL };
    let refused = Decoded::Refused(Refusal::CommandTooLarge { limit: 13 });
    assert_eq!(decode_all(tight, b"PING\n"), (vec![refused], None));
}

#[test]
fn a_refused_command_is_dropped_as_it_arrives() {
    let mut decoder = CommandDecoder::new(Limits::default());
    let mut buffer = BytesMut::from(&b"*2\r\n$3\r\nGET\r\n$536870912\r\n"[..]);
    let piece = vec![b'x'; 64 * 1024];
    let mut left = 512 * 1024 * 1024;
    while left > 0 {
        buffer.extend_from_slice(&piece);
        left -= piece.len();
        assert_eq!(decoder.decode(&mut buffer), Ok(None));
        assert_eq!(buffer.len(), 0);
        assert!(buffer.capacity() <= 4 * piece.len());
    }
    buffer.extend_from_slice(b"\r\n");
    let refusal = Refusal::ArgumentTooLarge { bytes: 512 * 1024 * 1024, limit: 16 * 1024 * 1024 };
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(Decoded::Refused(refusal))));
}

#[test]
fn announced_sizes_reserve_nothing() {
    for stream in [&b"*2147483647\r\n"[..], b"*1048576\r\n", b"*1\r\n$16777216\r\n"] {
        let mut decoder = CommandDecoder::new(Limits::default());
        let mut buffer = BytesMut::from(stream);
        assert_eq!(decoder.decode(&mut buffer), Ok(None));
        assert!(buffer.capacity() < 1024);
    }
}

#[test]
fn missing_counts_the_rest_of_the_argument() {
    let mut decoder = CommandDecoder::new(Limits::default());
    let mut buffer = BytesMut::from(&b"*1\r\n$1000"[..]);
    assert_eq!(decoder.missing(&buffer), 0);
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    assert_eq!(decoder.missing(&buffer), 0);
    buffer.extend_from_slice(b"\r\nabc");
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    assert_eq!(decoder.missing(&buffer), 999);
}

#[test]
fn arguments_are_slices_of_the_buffer() {
    let mut buffer = BytesMut::new();
    let args: Vec<Vec<u8>> = (0..40_u8).map(|i| vec![i; usize::from(i)]).collect();
    encode::command(&mut buffer, &args);
    encode::command(&mut buffer, &["ping"]);
    let received = Bytes::copy_from_slice(&buffer);
    let (start, length) = (buffer.as_ptr().addr(), buffer.len());
    let mut decoder = CommandDecoder::new(Limits::default());
    let Ok(Some(Decoded::Command(first))) = decoder.decode(&mut buffer) else {
        panic!("no command");
    };
    let Ok(Some(Decoded::Command(second))) = decoder.decode(&mut buffer) else {
        panic!("no command");
    };
    assert_eq!([first.raw().as_ref(), second.raw()].concat(), received);
    assert_eq!((first.len(), first.args().len(), second.len()), (40, 40, 1));
    for (i, arg) in args.iter().enumerate() {
        let slice = first.arg_bytes(i).unwrap();
        assert_eq!(slice, arg);
        assert!(arg.is_empty() || (start..start + length).contains(&slice.as_ptr().addr()));
    }
    assert_eq!(first.arg(40), None);
    assert!(second.name_is("PING") && second.arg_is(0, "Ping") && !second.arg_is(1, "PING"));
}

/// A stream of mostly well-formed pieces, some over the limits of `SMALL`.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let frame =
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..13), 0..6).prop_map(|args| {
            let mut frame = BytesMut::new();
            encode::command(&mut frame, &args);
            frame.to_vec()
        });
    let piece = prop_oneof![
        8 => frame,
        2 => "[a-z \"'\\\\]{0,40}\r?\n".prop_map(String::into_bytes),
        1 => "[*$0-9\r\n-]{1,8}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn decoding_inverts_encoding(
        commands in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20), 1..8),
    ) {
        let mut stream = BytesMut::new();
        for args in &commands {
            encode::command(&mut stream, args);
        }
        let (decoded, error) = decode_pieces(Limits::default(), [stream.as_ref()]);
        prop_assert_eq!(error, None);
        prop_assert_eq!(decoded.len(), commands.len());
        for (decoded, args) in decoded.iter().zip(&commands) {
            let Decoded::Command(decoded) = decoded else { panic!("refused") };
            prop_assert_eq!(decoded.args().collect::<Vec<_>>(), args.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn split_anywhere_is_whole(stream in streams(), cut in any::<prop::sample::Index>()) {
        let whole = decode_all(SMALL, &stream);
        let (left, right) = stream.split_at(cut.index(stream.len() + 1));
        prop_assert_eq!(decode_pieces(SMALL, [left, right]), whole);
    }

    #[test]
    fn every_frame_is_canonical(stream in streams()) {
        for decoded in decode_pieces(Limits::default(), [stream.as_ref()]).0 {
            let Decoded::Command(command) = decoded else { continue };
            let args: Vec<_> = command.args().collect();
            prop_assert_eq!(Command::new(&args), command);
        }
    }
}
