//! Pure. Writing replies and commands.
//!
//! Where RESP2 lacks a type, the writer that takes a [`Protocol`] falls back as Redis does.

use bytes::{BufMut, BytesMut};

/// The protocol that a connection has chosen with `HELLO`; RESP2 without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// `HELLO 2`.
    #[default]
    Resp2,
    /// `HELLO 3`.
    Resp3,
}

/// `+OK`.
pub fn ok(out: &mut BytesMut) {
    out.extend_from_slice(b"+OK\r\n");
}

/// A simple string. Line ends in it become spaces.
pub fn simple(out: &mut BytesMut, text: &str) {
    line(out, b'+', text.as_bytes());
}

/// An error: `text` begins with its code, as in `ERR no such key`. Line ends become spaces.
pub fn error(out: &mut BytesMut, text: &str) {
    line(out, b'-', text.as_bytes());
}

/// An integer.
pub fn integer(out: &mut BytesMut, value: i64) {
    number_line(out, b':', value);
}

/// A bulk string.
pub fn bulk(out: &mut BytesMut, value: &[u8]) {
    out.reserve(value.len() + 16);
    length(out, b'$', value.len());
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The absent value.
pub fn null(out: &mut BytesMut, protocol: Protocol) {
    out.extend_from_slice(match protocol {
        Protocol::Resp2 => b"$-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    });
}

/// The absent array.
pub fn null_array(out: &mut BytesMut, protocol: Protocol) {
    out.extend_from_slice(match protocol {
        Protocol::Resp2 => b"*-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    });
}

/// Start of an array of `count` values.
pub fn array_header(out: &mut BytesMut, count: usize) {
    length(out, b'*', count);
}

/// Start of a map of `pairs` keys, each followed by its value.
pub fn map_header(out: &mut BytesMut, protocol: Protocol, pairs: usize) {
    match protocol {
        Protocol::Resp2 => length(out, b'*', pairs.saturating_mul(2)),
        Protocol::Resp3 => length(out, b'%', pairs),
    }
}

/// Start of a set of `count` values.
pub fn set_header(out: &mut BytesMut, protocol: Protocol, count: usize) {
    aggregate_header(out, protocol, b'~', count);
}

/// Start of an out-of-band message of `count` values.
pub fn push_header(out: &mut BytesMut, protocol: Protocol, count: usize) {
    aggregate_header(out, protocol, b'>', count);
}

fn aggregate_header(out: &mut BytesMut, protocol: Protocol, kind: u8, count: usize) {
    match protocol {
        Protocol::Resp2 => length(out, b'*', count),
        Protocol::Resp3 => length(out, kind, count),
    }
}

/// A truth value; 1 or 0 in RESP2.
pub fn boolean(out: &mut BytesMut, protocol: Protocol, value: bool) {
    out.extend_from_slice(match (protocol, value) {
        (Protocol::Resp2, true) => b":1\r\n",
        (Protocol::Resp2, false) => b":0\r\n",
        (Protocol::Resp3, true) => b"#t\r\n",
        (Protocol::Resp3, false) => b"#f\r\n",
    });
}

/// A floating-point number, in the shortest form that reads back the same; a bulk string in
/// RESP2.
pub fn double(out: &mut BytesMut, protocol: Protocol, value: f64) {
    let text = if value.is_nan() {
        "nan".to_owned()
    } else if value == 0.0 || value.is_infinite() || (1e-5..1e17).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    };
    match protocol {
        Protocol::Resp2 => bulk(out, text.as_bytes()),
        Protocol::Resp3 => line(out, b',', text.as_bytes()),
    }
}

/// An integer beyond 64 bits, in decimal; a bulk string in RESP2.
pub fn big_number(out: &mut BytesMut, protocol: Protocol, digits: &[u8]) {
    match protocol {
        Protocol::Resp2 => bulk(out, digits),
        Protocol::Resp3 => line(out, b'(', digits),
    }
}

/// Text with the three-byte name of its format, as `txt`; a bulk string in RESP2.
pub fn verbatim(out: &mut BytesMut, protocol: Protocol, format: [u8; 3], text: &[u8]) {
    match protocol {
        Protocol::Resp2 => bulk(out, text),
        Protocol::Resp3 => {
            length(out, b'=', text.len() + 4);
            out.extend_from_slice(&format);
            out.put_u8(b':');
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// An error that may hold any bytes; a line, with spaces for line ends, in RESP2.
pub fn bulk_error(out: &mut BytesMut, protocol: Protocol, text: &[u8]) {
    match protocol {
        Protocol::Resp2 => line(out, b'-', text),
        Protocol::Resp3 => {
            length(out, b'!', text.len());
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A command, its name first, as an array of bulk strings.
pub fn command<A: AsRef<[u8]>>(out: &mut BytesMut, args: &[A]) {
    array_header(out, args.len());
    for arg in args {
        bulk(out, arg.as_ref());
    }
}

pub(crate) fn line(out: &mut BytesMut, kind: u8, text: &[u8]) {
    out.reserve(text.len() + 3);
    out.put_u8(kind);
    if text.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        out.extend(text.iter().map(|byte| match byte {
            b'\r' | b'\n' => b' ',
            other => *other,
        }));
    } else {
        out.extend_from_slice(text);
    }
    out.extend_from_slice(b"\r\n");
}

fn length(out: &mut BytesMut, kind: u8, value: usize) {
    decimal_line(out, kind, false, value as u64);
}

fn number_line(out: &mut BytesMut, kind: u8, value: i64) {
    decimal_line(out, kind, value < 0, value.unsigned_abs());
}

/// `<kind>[-]<digits>\r\n`, put together from its end.
fn decimal_line(out: &mut BytesMut, kind: u8, negative: bool, mut magnitude: u64) {
    let mut text = [0_u8; 24];
    let mut start = text.len();
    let mut prepend = |byte: u8| {
        start -= 1;
        if let Some(slot) = text.get_mut(start) {
            *slot = byte;
        }
    };
    prepend(b'\n');
    prepend(b'\r');
    loop {
        prepend(b'0' + (magnitude % 10) as u8);
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    if negative {
        prepend(b'-');
    }
    prepend(kind);
    out.extend_from_slice(text.get(start..).unwrap_or_default());
}
