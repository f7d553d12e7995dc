//! The frames as they are on the wire, and what is not taken for one.

use std::fmt::Write as _;

use handoff::{Incarnation, Server};
use proptest::prelude::*;
use ring::Arc;

use super::*;

/// Every frame of version 1, as it was when it was released. Only ever add to it.
const FIXTURE: &str = include_str!("../fixtures/wire-v1.txt");

fn server(name: &str, incarnation: u128) -> Server {
    Server { name: name.to_owned(), incarnation: Incarnation(incarnation) }
}

fn cursor() -> Cursor {
    Cursor { point: Some(Point(0x0102)), watermark: 0x0304 }
}

fn to_target() -> Vec<(&'static str, ToTarget)> {
    let moved = Moved { keys: 5, bytes: 6 };
    let hello = Hello {
        id: HandoffId(1),
        cluster: ClusterId(2),
        source: server("kv-0", 3),
        target: server("kv-1", 4),
        arcs: Arc::new(Point(5), Point(6)).into_iter().collect(),
        epoch: 7,
        standing: Standing::Frozen,
    };
    let end = End { attempt: 1, watermark: 2, wall_clock_ms: 3, version_clock: 4 };
    vec![
        ("hello", ToTarget::Hello(Box::new(hello))),
        (
            "chunk",
            ToTarget::Chunk(vec![
                (RecordKey::with_point(Point(9), b"key"), Bytes::from_static(b"record")),
                (RecordKey::with_point(Point(10), b""), Bytes::new()),
            ]),
        ),
        ("watermark", ToTarget::Watermark(cursor())),
        ("watermark at the start", ToTarget::Watermark(Cursor::default())),
        ("heartbeat", ToTarget::Heartbeat { total: moved }),
        ("end", ToTarget::End(end)),
        ("decide now", ToTarget::DecideNow),
        ("given", ToTarget::Given),
        ("dropped", ToTarget::Dropped),
        ("token", ToTarget::Token(Secret::new(b"t0ken").unwrap())),
    ]
}

fn to_source() -> Vec<(&'static str, ToSource)> {
    let moved = Moved { keys: 5, bytes: 6 };
    vec![
        ("not yet", ToSource::NotYet(cursor())),
        ("confirm", ToSource::Confirm { cursor: cursor(), received_bytes: 7, moved }),
        ("yes", ToSource::Yes(moved)),
        ("no", ToSource::No),
        ("settled", ToSource::Settled),
        ("failed", ToSource::Failed("why".to_owned())),
    ]
}

fn line(name: &str, frame: &[u8]) -> String {
    let mut line = format!("{name}: ");
    for byte in frame {
        write!(line, "{byte:02x}").unwrap();
    }
    line
}

/// The content of a whole frame, as a link gives it.
fn content(frame: &Bytes) -> Bytes {
    let length = frame_len(frame, MAX_FRAME_BYTES).unwrap().unwrap();
    assert_eq!(length, frame.len() - 4);
    frame.slice(4..)
}

#[test]
fn every_frame_is_as_it_was_released() {
    let mut lines = Vec::new();
    for (name, frame) in to_target() {
        let encoded = frame.encode();
        assert_eq!(ToTarget::decode(content(&encoded)).unwrap(), frame, "{name}");
        lines.push(line(name, &encoded));
    }
    for (name, frame) in to_source() {
        let encoded = frame.encode();
        assert_eq!(ToSource::decode(content(&encoded)).unwrap(), frame, "{name}");
        lines.push(line(name, &encoded));
    }
    let received = Received { cursor: cursor(), moved: Moved { keys: 5, bytes: 6 } };
    assert_eq!(Received::decode(received.encode()).unwrap(), received);
    lines.push(line("received", &received.encode()));
    assert_eq!(lines.join("\n"), FIXTURE.trim_end());
}

#[test]
fn a_frame_of_another_version_or_kind_is_refused() {
    let mut frame = content(&ToTarget::Given.encode()).to_vec();
    frame[0] = WIRE_VERSION + 1;
    let newer = Bytes::from(frame.clone());
    assert_eq!(ToTarget::decode(newer), Err(WireError::Version(WIRE_VERSION + 1)));
    frame[0] = WIRE_VERSION;
    frame[1] = NO;
    assert_eq!(ToTarget::decode(Bytes::from(frame)), Err(WireError::Kind(NO)));
    let given = content(&ToTarget::Given.encode());
    assert_eq!(ToSource::decode(given), Err(WireError::Kind(GIVEN)));
}

#[test]
fn the_length_of_a_frame_is_bounded() {
    let head = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    for limit in [MAX_SHORT_FRAME_BYTES, MAX_FRAME_BYTES] {
        assert_eq!(frame_len(&head(limit), limit), Ok(Some(limit)));
        let too_long = WireError::TooLong { length: limit + 1, limit };
        assert_eq!(frame_len(&head(limit + 1), limit), Err(too_long));
    }
    assert_eq!(frame_len(&head(5)[..3], MAX_FRAME_BYTES), Ok(None));
}

fn hello(source: &str, target: &str, n_arcs: u128) -> ToTarget {
    let arcs = (0..n_arcs).filter_map(|n| Arc::new(Point(n * 4), Point(n * 4 + 1)));
    ToTarget::Hello(Box::new(Hello {
        id: HandoffId(1),
        cluster: ClusterId(2),
        source: server(source, 3),
        target: server(target, 4),
        arcs: arcs.collect(),
        epoch: 7,
        standing: Standing::Copying,
    }))
}

#[test]
fn a_greeting_has_bounded_names_and_arcs() {
    let is_taken = |hello: ToTarget| ToTarget::decode(content(&hello.encode())).is_ok();
    let n_arcs = |n: usize| hello("kv-0", "kv-1", n as u128);
    assert!(is_taken(n_arcs(MAX_ARCS)));
    assert!(!is_taken(n_arcs(MAX_ARCS + 1)));
    assert!(!is_taken(n_arcs(0)));
    assert!(n_arcs(MAX_ARCS).encode().len() <= MAX_SHORT_FRAME_BYTES);
    for (length, fits) in
        [(0, false), (1, true), (MAX_NAME_BYTES, true), (MAX_NAME_BYTES + 1, false)]
    {
        let name = "k".repeat(length);
        assert_eq!(is_taken(hello(&name, "kv-1", 1)), fits, "{length}");
        assert_eq!(is_taken(hello("kv-0", &name, 1)), fits, "{length}");
    }
}

#[test]
fn a_greeting_that_is_no_json_of_one_is_refused() {
    for text in ["", "{}", "[]", "null", "{\"id\":1}", &"[".repeat(100_000)] {
        let frame = [&[WIRE_VERSION, HELLO], text.as_bytes()].concat();
        assert_eq!(ToTarget::decode(Bytes::from(frame)), Err(WireError::Malformed));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ToTarget::decode(Bytes::from(bytes.clone()));
        let _ = ToSource::decode(Bytes::from(bytes.clone()));
        let _ = Received::decode(Bytes::from(bytes));
    }

    #[test]
    fn a_frame_that_is_cut_or_too_long_is_an_error(n in 0_usize..9, cut in 1_usize..30) {
        let (name, frame) = &to_target()[n];
        let frame = content(&frame.encode());
        // A chunk that ends after a record is a chunk.
        let cut = if *name == "chunk" { 1 + cut % 7 } else { cut.min(frame.len()) };
        prop_assert!(ToTarget::decode(frame.slice(..frame.len() - cut)).is_err());
        let longer = Bytes::from([&frame[..], &b"x"[..]].concat());
        prop_assert!(ToTarget::decode(longer).is_err());
    }
}
