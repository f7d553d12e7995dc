use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { keys_reply_bytes_max: 1 << 20 };

fn reply(next: Option<Point>, found: Value) -> Bytes {
    let next = Value::Bulk(next.map(|point| Bytes::from(point.to_string())));
    let mut out = BytesMut::new();
    Value::Array(Some(vec![next, found])).encode(&mut out, Protocol::Resp2);
    out.freeze()
}

fn finish(walk: Walk) -> Value {
    assert!(walk.is_done());
    let mut out = BytesMut::new();
    walk.finish(Protocol::Resp2, &mut out);
    Value::parse(&out.freeze()).expect("a reply")
}

/// The words of a piece's command, as points, count and the rest.
fn words(frame: &Bytes) -> (Arc, usize, Vec<String>) {
    let Ok(Value::Array(Some(words))) = Value::parse(frame) else { panic!("{frame:?}") };
    let text = |word: &Value| String::from_utf8_lossy(word.as_bytes().expect("text")).into_owned();
    let words: Vec<String> = words.iter().map(text).collect();
    let arc = Arc::new(words[1].parse().expect("a point"), words[2].parse().expect("a point"));
    (arc.expect("an arc"), words[3].parse().expect("a count"), words[4..].to_vec())
}

/// A ring of keys, cut into segments, that answers pieces.
#[derive(Debug)]
struct Ring {
    keys: BTreeSet<u128>,
    ends: Vec<u128>,
}

impl Ring {
    fn segment_last(&self, point: Point) -> Point {
        let ends = self.ends.iter().copied().filter(|end| *end >= point.0);
        Point(ends.min().unwrap_or(u128::MAX))
    }

    /// As a node: so many keys, and all with the upper half of the last one.
    fn run(&self, frame: &Bytes, count_only: bool, most: usize) -> Bytes {
        let (arc, limit, _) = words(frame);
        let mut found = Vec::new();
        let mut next = None;
        for key in self.keys.range(arc.start().0..=arc.last().0) {
            let splits = found.last().is_none_or(|last: &u128| last >> 64 != key >> 64);
            if found.len() >= limit.min(most) && splits {
                next = Some(Point(*key));
                break;
            }
            found.push(*key);
        }
        let found = if count_only {
            Value::Integer(i64::try_from(found.len()).expect("few"))
        } else {
            let name = |key: &u128| Value::Bulk(Some(Bytes::from(key.to_string())));
            Value::Array(Some(found.iter().map(name).collect()))
        };
        reply(next, found)
    }

    /// Runs a walk; of the pieces under way the one that `choose` says is answered or refused next.
    fn drive(&self, walk: &mut Walk, count_only: bool, choose: &mut impl FnMut() -> usize) {
        let mut under_way: Vec<(u32, Bytes)> = Vec::new();
        let mut refusals = 100;
        while !walk.is_done() {
            while let Some(start) = walk.next_start() {
                under_way.extend(walk.take_piece(self.segment_last(start)));
            }
            let choice = choose();
            let (number, frame) = under_way.swap_remove(choice % under_way.len());
            if choice.is_multiple_of(3) && refusals > 0 {
                refusals -= 1;
                walk.give_back(number);
            } else {
                walk.answer(number, &self.run(&frame, count_only, 5));
            }
        }
        assert!(under_way.is_empty());
    }
}

fn keys_of(value: &Value) -> Vec<u128> {
    let key = |key: &Value| {
        let text = std::str::from_utf8(key.as_bytes().expect("text")).expect("digits");
        text.parse().expect("a number")
    };
    value.as_slice().expect("an array").iter().map(key).collect()
}

