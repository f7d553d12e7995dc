//! Pure. Replies as servers write them.

use std::hint::black_box;

use bytes::BytesMut;
use dialect::Reply;
use resp::Protocol;

use crate::inputs::VALUE;
use crate::{Case, Operation};

pub(crate) const CASES: &[Case] = &[
    Case::short("dialect/encode the reply OK", || encode(Reply::Ok)),
    Case::short("dialect/encode an integer", || encode(Reply::Integer(123_456))),
    Case::short("dialect/encode a null", || encode(Reply::Null)),
    Case::short("dialect/encode a value of 100 bytes", || encode(value())),
    Case::short("dialect/encode an array of 16 values", || encode(Reply::Array(vec![value(); 16]))),
];

fn value() -> Reply {
    Reply::Bulk(VALUE.to_vec().into())
}

fn encode(reply: Reply) -> Operation {
    let mut out = BytesMut::with_capacity(16 * 1024);
    Box::new(move || {
        out.clear();
        black_box(&reply).encode(&mut out, Protocol::Resp2);
        black_box(&out);
    })
}
