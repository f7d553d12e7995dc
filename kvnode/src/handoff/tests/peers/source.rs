//! A real source against a target of the test's making.

use std::collections::BTreeMap;
use std::net::TcpListener;

use handoff::{Cursor, Moved};
use node_api::Phase;
use ring::{ArcSet, Point};

use super::{EPOCH, ID, Peer, stranger};
use crate::handoff::tests::cluster::{CLUSTER, Cluster};
use crate::handoff::wire::{End, Hello, Standing, ToSource, ToTarget};
use crate::store::{Durability, Record};

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