fn rings() -> impl Strategy<Value = Ring> {
    // Few upper halves, so that cursors fall into the middle of things.
    let point = (0..40_u128, 0..4_u128).prop_map(|(high, low)| (high << 64) | low);
    let keys = prop::collection::btree_set(point.clone(), 0..80);
    let ends = prop::collection::vec(point, 0..20);
    (keys, ends).prop_map(|(keys, ends)| Ring { keys, ends })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_key_is_met_exactly_once(
        ring in rings(), choices in prop::collection::vec(any::<u8>(), 1..50),
    ) {
        let mut choices = choices.iter().cycle().enumerate();
        let mut choose = || choices.next().map_or(1, |(n, c)| usize::from(*c) + n);
        let mut walk = Walk::count(LIMITS);
        ring.drive(&mut walk, true, &mut choose);
        prop_assert_eq!(finish(walk).as_integer(), Some(ring.keys.len() as i64));
        let mut walk = Walk::keys(Bytes::from_static(b"*"), LIMITS);
        ring.drive(&mut walk, false, &mut choose);
        let mut found = keys_of(&finish(walk));
        found.sort_unstable();
        prop_assert_eq!(found, ring.keys.iter().copied().collect::<Vec<_>>());
    }

    #[test]
    fn scanning_ends_and_misses_no_key(ring in rings(), count in 1..20_u32) {
        let mut found = BTreeSet::new();
        let mut cursor = "0".to_owned();
        for _ in 0..1_000 {
            let command = Command::new(&["SCAN", &cursor, "COUNT", &count.to_string()]);
            let mut walk = Walk::scan(&command, LIMITS).expect("a scan");
            let mut n = 0;
            ring.drive(&mut walk, false, &mut || { n += 1; n });
            let answer = finish(walk);
            let [next, keys] = answer.as_slice().expect("two parts") else { panic!() };
            found.extend(keys_of(keys));
            cursor = String::from_utf8_lossy(next.as_bytes().expect("text")).into_owned();
            if cursor == "0" {
                break;
            }
        }
        prop_assert_eq!(cursor, "0");
        prop_assert_eq!(found, ring.keys);
    }

    #[test]
    fn a_random_key_is_found_where_there_is_one(ring in rings(), from in any::<u128>()) {
        let mut walk = Walk::random_key(Point(from >> 58), LIMITS);
        let mut n = 0;
        ring.drive(&mut walk, false, &mut || { n += 1; n });
        let answer = finish(walk);
        prop_assert_eq!(answer.is_null(), ring.keys.is_empty());
    }
}

#[test]
fn filters_go_with_each_piece() {
    let command = Command::new(&["SCAN", "0", "match", "a*", "COUNT", "7", "TYPE", "string"]);
    let mut walk = Walk::scan(&command, LIMITS).expect("a scan");
    let (number, frame) = walk.take_piece(Point(9)).expect("a piece");
    let (arc, count, rest) = words(&frame);
    assert_eq!((arc.start(), arc.last(), count), (Point(0), Point(9), 7));
    assert_eq!(rest, ["match", "a*", "TYPE", "string"]);
    assert_eq!(walk.next_start(), None, "a scan goes piece by piece");
    walk.answer(number, &reply(None, Value::Array(Some(vec![Value::Bulk(Some("ab".into()))]))));
    assert_eq!(walk.next_start(), Some(Point(10)));
    let (_, frame) = walk.take_piece(Point(19)).expect("a piece");
    assert_eq!(words(&frame).1, 6, "what is left of the count");
}

#[test]
fn an_error_or_an_odd_answer_ends_a_walk() {
    for (answer, expected) in [
        ("-ERR broken\r\n", "ERR broken"),
        ("+OK\r\n", "ERR a server gave an answer that is not understood"),
        ("*2\r\n$1\r\nx\r\n:1\r\n", "ERR a server gave an answer that is not understood"),
    ] {
        let mut walk = Walk::count(LIMITS);
        let (first, _) = walk.take_piece(Point(9)).expect("a piece");
        let (second, _) = walk.take_piece(Point(19)).expect("a piece");
        walk.answer(first, &Bytes::from_static(answer.as_bytes()));
        assert!(!walk.is_done(), "a piece is under way");
        assert_eq!(walk.next_start(), None);
        walk.answer(second, &reply(None, Value::Integer(1)));
        assert_eq!(finish(walk), Value::Error(Bytes::from_static(expected.as_bytes())));
    }
}

#[test]
fn refused_pieces_do_not_end_a_scan() {
    let command = Command::new(&["SCAN", "0", "COUNT", "5"]);
    let mut walk = Walk::scan(&command, LIMITS).expect("a scan");
    let middle = Point(1 << 127);
    let (number, _) = walk.take_piece(middle).expect("a piece");
    walk.answer(number, &reply(None, Value::Array(Some(Vec::new()))));
    for _ in 0..10 * SCAN_PIECES_MAX {
        assert_eq!(walk.next_start(), middle.next(), "it goes on where it was refused");
        let (number, _) = walk.take_piece(Point::MAX).expect("a piece");
        walk.give_back(number);
    }
    let (number, _) = walk.take_piece(Point::MAX).expect("a piece");
    walk.answer(number, &reply(None, Value::Array(Some(Vec::new()))));
    assert!(walk.is_done());
}
