//! A real target against a source of the test's making.

use std::net::TcpStream;

use bytes::Bytes;
use handoff::{Cursor, HandoffId, Incarnation, Server};
use node_api::{Phase, Secret};
use ring::{Arc, ArcSet, Point};

use super::{EPOCH, ID, Peer, stranger};
use crate::handoff::tests::cluster::{CLUSTER, Cluster};
use crate::handoff::wire::{End, Hello, Standing, ToSource, ToTarget};
use crate::store::{Durability, Record, RecordKey};

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
fn a_stopping_target_decides_first() {
    let (mut cluster, arcs) = receiving();
    let (mut source, answer) = FakeSource::answer_to(&cluster, &arcs, Standing::Copying);
    assert_eq!(answer, ToSource::NotYet(Cursor::default()));
    let name = keys(&arcs).next().unwrap();
    source.send_all(vec![record(&name, 10, Some("value"))], whole(&arcs, 10));
    let node = cluster.nodes.remove("b").unwrap();
    let peer = node.peer.clone();
    let stopping = std::thread::spawn(move || node.stop());
    while TcpStream::connect(&peer).is_ok() {
        std::thread::yield_now();
    }
    let end = End { attempt: 1, watermark: 10, wall_clock_ms: 1, version_clock: 10 };
    source.say(&ToTarget::End(end));
    source.wait_for(|answer| matches!(answer, ToSource::Yes(_)));
    source.say(&ToTarget::Given);
    source.wait_for(|answer| *answer == ToSource::Settled);
    stopping.join().unwrap();
    cluster.start("b");
    assert_eq!(cluster.handoff("b", ID).unwrap().phase, Phase::Owned);
    assert_eq!(cluster.state("b").owned.arcs(), arcs);
    assert_eq!(cluster.count("b", &arcs).keys, 1);
}

#[test]
fn a_source_without_the_token_is_refused() {
    let token = |text: &[u8]| ToTarget::Token(Secret::new(text).unwrap());
    let secret = Some(Secret::new(b"t0ken").unwrap());
    let cluster = Cluster::guarded(&["b"], Durability::EverySec, secret);
    let arcs: ArcSet = Arc::new(Point::MIN, Point(u128::MAX / 2)).into_iter().collect();
    for given in [None, Some(token(b"other")), Some(token(b"t0ken"))] {
        let mut peer = Peer::new(TcpStream::connect(&cluster.nodes["b"].peer).unwrap());
        if let Some(given) = &given {
            peer.send(&given.encode());
        }
        let hello = Hello {
            id: ID,
            cluster: CLUSTER,
            source: stranger(),
            target: cluster.server("b"),
            arcs: arcs.clone(),
            epoch: EPOCH,
            standing: Standing::Frozen,
        };
        peer.send(&ToTarget::Hello(Box::new(hello)).encode());
        let answer = ToSource::decode(peer.next().unwrap()).unwrap();
        if given == Some(token(b"t0ken")) {
            assert_eq!(answer, ToSource::No, "it was never asked to receive");
        } else {
            let ToSource::Failed(text) = answer else { panic!("{answer:?}") };
            assert!(text.contains("--token-file"), "{text}");
        }
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
