//! One real node against a peer of the test's making, to hold a handoff at any point.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use bytes::{Buf as _, Bytes, BytesMut};
use handoff::{Cursor, HandoffId, Incarnation, Moved, Server};
use node_api::Phase;
use ring::{Arc, ArcSet, Point};

use super::cluster::{CLUSTER, Cluster};
use crate::handoff::wire::{End, Hello, MAX_FRAME_BYTES, Standing, ToSource, ToTarget, frame_len};
use crate::store::{Durability, Record, RecordKey};

const ID: HandoffId = HandoffId(7);
const EPOCH: u64 = 5;

fn stranger() -> Server {
    Server { name: "x".to_owned(), incarnation: Incarnation(0x99) }
}

/// The test's end of a connection.
struct Peer {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    fn send(&mut self, frame: &Bytes) {
        // The node may have ended the connection; that shows when it is read.
        let _ = self.stream.write_all(frame);
    }

    /// The next frame, or `None` when the node has ended the connection.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(length) = frame_len(&self.buffer, MAX_FRAME_BYTES).unwrap()
                && self.buffer.len() >= 4 + length
            {
                self.buffer.advance(4);
                return Some(self.buffer.split_to(length).freeze());
            }
            let mut piece = [0; 65_536];
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(n_read) => self.buffer.extend_from_slice(&piece[..n_read]),
            }
        }
    }
}

/// The test as target.
struct FakeTarget {
    listener: TcpListener,
    received: BTreeMap<Vec<u8>, u64>,
}

/// A session of it.
struct TargetSession {
    peer: Peer,
    hello: Hello,
    claimed: Cursor,
    n_bytes: u64,
    /// Whether it answers heartbeats; else the source does not freeze.
    confirms: bool,
}

impl FakeTarget {
    fn new(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        cluster.tell_peer("x", listener.local_addr().unwrap().to_string());
        Self { listener, received: BTreeMap::new() }
    }

    /// The next connection of the source, with its greeting.
    fn accept(&self) -> TargetSession {
        loop {
            let (stream, _) = self.listener.accept().unwrap();
            let mut peer = Peer::new(stream);
            // A node that was ended may have connected just before.
            let Some(frame) = peer.next() else { continue };
            let ToTarget::Hello(hello) = ToTarget::decode(frame).unwrap() else { panic!() };
            return TargetSession {
                peer,
                hello: *hello,
                claimed: Cursor::default(),
                n_bytes: 0,
                confirms: true,
            };
        }
    }

    /// Takes the stream until `ends` says so; confirms as asked. The last frame, or `None` where
    /// the source ended it.
    fn take(
        &mut self,
        session: &mut TargetSession,
        ends: impl Fn(&ToTarget, &Cursor) -> bool,
    ) -> Option<ToTarget> {
        loop {
            let frame = session.peer.next()?;
            let n_bytes = frame.len() as u64 + 4;
            let frame = ToTarget::decode(frame).unwrap();
            match &frame {
                ToTarget::Chunk(records) => {
                    session.n_bytes += n_bytes;
                    for (key, record) in records {
                        let version = Record::decode(record.clone()).unwrap().version;
                        self.received.insert(key.key().to_vec(), version);
                    }
                }
                ToTarget::Watermark(cursor) => session.claimed = *cursor,
                ToTarget::Heartbeat { .. } if session.confirms => session.confirm(),
                _ => {}
            }
            if ends(&frame, &session.claimed) {
                return Some(frame);
            }
        }
    }

    fn take_all(&mut self, session: &mut TargetSession) -> End {
        match self.take(session, |frame, _| matches!(frame, ToTarget::End(_))) {
            Some(ToTarget::End(end)) => end,
            other => panic!("{other:?}"),
        }
    }
}

impl TargetSession {
    fn say(&mut self, answer: &ToSource) {
        self.peer.send(&answer.encode());
    }

