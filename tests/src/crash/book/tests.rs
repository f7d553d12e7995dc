//! The judge itself: what it has to notice, and what it has to let pass.

use std::collections::BTreeMap;

use super::{Book, Found, Loss, State};

fn value(text: &str) -> State {
    State::Value { bytes: text.as_bytes().to_vec(), expires: false }
}

/// Two keys of server 0, `a` written at 10 and 30, `b` at 20 and 40; all acknowledged 5 later, but
/// for the last write of `b`.
fn book() -> Book {
    let mut book = Book::default();
    for key in ["a", "b"] {
        book.add_key(key.to_owned());
    }
    for (key, text, at) in [("a", "a1", 10), ("b", "b1", 20), ("a", "a2", 30), ("b", "b2", 40)] {
        book.sent(key, value(text), 0, at);
        if text != "b2" {
            book.acknowledged(key, at + 5);
        }
    }
    book
}

fn check(a: State, b: State, losses: &[Loss]) -> Result<Found, String> {
    book().check(&BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]), losses)
}

#[test]
fn what_was_acknowledged_must_be_there_and_what_was_not_may_be() {
    let found = check(value("a2"), value("b2"), &[]);
    assert_eq!(found, Ok(Found { kept: 3, applied: 1, ..Found::default() }));
    let found = check(value("a2"), value("b1"), &[]);
    assert_eq!(found, Ok(Found { kept: 3, not_applied: 1, ..Found::default() }));
}

#[test]
fn a_lost_an_old_and_an_unknown_value_are_noticed() {
    for a in [State::Absent, value("a1"), value("a3"), value("b1")] {
        assert!(check(a.clone(), value("b1"), &[]).is_err(), "{a:?}");
    }
    let expires = State::Value { bytes: b"a2".to_vec(), expires: true };
    assert!(check(expires, value("b1"), &[]).is_err(), "an expiry that nobody asked for");
}

#[test]
fn a_refused_write_must_not_be_there() {
    let mut book = book();
    book.sent("a", value("a3"), 0, 50);
    book.refused("a");
    assert_eq!(book.known("a"), Some(&value("a2")));
    let seen = |a| BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), value("b1"))]);
    assert!(book.clone().check(&seen(value("a3")), &[]).is_err());
    assert!(book.check(&seen(value("a2")), &[]).is_ok());
}

#[test]
fn a_power_loss_takes_the_newest_only_and_leaves_no_hole() {
    let window = |kept_until| [Loss { server: 0, kept_until }];
    let found = check(value("a1"), value("b1"), &window(30));
    let lost =
        Found { kept: 2, lost: 1, oldest_lost: Some(35), not_applied: 1, ..Found::default() };
    assert_eq!(found, Ok(lost));
    assert!(check(value("a1"), value("b1"), &window(36)).is_err(), "older than the window");
    assert!(check(value("a1"), value("b2"), &window(0)).is_err(), "a later write is there");
    assert!(check(value("a1"), State::Absent, &window(0)).is_ok());
    assert!(check(State::Absent, value("b1"), &window(0)).is_err(), "a hole");
    let other = [Loss { server: 1, kept_until: 0 }];
    assert!(check(value("a1"), value("b1"), &other).is_err(), "another server lost its power");
}

#[test]
fn what_was_found_once_stays() {
    let mut book = book();
    let seen = BTreeMap::from([("a".to_owned(), value("a2")), ("b".to_owned(), value("b2"))]);
    assert!(book.check(&seen, &[]).is_ok());
    let back = BTreeMap::from([("a".to_owned(), value("a2")), ("b".to_owned(), value("b1"))]);
    assert!(book.check(&back, &[Loss { server: 0, kept_until: 0 }]).is_err());
    assert_eq!(book.n_present(), 2);
}

#[test]
fn an_absent_key_is_no_proof_of_its_removal() {
    let mut book = book();
    book.add_key("c".to_owned());
    for (state, at) in [(value("c1"), 50), (State::Absent, 60)] {
        book.sent("c", state, 0, at);
        book.acknowledged("c", at + 5);
    }
    let seen = [("a", value("a1")), ("b", value("b1")), ("c", State::Absent)];
    let seen = BTreeMap::from(seen.map(|(key, state)| (key.to_owned(), state)));
    let found = book.check(&seen, &[Loss { server: 0, kept_until: 0 }]);
    assert_eq!(found.map(|found| found.lost), Ok(1));
}
