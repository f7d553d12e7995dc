use bytes::{BufMut as _, Bytes, BytesMut};
use handoff::{ClusterId, Cursor, HandoffId, Incarnation, Moved, Server};
use proptest::collection::vec;
use proptest::prelude::*;
use ring::{Arc, ArcSet, MAX_NAME_BYTES, Point};

use super::stream::{Receiver, Sender, StreamError};
use super::*;
use crate::store::Record;

const FIXTURE: &str = include_str!("../../../fixtures/peer-protocol-1.txt");

fn arc(start: u128, last: u128) -> Arc {
    Arc::new(Point(start), Point(last)).unwrap()
}

fn server(name: &str, incarnation: u128) -> Server {
    Server { name: name.to_owned(), incarnation: Incarnation(incarnation) }
}

fn greeting(arcs: ArcSet) -> Greeting {
    Greeting {
        cluster: ClusterId(0xC),
        id: HandoffId(0x1D),
        source: server("kv-0", 0xA),
        target: server("kv-1", 0xB),
        arcs,
        epoch: 7,
    }
}

const CURSOR: Cursor = Cursor { point: Some(Point(0x99)), watermark: 0x1234 };
const MOVED: Moved = Moved { keys: 3, bytes: 500 };

fn raw(key: &str, record: &Record) -> RawRecord {
    (RecordKey::new(key.as_bytes()), record.encode())
}

fn value(bytes: impl Into<Bytes>) -> Record {
    Record { version: 42, expiry_ms: None, value: Some(bytes.into()) }
}

fn source_messages() -> Vec<FromSource> {
    let arcs: ArcSet = [arc(1, 5), arc(7, u128::MAX)].into_iter().collect();
    let end =
        End { attempt: 3, cursor: CURSOR, wall_clock_ms: 1_700_000_000_000, version_clock: 9 };
    vec![
        FromSource::Greeting(greeting(arcs)),
        FromSource::Ask { attempt: 1, question: Question::Status },
        FromSource::Ask { attempt: 2, question: Question::Decide },
        FromSource::Ask { attempt: 3, question: Question::DecideNow },
        FromSource::Estimate(MOVED),
        FromSource::Records(vec![raw("a", &value("one")), raw("", &Record::tombstone(43))]),
        FromSource::Claim(CURSOR),
        FromSource::Claim(Cursor::default()),
        FromSource::Heartbeat,
        FromSource::End(end),
        FromSource::Given,
        FromSource::Dropped,
    ]
}

fn target_messages() -> Vec<FromTarget> {
    vec![
        FromTarget::Yes { attempt: 4, moved: MOVED },
        FromTarget::No { attempt: 5 },
        FromTarget::NotYet { attempt: 6, cursor: Cursor::default(), moved: MOVED },
        FromTarget::Confirm { cursor: CURSOR, stream_bytes: 1 << 40, moved: MOVED },
        FromTarget::Settled,
        FromTarget::Heartbeat,
        FromTarget::Refused("this is kv-2".to_owned()),
    ]
}

fn frame<M: Message>(message: &M) -> BytesMut {
    let mut out = BytesMut::new();
    encode(message, &mut out).unwrap();
    out
}

fn decode_all<M: Message>(bytes: &[u8]) -> Result<Option<M>, WireError> {
    decode(&mut BytesMut::from(bytes), MAX_FRAME_BYTES)
}