    fn confirm(&mut self) {
        let (cursor, received_bytes) = (self.claimed, self.n_bytes);
        self.say(&ToSource::Confirm { cursor, received_bytes, moved: Moved::default() });
    }

    fn settle(&mut self) {
        loop {
            let frame = self.peer.next().expect("the source says that it has given");
            if ToTarget::decode(frame).unwrap() == ToTarget::Given {
                return self.say(&ToSource::Settled);
            }
        }
    }
}

/// A node with keys that gives everything to the test.
fn giving(n_keys: usize) -> (Cluster, FakeTarget, ArcSet) {
    giving_values(n_keys, "")
}

/// More than may be unconfirmed at a freeze.
fn giving_much() -> (Cluster, FakeTarget, ArcSet) {
    giving_values(500, &"x".repeat(1_000))
}

fn giving_values(n_keys: usize, suffix: &str) -> (Cluster, FakeTarget, ArcSet) {
    let cluster = Cluster::of(&["a"], Durability::EverySec);
    let mut client = cluster.client();
    for n in 0..n_keys {
        client.set(&format!("key-{n}"), &format!("value-{n}{suffix}"));
    }
    let target = FakeTarget::new(&cluster);
    let arcs = ArcSet::full();
    cluster.give("a", ID, stranger(), &arcs, EPOCH).unwrap();
    (cluster, target, arcs)
}

fn wait_for_phase(cluster: &Cluster, name: &str, phase: Phase) {
    cluster.wait_for(name, |state| state.handoffs.iter().any(|one| one.phase == phase));
}

/// Brings the source to FROZEN with END sent and not answered, then ends it and starts it again.
fn frozen_and_restarted(n_keys: usize) -> (Cluster, FakeTarget) {
    let (mut cluster, mut target, _) = giving(n_keys);
    let mut session = target.accept();
    assert_eq!(session.hello.standing, Standing::Copying);
    assert_eq!((session.hello.id, session.hello.cluster), (ID, CLUSTER));
    session.say(&ToSource::NotYet(Cursor::default()));
    let end = target.take_all(&mut session);
    assert!(session.claimed.reaches(Point::MAX, end.watermark));
    assert_eq!(target.received.len(), n_keys);
    wait_for_phase(&cluster, "a", Phase::Frozen);
    cluster.nodes.remove("a");
    drop(session);
    cluster.start("a");
    cluster.tell_peer("x", target.listener.local_addr().unwrap().to_string());
    assert_eq!(cluster.handoff("a", ID).unwrap().phase, Phase::Frozen);
    (cluster, target)
}

#[test]
fn a_frozen_source_that_restarts_learns_that_it_gave() {
    let (cluster, target) = frozen_and_restarted(50);
    let mut session = target.accept();
    assert_eq!(session.hello.standing, Standing::Frozen);
    session.say(&ToSource::Yes(Moved { keys: 50, bytes: 1 }));
    session.settle();
    let state = cluster.wait_for("a", |state| state.handoffs.iter().all(|one| one.finished));
    assert!(state.owned.is_empty());
    assert_eq!(state.given.get(Point(1)).unwrap().target, stranger());
    assert_eq!(state.handoffs[0].keys_moved, 50);
    cluster.wait_until_clean(0);
}

#[test]
fn a_frozen_source_that_restarts_serves_again_when_it_is_refused() {
    let (cluster, target) = frozen_and_restarted(50);
    let mut session = target.accept();
    session.say(&ToSource::No);
    cluster.wait_for("a", |state| state.admitted && state.handoffs[0].finished);
    let mut client = cluster.client();
    for n in 0..50 {
        assert_eq!(client.get(&format!("key-{n}")), Some(format!("value-{n}")));
    }
    client.set("key-0", "new");
    assert_eq!(client.get("key-0").as_deref(), Some("new"));
}

