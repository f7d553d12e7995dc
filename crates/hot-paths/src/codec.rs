//! Pure. The codec: commands and replies out of a read buffer, replies into a write buffer.

use std::hint::black_box;

use bytes::BytesMut;
use resp::commands::lookup;
use resp::{Command, CommandDecoder, Decoded, Limits, Protocol, ReplyDecoder, Value, encode};

use crate::inputs::{self, Cycle, VALUE};
use crate::{Case, Operation};

/// Room for the next read, as servers and routers make it.
const ROOM: usize = 16 * 1024;

pub(crate) const CASES: &[Case] = &[
    Case::short("resp/decode GET", || decode([inputs::get(1)])),
    Case::short("resp/decode SET of 100 bytes", || decode([inputs::set(1)])),
    Case::short("resp/decode SET in two reads", decode_in_two_reads),
    Case::short("resp/decode MGET of 16 keys", || decode([inputs::mget(16)])),
    Case::long("resp/decode 16 SETs in one buffer", || decode((0..16).map(inputs::set))),
    Case::long("resp/decode 100 SETs in one buffer", || decode((0..100).map(inputs::set))),
    Case::short("resp/decode inline GET", || decode_bytes(b"GET user:00000000001\r\n", 1)),
    Case::short("resp/look a command up", look_up),
    Case::short("resp/encode a command", encode_command),
    Case::short("resp/decode the reply OK", || decode_replies(&[Value::Simple("OK".into())])),
    Case::short("resp/decode an integer", || decode_replies(&[Value::Integer(123_456)])),
    Case::short("resp/decode a null", || decode_replies(&[Value::Bulk(None)])),
    Case::short("resp/decode a value of 100 bytes", || decode_replies(&[bulk()])),
    Case::long("resp/decode 16 values in one buffer", || decode_replies(&vec![bulk(); 16])),
    Case::short("resp/parse an array of 16 values", parse_array),
];

fn bulk() -> Value {
    Value::Bulk(Some(VALUE.to_vec().into()))
}

fn decode(commands: impl IntoIterator<Item = Command>) -> Operation {
    let commands: Vec<Command> = commands.into_iter().collect();
    let n_commands = commands.len();
    decode_bytes(&inputs::pipeline(commands), n_commands)
}

fn decode_bytes(frames: &[u8], n_commands: usize) -> Operation {
    let frames = frames.to_vec();
    let mut decoder = CommandDecoder::new(Limits::default());
    let mut buffer = BytesMut::new();
    Box::new(move || {
        receive(&mut buffer, black_box(&frames));
        assert_eq!(take_all(&mut decoder, &mut buffer), n_commands);
    })
}

fn decode_in_two_reads() -> Operation {
    let frame = inputs::set(1).into_raw();
    let (first, second) = (frame.slice(..frame.len() / 2), frame.slice(frame.len() / 2..));
    let mut decoder = CommandDecoder::new(Limits::default());
    let mut buffer = BytesMut::new();
    Box::new(move || {
        receive(&mut buffer, black_box(&first));
        assert_eq!(take_all(&mut decoder, &mut buffer), 0);
        receive(&mut buffer, black_box(&second));
        assert_eq!(take_all(&mut decoder, &mut buffer), 1);
    })
}

fn receive(buffer: &mut BytesMut, bytes: &[u8]) {
    buffer.reserve(ROOM);
    buffer.extend_from_slice(bytes);
}

fn take_all(decoder: &mut CommandDecoder, buffer: &mut BytesMut) -> usize {
    let mut n_commands = 0;
    while let Ok(Some(Decoded::Command(command))) = decoder.decode(buffer) {
        black_box(&command);
        n_commands += 1;
    }
    n_commands
}

fn look_up() -> Operation {
    let names = ["GET", "set", "MGET", "mset", "DEL", "incr", "EXPIRE", "ringkv.put"];
    let mut names = Cycle::new(names);
    Box::new(move || {
        let spec = lookup(black_box(names.next().as_bytes()));
        assert!(black_box(spec).is_some());
    })
}

fn encode_command() -> Operation {
    let key = inputs::key(1);
    let mut out = BytesMut::with_capacity(ROOM);
    Box::new(move || {
        out.clear();
        encode::command(&mut out, black_box(&[b"SET", key.as_bytes(), &VALUE]));
        black_box(&out);
    })
}

fn decode_replies(replies: &[Value]) -> Operation {
    let mut frames = BytesMut::new();
    replies.iter().for_each(|reply| reply.encode(&mut frames, Protocol::Resp2));
    let n_replies = replies.len();
    let mut decoder = ReplyDecoder::new(Limits::default());
    let mut buffer = BytesMut::new();
    Box::new(move || {
        receive(&mut buffer, black_box(&frames));
        let mut n_found = 0;
        while let Ok(Some(reply)) = decoder.decode(&mut buffer) {
            black_box(&reply);
            n_found += 1;
        }
        assert_eq!(n_found, n_replies);
    })
}

fn parse_array() -> Operation {
    let mut frame = BytesMut::new();
    Value::Array(Some(vec![bulk(); 16])).encode(&mut frame, Protocol::Resp2);
    let frame = frame.freeze();
    Box::new(move || {
        let value = Value::parse(black_box(&frame));
        assert!(black_box(value).is_ok());
    })
}
