//! What a scripted server makes of each command.

use bytes::{Bytes, BytesMut};
use resp::commands::{self, Id, Keys};
use resp::{Command, Protocol, Value, encode};

use super::{RecordKey, State, arc, number, record_key};

pub(super) fn run(state: &mut State, command: &Command, output: &mut BytesMut) {
    let spec = commands::lookup(command.name()).expect("a known command");
    let Keys { step, .. } = spec.keys;
    let keys: Vec<RecordKey> = spec
        .key_places(command.len())
        .map(|place| record_key(&command.arg_bytes(place).unwrap_or_default()))
        .collect();
    let word = |place: usize| command.arg_bytes(place).unwrap_or_default();
    let bulk = |output: &mut BytesMut, value: Option<&Bytes>| match value {
        Some(value) => encode::bulk(output, value),
        None => encode::null(output, Protocol::Resp2),
    };
    match (spec.id, &keys[..]) {
        (Id::Get, [key]) => bulk(output, state.keys.get(key)),
        (Id::Set | Id::MSet, keys) => {
            for (i, key) in keys.iter().enumerate() {
                state.keys.insert(key.clone(), word(2 + i * step));
            }
            encode::ok(output);
        }
        (Id::Append, [key]) => {
            let mut value = BytesMut::from(&state.keys.remove(key).unwrap_or_default()[..]);
            value.extend_from_slice(&word(2));
            encode::integer(output, i64::try_from(value.len()).expect("short"));
            state.keys.insert(key.clone(), value.freeze());
        }
        (Id::MGet, keys) => {
            encode::array_header(output, keys.len());
            keys.iter().for_each(|key| bulk(output, state.keys.get(key)));
        }
        (Id::Del | Id::Unlink, keys) => {
            let gone = keys.iter().filter(|key| state.keys.remove(key).is_some()).count();
            encode::integer(output, i64::try_from(gone).expect("few"));
        }
        (Id::Exists | Id::Touch, keys) => {
            let found = keys.iter().filter(|key| state.keys.contains_key(key)).count();
            encode::integer(output, i64::try_from(found).expect("few"));
        }
        (Id::RingkvScan | Id::RingkvCount | Id::RingkvFlush, _) => {
            run_piece(state, spec.id, command, output);
        }
        (Id::RingkvGet | Id::RingkvPut | Id::RingkvRemove, [key]) => {
            run_versioned(state, spec.id, key, command, output);
        }
        (id, _) => encode::error(output, &format!("ERR {id:?} is not scripted")),
    }
}

fn run_piece(state: &mut State, id: Id, command: &Command, output: &mut BytesMut) {
    let arc = arc(command);
    let limit: usize = number(command, 3);
    let inside = state.keys.keys().filter(|(point, _)| arc.contains(*point));
    let found: Vec<RecordKey> = inside.take(limit + 1).cloned().collect();
    let next = found.get(limit).map(|(point, _)| point.to_string());
    let found = found.get(..limit).unwrap_or(&found);
    let next = Value::Bulk(next.map(Bytes::from));
    let answer = match id {
        Id::RingkvScan => {
            let names = found.iter().map(|(_, key)| Value::Bulk(Some(key.clone())));
            Value::Array(Some(names.collect()))
        }
        _ => Value::Integer(i64::try_from(found.len()).expect("few")),
    };
    if id == Id::RingkvFlush {
        for key in found {
            state.keys.remove(key);
        }
    }
    Value::Array(Some(vec![next, answer])).encode(output, Protocol::Resp2);
}

/// The version of a value is its length.
fn run_versioned(
    state: &mut State,
    id: Id,
    key: &RecordKey,
    command: &Command,
    output: &mut BytesMut,
) {
    let version = |value: &Bytes| Value::Integer(i64::try_from(value.len()).expect("short"));
    let old = state.keys.get(key).cloned();
    let current = old.as_ref().map_or(Value::Bulk(None), version);
    let wanted = (2..command.len()).find(|place| command.arg_is(*place, "IFMATCH"));
    let matched = wanted.is_none_or(|place| {
        old.as_ref().is_some_and(|old| old.len() == number::<usize>(command, place + 1))
    });
    let absent = command.arg_is(3, "IFNONE");
    let answer = match (id, old) {
        (Id::RingkvGet, None) => Value::Bulk(None),
        (Id::RingkvGet, Some(old)) => {
            Value::Array(Some(vec![Value::Bulk(Some(old)), current, Value::Integer(1_500)]))
        }
        (Id::RingkvPut, old) if matched && !(absent && old.is_some()) => {
            let value = command.arg_bytes(2).unwrap_or_default();
            let answer = Value::Array(Some(vec![Value::Integer(1), version(&value)]));
            state.keys.insert(key.clone(), value);
            answer
        }
        (Id::RingkvRemove, Some(_)) if matched => {
            state.keys.remove(key);
            Value::Array(Some(vec![Value::Integer(1), current]))
        }
        _ => Value::Array(Some(vec![Value::Integer(0), current])),
    };
    answer.encode(output, Protocol::Resp2);
}