#[test]
fn a_frozen_source_that_restarts_sends_the_rest_again() {
    let (cluster, mut target) = frozen_and_restarted(50);
    target.received.clear();
    let mut session = target.accept();
    session.say(&ToSource::NotYet(Cursor::default()));
    let end = target.take_all(&mut session);
    assert!(session.claimed.reaches(Point::MAX, end.watermark));
    assert_eq!(target.received.len(), 50);
    session.say(&ToSource::Yes(Moved::default()));
    session.settle();
    cluster.wait_until_clean(0);
}

#[test]
fn what_gave_is_told_until_the_target_has_recorded_it() {
    let (mut cluster, target) = frozen_and_restarted(5);
    let mut session = target.accept();
    session.say(&ToSource::Yes(Moved::default()));
    wait_for_phase(&cluster, "a", Phase::Given);
    drop(session);
    cluster.restart("a");
    cluster.tell_peer("x", target.listener.local_addr().unwrap().to_string());
    loop {
        let mut session = target.accept();
        if session.hello.standing == Standing::Given {
            assert!(!cluster.handoff("a", ID).unwrap().finished);
            session.say(&ToSource::Settled);
            break;
        }
    }
    cluster.wait_until_quiet();
}

#[test]
fn a_resumed_stream_begins_where_the_target_is() {
    let (cluster, mut target, _) = giving_much();
    let mut session = target.accept();
    session.confirms = false;
    session.say(&ToSource::NotYet(Cursor::default()));
    target.take(&mut session, |_, claimed| claimed.point == Some(Point::MAX)).unwrap();
    let had = session.claimed;
    // The connection breaks; then something changes at points that were passed.
    drop(session);
    let mut client = cluster.client();
    client.set("key-1", "newer");
    client.del("key-2");
    target.received.clear();
    let mut session = target.accept();
    assert_eq!(session.hello.standing, Standing::Copying);
    let middle = Cursor { point: Some(Point(u128::MAX / 2)), ..had };
    session.say(&ToSource::NotYet(middle));
    target.take_all(&mut session);
    for n in 0..500 {
        let key = format!("key-{n}").into_bytes();
        let is_new = n == 1 || n == 2;
        let is_sent = target.received.contains_key(&key);
        assert_eq!(is_sent, is_new || Point::of(&key) > middle.point.unwrap(), "key-{n}");
    }
    session.say(&ToSource::No);
    cluster.wait_until_quiet();
    assert_eq!(client.get("key-2"), None);
    cluster.wait_until_clean(499);
}

#[test]
fn a_source_drops_by_itself_only_before_it_is_frozen() {
    let (cluster, mut target, _) = giving(5);
    let mut session = target.accept();
    session.say(&ToSource::NotYet(Cursor::default()));
    target.take_all(&mut session);
    cluster.cancel("a", ID).unwrap();
    let asked = target.take(&mut session, |frame, _| *frame == ToTarget::DecideNow);
    assert_eq!(asked, Some(ToTarget::DecideNow));
    assert_eq!(cluster.handoff("a", ID).unwrap().phase, Phase::Frozen);
    session.say(&ToSource::No);
    cluster.wait_until_quiet();
    assert_eq!(cluster.handoff("a", ID).unwrap().phase, Phase::Dropped);
    assert_eq!(cluster.client().get("key-0").as_deref(), Some("value-0"));
}

#[test]
fn a_long_pause_makes_the_target_decide() {
    let (cluster, mut target, _) = giving(5);
    let mut session = target.accept();
    session.say(&ToSource::NotYet(Cursor::default()));
    target.take_all(&mut session);
    let asked = target.take(&mut session, |frame, _| *frame == ToTarget::DecideNow);
    assert_eq!(asked, Some(ToTarget::DecideNow));
    session.say(&ToSource::Yes(Moved::default()));
    session.settle();
    cluster.wait_until_clean(0);
}

