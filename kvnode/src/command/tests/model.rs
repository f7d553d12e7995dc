//! Random commands against a second, simpler implementation of what they mean.

use std::collections::BTreeMap;

use proptest::prelude::*;
use resp::Command;

use super::super::Reply;
use super::{MemorySpace, START_MS, show};

#[derive(Clone, Debug)]
enum Op {
    Get(u8),
    Set { key: u8, value: Vec<u8>, px: Option<u16>, keep: bool, condition: Option<bool> },
    Append(u8, Vec<u8>),
    SetRange(u8, u8, Vec<u8>),
    GetRange(u8, i8, i8),
    Add(u8, i64),
    Del(Vec<u8>),
    Expire(u8, i16),
    Persist(u8),
    Ttl(u8),
    Wait(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..4_u8;
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        (-50..50_i64).prop_map(|n| n.to_string().into_bytes()),
    ];
    prop_oneof![
        key.clone().prop_map(Op::Get),
        (key.clone(), value.clone(), any::<(Option<u16>, bool, Option<bool>)>()).prop_map(
            |(key, value, (px, keep, condition))| {
                Op::Set { key, value, px: px.filter(|px| *px > 0), keep, condition }
            }
        ),
        (key.clone(), value.clone()).prop_map(|(key, value)| Op::Append(key, value)),
        (key.clone(), 0..12_u8, value).prop_map(|(key, at, value)| Op::SetRange(key, at, value)),
        (key.clone(), any::<(i8, i8)>()).prop_map(|(key, (a, b))| Op::GetRange(key, a / 8, b / 8)),
        (key.clone(), -9..9_i64).prop_map(|(key, amount)| Op::Add(key, amount)),
        proptest::collection::vec(key.clone(), 1..4).prop_map(Op::Del),
        (key.clone(), any::<i16>()).prop_map(|(key, ms)| Op::Expire(key, ms)),
        key.clone().prop_map(Op::Persist),
        key.prop_map(Op::Ttl),
        any::<u16>().prop_map(|ms| Op::Wait(ms / 4)),
    ]
}

fn name(key: u8) -> String {
    format!("key{key}")
}

impl Op {
    fn command(&self) -> Option<Command> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        let mut add = |word: &[u8]| words.push(word.to_vec());
        match self {
            Self::Get(key) => [b"GET".as_slice(), name(*key).as_bytes()].map(add).len(),
            Self::Set { key, value, px, keep, condition } => {
                add(b"SET");
                add(name(*key).as_bytes());
                add(value);
                match px {
                    Some(px) => [b"PX".as_slice(), px.to_string().as_bytes()].map(&mut add).len(),
                    None if *keep => [b"KEEPTTL".as_slice()].map(&mut add).len(),
                    None => 0,
                };
                let condition = condition.map(|present| if present { b"XX" } else { b"NX" });
                condition.iter().map(|word| add(*word)).count()
            }
            Self::Append(key, value) => {
                [b"APPEND".as_slice(), name(*key).as_bytes(), value].map(add).len()
            }
            Self::SetRange(key, at, value) => {
                let at = at.to_string();
                [b"SETRANGE".as_slice(), name(*key).as_bytes(), at.as_bytes(), value].map(add).len()
            }
            Self::GetRange(key, a, b) => {
                let (key, a, b) = (name(*key), a.to_string(), b.to_string());
                ["GETRANGE", &key, &a, &b].map(|word| add(word.as_bytes())).len()
            }
            Self::Add(key, amount) => {
                let (key, amount) = (name(*key), amount.to_string());
                ["INCRBY", &key, &amount].map(|word| add(word.as_bytes())).len()
            }
            Self::Del(keys) => {
                add(b"DEL");
                keys.iter().map(|key| add(name(*key).as_bytes())).count()
            }
            Self::Expire(key, ms) => {
                let (key, ms) = (name(*key), ms.to_string());
                ["PEXPIRE", &key, &ms].map(|word| add(word.as_bytes())).len()
            }
            Self::Persist(key) => [b"PERSIST".as_slice(), name(*key).as_bytes()].map(add).len(),
            Self::Ttl(key) => [b"PTTL".as_slice(), name(*key).as_bytes()].map(add).len(),
            Self::Wait(_) => return None,
        };
        Some(Command::new(&words))
    }
}