/// A frame with these fields, length and checksum right.
fn forged(kind: u8, fields: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    super::encode::begin_frame(kind, &mut out);
    out.put_slice(fields);
    super::encode::end_frame(&mut out, 0).unwrap();
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn the_fixture_of_version_1_is_read_and_written_the_same() {
    let mut lines = FIXTURE.lines();
    for message in source_messages() {
        let bytes = unhex(lines.next().unwrap());
        assert_eq!(decode_all(&bytes), Ok(Some(message.clone())));
        assert_eq!(hex(&frame(&message)), hex(&bytes), "{message:?}");
    }
    for message in target_messages() {
        let bytes = unhex(lines.next().unwrap());
        assert_eq!(decode_all(&bytes), Ok(Some(message.clone())));
        assert_eq!(hex(&frame(&message)), hex(&bytes), "{message:?}");
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn the_terms_of_a_greeting_are_those_of_the_target() {
    let greeting = greeting(ArcSet::full());
    let terms = greeting.target_terms();
    assert_eq!((terms.peer, terms.arcs, terms.epoch), (greeting.source, ArcSet::full(), 7));
}

#[test]
fn a_frame_comes_in_pieces_and_takes_only_its_own_bytes() {
    let message = FromSource::Claim(CURSOR);
    let whole = frame(&message);
    let mut buffer = BytesMut::new();
    for byte in &whole[..whole.len() - 1] {
        buffer.put_u8(*byte);
        assert_eq!(decode::<FromSource>(&mut buffer, MAX_FRAME_BYTES), Ok(None));
    }
    buffer.put_slice(&whole[whole.len() - 1..]);
    buffer.put_slice(b"next");
    assert_eq!(decode(&mut buffer, MAX_FRAME_BYTES), Ok(Some(message)));
    assert_eq!(&buffer[..], b"next");
}

#[test]
fn an_announced_length_is_bounded_and_not_allocated() {
    let announce = |bytes: usize| {
        let mut buffer = BytesMut::from(&u32::try_from(bytes).unwrap().to_be_bytes()[..]);
        let result = decode::<FromSource>(&mut buffer, MAX_GREETING_BYTES);
        (result, buffer.capacity())
    };
    let (result, capacity) = announce(MAX_GREETING_BYTES + HEAD_BYTES + CHECKSUM_BYTES);
    assert_eq!(result, Ok(None));
    assert!(capacity < 3 << 20);
    let bytes = MAX_GREETING_BYTES + HEAD_BYTES + CHECKSUM_BYTES + 1;
    let too_long = WireError::TooLong { bytes, max_bytes: MAX_GREETING_BYTES };
    assert_eq!(announce(bytes).0, Err(too_long));
    assert!(matches!(
        decode_all::<FromSource>(b"GET / HTTP/1.1\r\n"),
        Err(WireError::TooLong { .. })
    ));
    for length in 0..6_u8 {
        let bytes = [0, 0, 0, length, PROTOCOL_VERSION, 1, 0, 0, 0, 0];
        assert_eq!(decode_all::<FromSource>(&bytes), Err(WireError::Malformed("cut short")));
    }
}

#[test]
fn what_was_changed_on_the_way_is_refused() {
    let good = frame(&FromTarget::NotYet { attempt: 6, cursor: CURSOR, moved: MOVED });
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let result = decode_all::<FromTarget>(&bad);
        // A longer length only waits for more.
        assert!(matches!(result, Err(_) | Ok(None)), "bit {bit}: {result:?}");
    }
    let mut newer = good;
    newer[LENGTH_BYTES] = 2;
    assert_eq!(decode_all::<FromTarget>(&newer), Err(WireError::Version(2)));
}

#[test]
fn a_message_of_the_other_direction_is_refused() {
    for message in source_messages() {
        assert!(matches!(decode_all::<FromTarget>(&frame(&message)), Err(WireError::Kind(_))));
    }
    for message in target_messages() {
        assert!(matches!(decode_all::<FromSource>(&frame(&message)), Err(WireError::Kind(_))));
    }
}

#[test]
fn fields_are_neither_cut_nor_followed_by_others() {
    for message in source_messages() {
        let good = frame(&message);
        let fields = &good[LENGTH_BYTES + HEAD_BYTES..good.len() - CHECKSUM_BYTES];
        let kind = good[LENGTH_BYTES + 1];
        for n in 0..fields.len() {
            let result = decode_all::<FromSource>(&forged(kind, &fields[..n]));
            // A chunk may end after any record, and an empty key's record is one of its own.
            let is_chunk = kind == super::kind::RECORDS;
            assert!(result.is_err() || is_chunk, "{message:?} cut to {n}: {result:?}");
        }
        let longer = [fields, b"\0"].concat();
        assert!(decode_all::<FromSource>(&forged(kind, &longer)).is_err(), "{message:?}");
    }
}

fn check_malformed(kind: u8, fields: &[u8], expected: &'static str) {
    let result = decode_all::<FromSource>(&forged(kind, fields));
    assert_eq!(result, Err(WireError::Malformed(expected)));
}

fn greeting_fields(name: &[u8], arcs: &[(u128, u128)]) -> BytesMut {
    let mut fields = BytesMut::new();
    fields.put_u128(1);
    fields.put_u128(2);
    for name in [name, b"kv-1"] {
        fields.put_u16(u16::try_from(name.len()).unwrap());
        fields.put_slice(name);
        fields.put_u128(3);
    }
    fields.put_u64(7);
    fields.put_u32(u32::try_from(arcs.len()).unwrap());
    for (start, last) in arcs {
        fields.put_u128(*start);
        fields.put_u128(*last);
    }
    fields
}

#[test]
fn hostile_greetings_are_refused() {
    let check = |name: &[u8], arcs: &[(u128, u128)], expected| {
        check_malformed(super::kind::GREETING, &greeting_fields(name, arcs), expected);
    };
    let good = [(1, 2)];
    assert!(decode_all::<FromSource>(&forged(1, &greeting_fields(b"kv-0", &good))).is_ok());
    let longest = [b'n'; MAX_NAME_BYTES];
    assert!(decode_all::<FromSource>(&forged(1, &greeting_fields(&longest, &good))).is_ok());
    check(b"", &good, "a server has no name");
    check(&[b'n'; MAX_NAME_BYTES + 1], &good, "a text is too long");
    check(b"\xff", &good, "a text is not UTF-8");
    check(b"kv-0", &[], "a handoff has 1 to 65,536 arcs");
    for arcs in [[(5, 4), (8, 9)], [(1, 2), (2, 3)], [(1, 2), (3, 4)], [(5, 6), (1, 2)]] {
        check(b"kv-0", &arcs, "arcs out of order");
    }
    check(b"kv-0", &[(1, u128::MAX), (0, 0)], "arcs out of order");
}

#[test]
fn hostile_chunks_are_refused() {
    let check = |fields: &[u8], expected| check_malformed(super::kind::RECORDS, fields, expected);
    let (key, record) = raw("a", &value("one"));
    let chunk = |key: &[u8], n_record: usize| {
        let mut fields = BytesMut::new();
        fields.put_u32(u32::try_from(key.len()).unwrap());
        fields.put_slice(key);
        fields.put_u32(u32::try_from(n_record).unwrap());
        fields.put_slice(&record);
        fields
    };
    assert!(decode_all::<FromSource>(&forged(4, &chunk(key.as_bytes(), record.len()))).is_ok());
    check(b"", "cut short");
    check(&chunk(&[0; 15], record.len()), "an impossible record key");
    let other_point = RecordKey::with_point(Point(5), b"a");
    check(&chunk(other_point.as_bytes(), record.len()), "an impossible record key");
    check(&chunk(key.as_bytes(), MAX_RECORD_BYTES), "cut short");
    check(&chunk(key.as_bytes(), MAX_RECORD_BYTES + 1), "a record is too long");
    check(&chunk(key.as_bytes(), record.len() - 1), "cut short");
}

#[test]
fn what_breaks_a_bound_is_not_sent() {
    let (key, _) = raw("a", &value(""));
    let check = |message: FromSource| {
        let mut out = BytesMut::from(&b"before"[..]);
        let result = encode(&message, &mut out);
        assert_eq!(&out[..], b"before");
        result
    };
    let record = Bytes::from(vec![0; MAX_RECORD_BYTES + 1]);
    let too_long = WireError::TooLong { bytes: record.len(), max_bytes: MAX_RECORD_BYTES };
    assert_eq!(check(FromSource::Records(vec![(key, record)])), Err(too_long));
    assert!(check(FromSource::Records(Vec::new())).is_err());
    assert!(check(FromSource::Greeting(greeting(ArcSet::default()))).is_err());
    let arcs = |n: usize| (0..n as u128).map(|i| arc(i * 2, i * 2)).collect::<ArcSet>();
    assert!(check(FromSource::Greeting(greeting(arcs(MAX_ARCS + 1)))).is_err());
    let mut most = frame(&FromSource::Greeting(greeting(arcs(MAX_ARCS))));
    assert!(decode::<FromSource>(&mut most, MAX_GREETING_BYTES).unwrap().is_some());
    let text = "€".repeat(MAX_TEXT_BYTES);
    let refused = decode_all(&frame(&FromTarget::Refused(text.clone())));
    assert_eq!(refused, Ok(Some(FromTarget::Refused(text[..MAX_TEXT_BYTES - 1].to_owned()))));
}

#[test]
fn the_longest_record_goes_in_a_chunk_of_its_own() {
    let long = vec![b'x'; MAX_VALUE_BYTES];
    let record = Record { version: 1, expiry_ms: Some(2), value: Some(long.into()) }.encode();
    assert_eq!(record.len(), MAX_RECORD_BYTES);
    let key = RecordKey::new(&[b'k'; MAX_KEY_BYTES]);
    let mut chunk = Chunk::new();
    assert!(chunk.is_empty() && chunk.take_frame().unwrap().is_none());
    assert!(chunk.push(&key, &record).unwrap());
    assert!(!chunk.push(&key, b"").unwrap());
    assert_eq!(chunk.len(), 1);
    let mut frame = BytesMut::from(chunk.take_frame().unwrap().unwrap());
    let message = decode(&mut frame, MAX_FRAME_BYTES).unwrap();
    assert_eq!(message, Some(FromSource::Records(vec![(key, record)])));
    assert!(chunk.is_empty());
}

#[test]
fn a_chunk_is_the_frame_of_its_records_and_ends_at_its_bound() {
    let record = value(vec![b'x'; 1000]).encode();
    let mut chunk = Chunk::new();
    let mut records = Vec::new();
    for n in 0.. {
        let key = RecordKey::new(format!("key-{n}").as_bytes());
        if !chunk.push(&key, &record).unwrap() {
            break;
        }
        records.push((key, record.clone()));
    }
    assert!(chunk.len_bytes() <= CHUNK_BYTES && chunk.len_bytes() > CHUNK_BYTES - 1100);
    let bytes = chunk.take_frame().unwrap().unwrap();
    assert_eq!(bytes, frame(&FromSource::Records(records)).freeze());
}

#[tokio::test]
async fn messages_go_over_a_connection() {
    let (near, far) = tokio::io::duplex(64);
    let (mut sender, mut receiver) = (Sender::new(near), Receiver::new(far));
    let (key, record) = raw("a", &value(vec![b'x'; 100_000]));
    let sent = async move {
        let mut chunk = Chunk::new();
        for message in source_messages() {
            sender.send(&message).await.unwrap();
        }
        assert!(chunk.push(&key, &record).unwrap());
        assert!(sender.send_chunk(&mut chunk).await.unwrap() > 100_000);
        assert_eq!(sender.send_chunk(&mut chunk).await.unwrap(), 0);
    };
    let received = async move {
        for message in source_messages() {
            assert_eq!(receiver.receive::<FromSource>().await.unwrap(), message);
        }
        let FromSource::Records(records) = receiver.receive().await.unwrap() else { panic!() };
        assert_eq!(records.len(), 1);
        let end = receiver.receive::<FromSource>().await;
        assert!(matches!(end, Err(StreamError::Closed)), "{end:?}");
    };
    tokio::join!(sent, received);
}

#[tokio::test]
async fn a_connection_that_ends_inside_a_message_is_broken_and_not_closed() {
    let bytes = frame(&FromSource::Claim(CURSOR));
    let mut receiver = Receiver::new(&bytes[..bytes.len() - 1]);
    assert!(matches!(receiver.receive::<FromSource>().await, Err(StreamError::Io(_))));
    let huge = (MAX_FRAME_BYTES as u32).to_be_bytes();
    let mut receiver = Receiver::new(&huge[..]);
    let first = receiver.receive::<FromSource>().await;
    assert!(matches!(first, Err(StreamError::Wire(WireError::TooLong { .. }))), "{first:?}");
}

fn cursors() -> impl Strategy<Value = Cursor> {
    (any::<Option<u128>>(), any::<u64>())
        .prop_map(|(point, watermark)| Cursor { point: point.map(Point), watermark })
}

fn records() -> impl Strategy<Value = Vec<RawRecord>> {
    let record = (vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..200));
    let record = record.prop_map(|(key, value)| (RecordKey::new(&key), Bytes::from(value)));
    vec(record, 1..20)
}

fn any_from_source() -> impl Strategy<Value = FromSource> {
    let arcs = vec((any::<u128>(), any::<u128>()), 1..20).prop_map(|ends| {
        ends.into_iter().map(|(a, b)| arc(a.min(b), a.max(b))).collect::<ArcSet>()
    });
    let end = (any::<u64>(), cursors(), any::<u64>(), any::<u64>());
    prop_oneof![
        (arcs, "[a-zé]{1,20}", any::<u128>()).prop_map(|(arcs, name, id)| {
            let source = server(&name, id);
            FromSource::Greeting(Greeting { source, id: HandoffId(id), ..greeting(arcs) })
        }),
        records().prop_map(FromSource::Records),
        cursors().prop_map(FromSource::Claim),
        end.prop_map(|(attempt, cursor, wall_clock_ms, version_clock)| {
            FromSource::End(End { attempt, cursor, wall_clock_ms, version_clock })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_encoded_is_decoded(messages in vec(any_from_source(), 1..5)) {
        let mut buffer = BytesMut::new();
        for message in &messages {
            encode(message, &mut buffer).unwrap();
        }
        for message in messages {
            prop_assert_eq!(decode(&mut buffer, MAX_FRAME_BYTES), Ok(Some(message)));
        }
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn no_bytes_are_a_reason_to_panic(kind in any::<u8>(), fields in vec(any::<u8>(), 0..200)) {
        let _ = decode_all::<FromSource>(&fields);
        let _ = decode_all::<FromSource>(&forged(kind % 10, &fields));
        let _ = decode_all::<FromTarget>(&forged(0x80 | (kind % 9), &fields));
    }
}
