//! Every pair of state and event, in a snapshot: a change of the protocol shows up as a diff.

use std::fmt::{Debug, Write};

use crate::{Illegal, SourceEvent, SourceState, Step, TargetEvent, TargetState};
use crate::{source_step, target_step};

fn table<S: Debug + Copy, V: Debug + Copy, E: Debug + 'static>(
    states: &[S],
    events: &[V],
    step: impl Fn(S, V) -> Result<Step<S, E>, Illegal<S, V>>,
) -> String {
    let mut text = String::new();
    for state in states {
        for event in events {
            let outcome = match step(*state, *event) {
                Err(_) => "illegal".to_owned(),
                Ok(step) => {
                    let durable = if step.persist { "durably " } else { "" };
                    format!("{durable}{:?} {:?}", step.state, step.effects)
                }
            };
            writeln!(text, "{state:?} + {event:?} -> {outcome}").unwrap();
        }
    }
    text
}

#[test]
fn source_pairs() {
    insta::assert_snapshot!(table(&SourceState::ALL, &SourceEvent::ALL, source_step));
}

#[test]
fn target_pairs() {
    insta::assert_snapshot!(table(&TargetState::ALL, &TargetEvent::ALL, target_step));
}

#[test]
fn a_state_changes_only_durably() {
    for state in SourceState::ALL {
        for step in SourceEvent::ALL.into_iter().filter_map(|e| source_step(state, e).ok()) {
            assert_eq!(step.persist, step.state != state);
        }
    }
    for state in TargetState::ALL {
        for step in TargetEvent::ALL.into_iter().filter_map(|e| target_step(state, e).ok()) {
            assert_eq!(step.persist, step.state != state);
        }
    }
}