#[test]
fn what_was_dropped_is_told_until_the_target_has_recorded_it() {
    let (mut cluster, target, _) = giving(5);
    cluster.cancel("a", ID).unwrap();
    wait_for_phase(&cluster, "a", Phase::Dropped);
    cluster.restart("a");
    cluster.tell_peer("x", target.listener.local_addr().unwrap().to_string());
    loop {
        let mut session = target.accept();
        if session.hello.standing == Standing::Dropped {
            assert!(!cluster.handoff("a", ID).unwrap().finished);
            session.say(&ToSource::Settled);
            break;
        }
    }
    cluster.wait_until_quiet();
}

#[test]
fn a_stopping_source_does_not_freeze() {
    let (mut cluster, mut target, _) = giving_much();
    let mut session = target.accept();
    session.confirms = false;
    session.say(&ToSource::NotYet(Cursor::default()));
    target.take(&mut session, |frame, _| matches!(frame, ToTarget::Chunk(_))).unwrap();
    cluster.stop("a");
    // Nothing was confirmed, so it could not freeze before.
    let asked = target.take(&mut session, |frame, _| matches!(frame, ToTarget::End(_)));
    assert_eq!(asked, None);
    cluster.start("a");
    assert_eq!(cluster.handoff("a", ID).unwrap().phase, Phase::Copying);
}

/// The test as source.
struct FakeSource {
    peer: Peer,
}

fn record(key: &str, version: u64, value: Option<&str>) -> (RecordKey, Bytes) {
    let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
    let record = Record { version, expiry_ms: None, value };
    (RecordKey::new(key.as_bytes()), record.encode())
}

impl FakeSource {
    fn connect(cluster: &Cluster, arcs: &ArcSet, standing: Standing) -> Self {
        let stream = TcpStream::connect(&cluster.nodes["b"].peer).unwrap();
        let mut peer = Peer::new(stream);
        let hello = Hello {
            id: ID,
            cluster: CLUSTER,
            source: stranger(),
            target: cluster.server("b"),
            arcs: arcs.clone(),
            epoch: EPOCH,
            standing,
        };
        peer.send(&ToTarget::Hello(Box::new(hello)).encode());
        Self { peer }
    }

    fn say(&mut self, frame: &ToTarget) {
        self.peer.send(&frame.encode());
    }

    fn answer(&mut self) -> Option<ToSource> {
        Some(ToSource::decode(self.peer.next()?).unwrap())
    }

    fn wait_for(&mut self, fits: impl Fn(&ToSource) -> bool) {
        loop {
            let answer = self.answer().expect("the target goes on");
            assert!(!matches!(answer, ToSource::Failed(_)), "{answer:?}");
            if fits(&answer) {
                return;
            }
        }
    }

    /// The answer to the greeting; a target that has just started may ask to come again.
    fn answer_to(cluster: &Cluster, arcs: &ArcSet, standing: Standing) -> (Self, ToSource) {
        loop {
            let mut source = Self::connect(cluster, arcs, standing);
            match source.answer() {
                None | Some(ToSource::Failed(_)) => {}
                Some(answer) => return (source, answer),
            }
        }
    }

    fn send_all(&mut self, records: Vec<(RecordKey, Bytes)>, passed: Cursor) {
        self.say(&ToTarget::Chunk(records));
        self.say(&ToTarget::Watermark(passed));
    }
}

/// A node that owns nothing and is to receive the lower half of the ring, from a server that only
/// the test knows.
fn receiving() -> (Cluster, ArcSet) {
    let mut cluster = Cluster::of(&["a"], Durability::EverySec);
    cluster.start("b");
    let document = cluster.document.clone().unwrap();
    cluster.commit(document);
    let arcs: ArcSet = Arc::new(Point::MIN, Point(u128::MAX / 2)).into_iter().collect();
    cluster.receive("b", ID, stranger(), &arcs, EPOCH).unwrap();
    cluster.receive("b", ID, stranger(), &arcs, EPOCH).unwrap();
    cluster.wait_for("b", |state| state.admitted);
    (cluster, arcs)
}

/// Keys of the lower half.
fn keys(arcs: &ArcSet) -> impl Iterator<Item = String> + '_ {
    let keys = (0..).map(|n| format!("key-{n}"));
    keys.filter(|key| arcs.contains(Point::of(key.as_bytes())))
}

