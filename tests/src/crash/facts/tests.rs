//! That what a server forgot, and two owners of one arc, are noticed.

use node_api::NodeState;
use serde_json::{Value, json};

use super::{require_one_owner, require_remembered, require_settled};

const LOW: &str = "00000000000000000000000000000000";
const MIDDLE: &str = "7fffffffffffffffffffffffffffffff";
const ABOVE: &str = "80000000000000000000000000000000";
const HIGH: &str = "ffffffffffffffffffffffffffffffff";

fn arcs(start: &str, last: &str, value: &Value) -> Value {
    json!([{ "start": start, "last": last, "value": value }])
}

fn server(name: &str) -> Value {
    json!({ "name": name, "incarnation": format!("{:0>32}", name.len()) })
}

/// A server that owns the lower half since epoch 3, with these changes.
fn state(name: &str, changes: Value) -> NodeState {
    let mut state = json!({
        "cluster": LOW, "server": server(name), "term": 1, "ring_epoch": 2, "admitted": true,
        "admission_error": null, "retired": null, "granted": true,
        "owned": arcs(LOW, MIDDLE, &json!(3)), "given": [], "fences": [], "highest_epoch": 3,
        "handoffs": [], "disk_free_bytes": 0, "peers": {}, "max_bytes_per_second": null,
    });
    if let (Some(state), Value::Object(changes)) = (state.as_object_mut(), changes) {
        state.extend(changes);
    }
    serde_json::from_value(state).unwrap_or_else(|error| unreachable!("{error}"))
}

fn handoff(role: &str, phase: &str, finished: bool) -> Value {
    json!([{
        "id": LOW, "role": role, "peer": server("b"), "arcs": [{ "start": LOW, "last": MIDDLE }],
        "epoch": 4, "phase": phase, "finished": finished, "keys_moved": 0, "keys_total": 0,
        "bytes_moved": 0, "bytes_total": 0, "error": null,
    }])
}

#[test]
fn everything_that_a_server_may_forget_is_noticed() {
    let before = state("a", json!({ "retired": 2, "handoffs": handoff("target", "owned", false) }));
    let remembered = json!({ "retired": 2, "handoffs": handoff("target", "owned", true) });
    assert_eq!(require_remembered(&before, &state("a", remembered.clone())), Ok(()));
    for forgotten in [
        json!({ "term": 0 }),
        json!({ "ring_epoch": 1 }),
        json!({ "granted": false }),
        json!({ "retired": null }),
        json!({ "highest_epoch": 2 }),
        json!({ "owned": [] }),
        json!({ "owned": arcs(LOW, MIDDLE, &json!(2)) }),
        json!({ "handoffs": [] }),
        json!({ "handoffs": handoff("target", "receiving", false) }),
        json!({ "handoffs": handoff("target", "refused", true) }),
    ] {
        let mut changes = remembered.clone();
        if let (Some(changes), Value::Object(forgotten)) = (changes.as_object_mut(), &forgotten) {
            changes.extend(forgotten.clone());
        }
        assert!(require_remembered(&before, &state("a", changes)).is_err(), "{forgotten}");
    }
}

#[test]
fn a_gift_is_not_forgotten() {
    let given = arcs(LOW, MIDDLE, &json!({ "epoch": 4, "target": server("b") }));
    let before = state("a", json!({ "owned": [], "given": given, "highest_epoch": 4 }));
    let back = state("a", json!({ "highest_epoch": 4 }));
    assert!(require_remembered(&before, &back).is_err());
    assert_eq!(require_remembered(&before, &before), Ok(()));
    assert_eq!(require_remembered(&state("a", json!({})), &before), Ok(()));
}

#[test]
fn two_owners_are_noticed_unless_one_of_them_is_frozen() {
    let one = state("a", json!({}));
    let upper = state("bb", json!({ "owned": arcs(ABOVE, HIGH, &json!(3)) }));
    assert_eq!(require_one_owner(&one, &upper), Ok(()));
    assert_eq!(require_settled(&one, &upper), Ok(()));

    let both = state("bb", json!({ "owned": arcs(LOW, HIGH, &json!(4)) }));
    assert!(require_one_owner(&one, &both).is_err());
    assert!(require_settled(&one, &both).is_err());
    let frozen = state("a", json!({ "handoffs": handoff("source", "frozen", false) }));
    assert_eq!(require_one_owner(&frozen, &both), Ok(()));
    assert!(require_settled(&frozen, &both).is_err());
    let copying = state("a", json!({ "handoffs": handoff("source", "copying", false) }));
    assert!(require_one_owner(&copying, &both).is_err());

    let nobody = state("bb", json!({ "owned": [] }));
    assert!(require_settled(&one, &nobody).is_err(), "half of the ring has no owner");
}
