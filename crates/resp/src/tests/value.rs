//! Behaviour of [`Value`] and of the encoders.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::{Limits, Protocol, ProtocolError, ReplyDecoder, Value, encode};

fn parse(frame: &[u8]) -> Result<Value, ProtocolError> {
    Value::parse(&Bytes::copy_from_slice(frame))
}

fn written(write: impl FnOnce(&mut BytesMut)) -> String {
    let mut out = BytesMut::new();
    write(&mut out);
    out.escape_ascii().to_string()
}

fn bulk(text: &'static str) -> Value {
    Value::Bulk(Some(Bytes::from_static(text.as_bytes())))
}

/// Values that RESP3 carries unchanged.
pub(super) fn values() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    let line = || "[ -~]{0,20}".prop_map(Bytes::from);
    let leaf = prop_oneof![
        line().prop_map(Value::Simple),
        line().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        bytes().prop_map(|text| Value::Bulk(Some(text))),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<f64>()
            .prop_filter("a NaN is not equal to itself", |value| !value.is_nan())
            .prop_map(Value::Double),
        "-?[0-9]{1,40}".prop_map(|digits| Value::BigNumber(digits.into())),
        bytes().prop_map(Value::BulkError),
        (any::<[u8; 3]>(), bytes()).prop_map(|(format, text)| Value::Verbatim { format, text }),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let inner_values = prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            inner_values.clone().prop_map(|values| Value::Array(Some(values))),
            inner_values.clone().prop_map(Value::Set),
            inner_values.prop_map(Value::Push),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

#[test]
fn parsing() {
    assert_eq!(parse(b"$-1\r\n"), Ok(Value::Bulk(None)));
    assert_eq!(parse(b"*-1\r\n"), Ok(Value::Array(None)));
    assert_eq!(parse(b"$4\r\na\r\nb\r\n"), Ok(bulk("a\r\nb")));
    assert_eq!(parse(b":+7\r\n"), Ok(Value::Integer(7)));
    assert_eq!(parse(b",inf\r\n"), Ok(Value::Double(f64::INFINITY)));
    assert_eq!(parse(b"|1\r\n+a\r\n:1\r\n*1\r\n|0\r\n#f\r\n"), {
        Ok(Value::Array(Some(vec![Value::Boolean(false)])))
    });
    for (frame, kind) in [
        (&b":1x\r\n"[..], "integer"),
        (b":9223372036854775808\r\n", "integer"),
        (b",x\r\n", "double"),
        (b"_x\r\n", "null"),
        (b"#x\r\n", "boolean"),
        (b"(1x\r\n", "big number"),
        (b"(\r\n", "big number"),
        (b"=3\r\ntxt\r\n", "verbatim string"),
    ] {
        assert_eq!(parse(frame), Err(ProtocolError::InvalidScalar { kind }));
    }
}

#[test]
fn parsing_takes_exactly_one_reply() {
    let frame = b"*2\r\n$1\r\na\r\n%1\r\n+k\r\n:1\r\n";
    for length in 0..frame.len() {
        assert_eq!(parse(frame.split_at(length).0), Err(ProtocolError::NotOneReply));
    }
    assert!(parse(frame).is_ok());
    assert_eq!(parse(b":1\r\n:2\r\n"), Err(ProtocolError::NotOneReply));
    assert_eq!(parse(b"*9223372036854775807\r\n"), Err(ProtocolError::NotOneReply));
}

#[test]
fn parsing_goes_as_deep_as_the_decoder() {
    let nested = |depth| [b"*1\r\n".repeat(depth), b"_\r\n".to_vec()].concat();
    let limit = Limits::default().max_reply_depth;
    assert!(parse(&nested(limit)).is_ok());
    assert_eq!(parse(&nested(limit + 1)), Err(ProtocolError::ReplyTooDeep { limit }));
}

#[test]
fn fallbacks_of_resp2() {
    let value = Value::Map(vec![
        (bulk("a"), Value::Set(vec![Value::Boolean(true), Value::Null])),
        (Value::Double(1.5), Value::Push(vec![Value::BigNumber(Bytes::from_static(b"12"))])),
        (Value::BulkError(Bytes::from_static(b"ERR a\r\nb")), Value::Array(None)),
        (Value::Verbatim { format: *b"txt", text: Bytes::from_static(b"t") }, Value::Integer(1)),
    ]);
    assert_eq!(
        written(|out| value.encode(out, Protocol::Resp2)),
        "*8\\r\\n$1\\r\\na\\r\\n*2\\r\\n:1\\r\\n$-1\\r\\n$3\\r\\n1.5\\r\\n*1\\r\\n$2\\r\\n12\\r\\n\
         -ERR a  b\\r\\n*-1\\r\\n$1\\r\\nt\\r\\n:1\\r\\n"
    );
}

#[test]
fn encoders() {
    assert_eq!(written(encode::ok), "+OK\\r\\n");
    assert_eq!(written(|out| encode::simple(out, "a\r\nb")), "+a  b\\r\\n");
    assert_eq!(written(|out| encode::error(out, "ERR a\n+b")), "-ERR a +b\\r\\n");
    assert_eq!(written(|out| encode::integer(out, i64::MIN)), ":-9223372036854775808\\r\\n");
    assert_eq!(written(|out| encode::integer(out, 0)), ":0\\r\\n");
    assert_eq!(written(|out| encode::array_header(out, usize::MAX)), "*18446744073709551615\\r\\n");
    assert_eq!(written(|out| encode::map_header(out, Protocol::Resp3, 2)), "%2\\r\\n");
    assert_eq!(written(|out| encode::map_header(out, Protocol::Resp2, 2)), "*4\\r\\n");
    for (value, text) in [
        (1.0, "1"),
        (-0.5, "-0.5"),
        (0.0, "0"),
        (1e300, "1e300"),
        (5e-324, "5e-324"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ] {
        let expected = format!(",{text}\\r\\n");
        assert_eq!(written(|out| encode::double(out, Protocol::Resp3, value)), expected);
    }
    assert_eq!(
        written(|out| ProtocolError::InvalidBulkLength.encode(out)),
        "-ERR Protocol error: invalid bulk length\\r\\n"
    );
}

proptest! {
    #[test]
    fn parsing_inverts_encoding(value in values()) {
        let mut out = BytesMut::new();
        value.encode(&mut out, Protocol::Resp3);
        prop_assert_eq!(Value::parse(&out.freeze()), Ok(value));
    }

    #[test]
    fn every_encoding_is_one_reply(value in values()) {
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let mut out = BytesMut::new();
            value.encode(&mut out, protocol);
            let whole = out.clone().freeze();
            let reply = ReplyDecoder::new(Limits::default()).decode(&mut out);
            prop_assert_eq!(reply, Ok(Some(whole)));
        }
    }

    #[test]
    fn noise_never_panics(noise in "[-+:$*%~>|_#,(!=0-9a\r\n]{0,40}") {
        let _ = parse(noise.as_bytes());
    }
}