fn whole(arcs: &ArcSet, watermark: u64) -> Cursor {
    Cursor { point: arcs.iter().next_back().map(|arc| arc.last()), watermark }
}

#[test]
fn a_target_goes_on_from_what_it_confirmed_and_decides_once() {
    let (mut cluster, arcs) = receiving();
    let (mut source, answer) = FakeSource::answer_to(&cluster, &arcs, Standing::Copying);
    assert_eq!(answer, ToSource::NotYet(Cursor::default()));
    let names: Vec<String> = keys(&arcs).take(4).collect();
    source.send_all(
        vec![
            record(&names[0], 10, Some("zero")),
            record(&names[1], 11, Some("one")),
            record(&names[2], 12, Some("two")),
            record(&names[2], 12, Some("two")),
            record(&names[3], 13, Some("three")),
        ],
        whole(&arcs, 13),
    );
    loop {
        let confirmed = source.answer().unwrap();
        let ToSource::Confirm { cursor, moved, .. } = confirmed else { panic!("{confirmed:?}") };
        if cursor == whole(&arcs, 13) {
            assert_eq!(moved.keys, 4);
            break;
        }
    }
    // Not confirmed, so it may be lost; sent again it counts once.
    source.say(&ToTarget::Chunk(vec![record(&names[0], 20, Some("newer"))]));
    cluster.restart("b");
    let (mut source, answer) = FakeSource::answer_to(&cluster, &arcs, Standing::Copying);
    assert_eq!(answer, ToSource::NotYet(whole(&arcs, 13)));
    source.send_all(
        vec![
            record(&names[0], 20, Some("newer")),
            record(&names[1], 21, None),
            record(&names[2], 5, Some("older")),
        ],
        whole(&arcs, 21),
    );
    let end = End { attempt: 2, watermark: 21, wall_clock_ms: 1, version_clock: 1 << 60 };
    source.say(&ToTarget::End(end));
    source.wait_for(|answer| matches!(answer, ToSource::Yes(moved) if moved.keys == 3));
    cluster.wait_for("b", |state| state.admitted);
    let mut client = cluster.client_of("b");
    assert_eq!(client.get(&names[0]).as_deref(), Some("newer"));
    assert_eq!(client.get(&names[1]), None);
    assert_eq!(client.get(&names[2]).as_deref(), Some("two"));

    // Late: it was decided.
    source.say(&ToTarget::Chunk(vec![record(&names[2], 1 << 61, Some("late"))]));
    cluster.restart("b");
    let (mut source, answer) = FakeSource::answer_to(&cluster, &arcs, Standing::Frozen);
    assert!(matches!(answer, ToSource::Yes(_)), "{answer:?}");
    cluster.wait_for("b", |state| state.admitted);
    let mut client = cluster.client_of("b");
    assert_eq!(client.get(&names[2]).as_deref(), Some("two"));
    assert!(cluster.give("b", HandoffId(8), stranger(), &arcs, 9).is_err(), "not confirmed yet");
    source.say(&ToTarget::Given);
    source.wait_for(|answer| *answer == ToSource::Settled);
    let (_, answer) = FakeSource::answer_to(&cluster, &arcs, Standing::Given);
    assert_eq!(answer, ToSource::Settled, "a repeat is answered from the record");
    cluster.give("b", HandoffId(8), stranger(), &arcs, 9).unwrap();
}