/// Value and deadline by key; what is due is taken out by the passing of time.
#[derive(Default)]
struct Model {
    now_ms: i64,
    entries: BTreeMap<u8, (Vec<u8>, Option<i64>)>,
}

impl Model {
    fn run(&mut self, op: &Op) -> String {
        let now_ms = self.now_ms;
        self.entries.retain(|_, (_, due)| due.is_none_or(|due| due > now_ms));
        let bulk = |bytes: &[u8]| show(&Reply::Bulk(bytes.to_vec().into()));
        match op {
            Op::Get(key) => self.entries.get(key).map_or("(nil)".into(), |(v, _)| bulk(v)),
            Op::Set { key, value, px, keep, condition } => {
                let old = self.entries.get(key);
                if condition.is_some_and(|present| present != old.is_some()) {
                    return "(nil)".into();
                }
                let kept = old.and_then(|(_, due)| *due).filter(|_| *keep);
                let due = px.map_or(kept, |px| Some(now_ms + i64::from(px)));
                self.entries.insert(*key, (value.clone(), due));
                "OK".into()
            }
            Op::Append(key, suffix) => {
                let (value, _) = self.entries.entry(*key).or_default();
                value.extend(suffix);
                value.len().to_string()
            }
            Op::SetRange(key, at, patch) => {
                if patch.is_empty() {
                    return self.entries.get(key).map_or(0, |(v, _)| v.len()).to_string();
                }
                let (value, _) = self.entries.entry(*key).or_default();
                let end = usize::from(*at) + patch.len();
                value.resize(value.len().max(end), 0);
                value[usize::from(*at)..end].copy_from_slice(patch);
                value.len().to_string()
            }
            Op::GetRange(key, a, b) => {
                let value = self.entries.get(key).map(|(v, _)| v.clone()).unwrap_or_default();
                bulk(&self.range(&value, i64::from(*a), i64::from(*b)))
            }
            Op::Add(key, amount) => self.add(*key, *amount),
            Op::Del(keys) => {
                keys.iter().filter(|key| self.entries.remove(key).is_some()).count().to_string()
            }
            Op::Expire(key, ms) => match self.entries.get_mut(key) {
                Some((_, due)) => {
                    *due = Some(now_ms + i64::from(*ms));
                    "1".into()
                }
                None => "0".into(),
            },
            Op::Persist(key) => {
                let due = self.entries.get_mut(key).and_then(|(_, due)| due.take());
                i32::from(due.is_some()).to_string()
            }
            Op::Ttl(key) => match self.entries.get(key) {
                Some((_, Some(due))) => (due - now_ms).to_string(),
                Some((_, None)) => "-1".into(),
                None => "-2".into(),
            },
            Op::Wait(ms) => {
                self.now_ms += i64::from(*ms);
                String::new()
            }
        }
    }

    fn add(&mut self, key: u8, amount: i64) -> String {
        let (value, _) = self.entries.get(&key).cloned().unwrap_or((b"0".to_vec(), None));
        let text = String::from_utf8(value).unwrap_or_default();
        match text.parse::<i64>().ok().filter(|number| number.to_string() == text) {
            Some(number) => {
                let sum = (number + amount).to_string();
                self.entries.entry(key).or_default().0 = sum.clone().into_bytes();
                sum
            }
            None => "ERR value is not an integer or out of range".into(),
        }
    }

    fn range(&self, value: &[u8], a: i64, b: i64) -> Vec<u8> {
        let length = value.len() as i64;
        if a < 0 && b < 0 && a > b {
            return Vec::new();
        }
        let absolute = |place: i64| if place < 0 { (length + place).max(0) } else { place };
        let (a, b) = (absolute(a), absolute(b));
        let places = value.iter().zip(0_i64..);
        places.filter(|(_, place)| (a..=b).contains(place)).map(|(byte, _)| *byte).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn commands_mean_what_the_model_says(ops in proptest::collection::vec(op(), 1..60)) {
        let mut space = MemorySpace { max_value_bytes: 1 << 20, ..MemorySpace::default() };
        let mut model = Model { now_ms: START_MS as i64, ..Model::default() };
        for op in &ops {
            let expected = model.run(op);
            match op.command() {
                Some(command) => prop_assert_eq!(show(&space.run(&command)), expected, "{:?}", op),
                None => space.now_ms = model.now_ms as u64,
            }
        }
    }
}
