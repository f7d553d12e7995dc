//! The form of requests: what older and newer releases have to agree on.

use ring::{Arc, Placement, Point};
use serde_json::json;

use super::*;

fn check(change: Change, form: &serde_json::Value) {
    let incarnation = Incarnation(0x1c);
    let name = change.name();
    let request = Request { term: 7, incarnation, change };
    let text = format!("{:032x}", 0x1c);
    let expected = json!({ "term": 7, "incarnation": text, "change": form });
    assert_eq!(serde_json::to_value(&request).unwrap(), expected, "{name}");
    let read: Request = serde_json::from_value(expected).unwrap();
    assert_eq!(read, request);
    assert_eq!(read.head(), Head { term: 7, incarnation });
    let tag = form.as_object().and_then(|object| object.keys().next().map(String::as_str));
    assert_eq!(tag.or(form.as_str()), Some(name));
}

#[test]
fn each_change_has_one_form() {
    let peer = Server { name: "kv-1".to_owned(), incarnation: Incarnation(2) };
    let (id, arcs) = (HandoffId(3), ArcSet::from_iter([Arc::FULL]));
    let terms = Terms { peer, arcs: arcs.clone(), epoch: 4 };
    let text = |number: u128| format!("{number:032x}");
    let arcs_form = json!([{ "start": text(0), "last": text(u128::MAX) }]);
    let peer_form = json!({ "name": "kv-1", "incarnation": text(2) });
    let terms_form = json!({ "peer": peer_form, "arcs": arcs_form, "epoch": 4 });

    check(Change::Term, &json!("term"));
    let members = [("kv-0", &*text(1))];
    let document = RingDocument::bootstrap(&text(1), Placement::Classic, 4, members).unwrap();
    let form = serde_json::to_value(&document).unwrap();
    check(Change::Ring(document), &json!({ "ring": form }));
    let form = json!({ "grant": { "arcs": arcs_form, "epoch": 5, "ring_epoch": 6 } });
    check(Change::Grant { arcs: arcs.clone(), epoch: 5, ring_epoch: 6 }, &form);
    let form = json!({ "fence": { "arcs": arcs_form, "epoch": 5 } });
    check(Change::Fence { arcs, epoch: 5 }, &form);
    let form = json!({ "receive": { "id": text(3), "terms": terms_form } });
    check(Change::Receive { id, terms: terms.clone() }, &form);
    let form = json!({ "give": { "id": text(3), "terms": terms_form } });
    check(Change::Give { id, terms }, &form);
    check(Change::Cancel { id }, &json!({ "cancel": { "id": text(3) } }));
    check(Change::Retire { ring_epoch: 6 }, &json!({ "retire": { "ring_epoch": 6 } }));
    let addresses = BTreeMap::from([("kv-1".to_owned(), "h:1".to_owned())]);
    let form = json!({ "peers": { "addresses": { "kv-1": "h:1" }, "max_bytes_per_second": 8 } });
    check(Change::Peers(Peers { addresses, max_bytes_per_second: Some(8) }), &form);
}

#[test]
fn a_change_without_its_head_is_none() {
    for text in [
        r#""term""#,
        r#"{"term":7,"change":"term"}"#,
        r#"{"incarnation":"0000000000000000000000000000001c","change":"term"}"#,
        r#"{"term":7,"incarnation":"0000000000000000000000000000001c"}"#,
        r#"{"term":7,"incarnation":"0000000000000000000000000000001c","change":"none"}"#,
        r#"{"term":-7,"incarnation":"0000000000000000000000000000001c","change":"term"}"#,
        r#"{"term":7,"incarnation":"1c","change":"term"}"#,
    ] {
        assert!(serde_json::from_str::<Request>(text).is_err(), "{text}");
    }
}

#[test]
fn what_was_counted_in_part_stands_for_its_share() {
    let arcs = |last: u128| ArcSet::from_iter(Arc::new(Point(0), Point(last)));
    let all = arcs((1 << 100) - 1);
    let count = Count { keys: 30, bytes: 3_000, records: 40 };
    let whole = Counted { count, rest: ArcSet::default() };
    assert_eq!(whole.extrapolated(&all), count);
    let quarter = Counted { count, rest: all.subtract(&arcs((1 << 98) - 1)) };
    let expected = Count { keys: 120, bytes: 12_000, records: 160 };
    assert_eq!(quarter.extrapolated(&all), expected);
    let nothing = Counted { count: Count::default(), rest: all.clone() };
    assert_eq!(nothing.extrapolated(&all), Count::default());
}
