//! Shell. A router: its way from the bytes of a client to the bytes of the answer, without sockets.
//! It takes the time once, while it is made.

use std::hint::black_box;

use resp::{Command, Value};
use router::hot_paths::{Relay, Round};

use crate::inputs::{self, Cycle, N_INPUTS, VALUE};
use crate::{Case, Operation};

const N_SERVERS: u128 = 5;

pub(crate) const CASES: &[Case] = &[
    Case::short("router/find the server of a GET", find),
    Case::short("router/relay a GET", || relay((0..N_INPUTS).map(inputs::get), 1)),
    Case::short("router/relay a SET of 100 bytes", || relay((0..N_INPUTS).map(inputs::set), 1)),
    Case::long("router/relay 16 GETs of one client", || relay((0..N_INPUTS).map(inputs::get), 16)),
    Case::long("router/relay 100 SETs of one client", || relay((0..100).map(inputs::set), 100)),
    Case::long("router/relay a MGET of 16 keys", || relay([inputs::mget(16)], 1)),
];

fn relay_of() -> Relay {
    Relay::new(&inputs::document(N_SERVERS).bootstrapped())
}

fn find() -> Operation {
    let relay = relay_of();
    let mut commands = Cycle::new((0..N_INPUTS).map(inputs::get));
    Box::new(move || assert!(relay.server_of(black_box(commands.next())).is_some()))
}

/// Each time the next so many commands, at once.
fn relay(commands: impl IntoIterator<Item = Command>, at_once: usize) -> Operation {
    let commands: Vec<Command> = commands.into_iter().collect();
    let mut relay = relay_of();
    let rounds: Vec<Round> = commands
        .chunks(at_once)
        .map(|commands| relay.rehearse(inputs::pipeline(commands.iter().cloned()), answer))
        .collect();
    let mut rounds = Cycle::new(rounds);
    Box::new(move || assert!(relay.run(black_box(rounds.next()))))
}

/// What a server says that has everything.
fn answer(command: &Command) -> Value {
    let value = || Value::Bulk(Some(VALUE.to_vec().into()));
    match command.name() {
        b"GET" => value(),
        b"MGET" => Value::Array(Some(vec![value(); command.len() - 1])),
        _ => Value::Simple("OK".into()),
    }
}