#[test]
fn a_target_that_is_asked_too_early_refuses_for_ever() {
    let (cluster, arcs) = receiving();
    let (mut source, _) = FakeSource::answer_to(&cluster, &arcs, Standing::Frozen);
    let key = keys(&arcs).next().unwrap();
    source.say(&ToTarget::Chunk(vec![record(&key, 10, Some("value"))]));
    source.say(&ToTarget::DecideNow);
    source.wait_for(|answer| *answer == ToSource::No);
    assert_eq!(cluster.handoff("b", ID).unwrap().phase, Phase::Refused);
    source.send_all(vec![record(&key, 11, Some("late"))], whole(&arcs, 11));
    let end = End { attempt: 1, watermark: 11, wall_clock_ms: 1, version_clock: 11 };
    source.say(&ToTarget::End(end));
    let (_, answer) = FakeSource::answer_to(&cluster, &arcs, Standing::Frozen);
    assert_eq!(answer, ToSource::No);
    cluster.wait_until_clean(0);
    assert!(cluster.receive("b", HandoffId(8), stranger(), &arcs, EPOCH).is_err());
    cluster.receive("b", HandoffId(8), stranger(), &arcs, EPOCH + 1).unwrap();
}

#[test]
fn a_handoff_that_was_never_heard_of_is_refused_first() {
    let mut cluster = Cluster::of(&["a"], Durability::EverySec);
    cluster.start("b");
    let arcs: ArcSet = Arc::new(Point(5), Point(6)).into_iter().collect();
    let (_, answer) = FakeSource::answer_to(&cluster, &arcs, Standing::Frozen);
    assert_eq!(answer, ToSource::No);
    assert_eq!(cluster.handoff("b", ID).unwrap().phase, Phase::Refused);
    cluster.restart("b");
    cluster.receive("b", ID, stranger(), &arcs, EPOCH).unwrap();
    assert_eq!(cluster.handoff("b", ID).unwrap().phase, Phase::Refused, "from the record");
    let (_, answer) = FakeSource::answer_to(&cluster, &arcs, Standing::Copying);
    assert_eq!(answer, ToSource::No);
}

#[test]
fn what_breaks_the_protocol_is_not_taken() {
    let (cluster, arcs) = receiving();
    let inside = keys(&arcs).next().unwrap();
    let outside = (0..).map(|n| format!("other-{n}"));
    let outside = outside.into_iter().find(|key| !arcs.contains(Point::of(key.as_bytes())));
    let end = End { attempt: 1, watermark: 11, wall_clock_ms: 1, version_clock: 11 };
    let (_, value) = record(&inside, 1, Some("value"));
    let point = Point::of(inside.as_bytes());
    let misplaced = RecordKey::with_point(point, b"whose point is elsewhere");
    let frames = [
        ToTarget::Chunk(vec![record(&outside.unwrap(), 1, Some("value"))]),
        ToTarget::Chunk(vec![(misplaced, value)]),
        ToTarget::End(end),
    ];
    for frame in frames {
        let (mut source, _) = FakeSource::answer_to(&cluster, &arcs, Standing::Copying);
        source.say(&ToTarget::Chunk(vec![record(&inside, 1, Some("value"))]));
        source.say(&frame);
        let mut last = None;
        while let Some(answer) = source.answer() {
            assert!(!matches!(answer, ToSource::Yes(_)), "{answer:?}");
            last = Some(answer);
        }
        assert!(matches!(last, Some(ToSource::Failed(_))), "{last:?}");
        assert_eq!(cluster.handoff("b", ID).unwrap().phase, Phase::Receiving);
    }
}

#[test]
fn a_greeting_for_another_volume_is_refused() {
    let (cluster, arcs) = receiving();
    let stream = TcpStream::connect(&cluster.nodes["b"].peer).unwrap();
    let mut peer = Peer::new(stream);
    let target = Server { incarnation: Incarnation(1), ..cluster.server("b") };
    let hello = Hello {
        id: ID,
        cluster: CLUSTER,
        source: stranger(),
        target,
        arcs,
        epoch: EPOCH,
        standing: Standing::Frozen,
    };
    peer.send(&ToTarget::Hello(Box::new(hello)).encode());
    let answer = ToSource::decode(peer.next().unwrap()).unwrap();
    assert!(matches!(&answer, ToSource::Failed(text) if text.contains("this is b")), "{answer:?}");
}
