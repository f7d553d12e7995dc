//! What parses as a value can be written again: RESP3 keeps it, RESP2 is still one reply.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use resp::{Limits, Protocol, ReplyDecoder, Value};

fuzz_target!(|frame: &[u8]| {
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
});

fn write(value: &Value, protocol: Protocol) -> Bytes {
    let mut out = BytesMut::new();
    value.encode(&mut out, protocol);
    out.freeze()
}
