//! Shell. A server: its commands on an engine in memory, and the forms of records on disk and in
//! the streams of handoffs. The clock of each node has a file, which is written while it is made.

use std::hint::black_box;

use bytes::Bytes;
use kvnode::hot_paths::{Chunk, Node};
use kvnode::store::{Record, RecordKey};
use resp::Command;
use tempfile::TempDir;

use crate::inputs::{self, Cycle, N_INPUTS, VALUE};
use crate::{Case, Operation};

/// Records of one frame.
const N_RECORDS: u32 = 100;

pub(crate) const CASES: &[Case] = &[
    Case::short("node/GET a committed record", get_committed),
    Case::short("node/GET a pending record", get_pending),
    Case::short("node/SET over a pending record", set_pending),
    Case::short("node/INCR a pending record", incr),
    Case::long("node/MGET 16 committed records", mget),
    Case::long("node/SET 16 records and commit them", set_and_commit),
    Case::short("node/record key of 16 bytes", record_key),
    Case::short("node/encode a record of 100 bytes", encode_record),
    Case::short("node/decode a record of 100 bytes", decode_record),
    Case::long("node/encode 100 records for a handoff", encode_chunk),
    Case::long("node/decode 100 records of a handoff", decode_chunk),
];

/// With a value for each key, committed.
fn node() -> Node {
    let directory = TempDir::new().expect("there is a directory for temporary files");
    let mut node = Node::new(directory.path());
    (0..N_INPUTS).for_each(|n| assert!(node.run(&inputs::set(n))));
    node.seal();
    node
}

fn run_each(mut node: Node, commands: impl IntoIterator<Item = Command>) -> Operation {
    let mut commands = Cycle::new(commands);
    Box::new(move || assert!(node.run(black_box(commands.next()))))
}

fn get_committed() -> Operation {
    run_each(node(), (0..N_INPUTS).map(inputs::get))
}

fn get_pending() -> Operation {
    let mut node = node();
    (0..N_INPUTS).for_each(|n| assert!(node.run(&inputs::set(n))));
    run_each(node, (0..N_INPUTS).map(inputs::get))
}

fn set_pending() -> Operation {
    let mut node = node();
    (0..N_INPUTS).for_each(|n| assert!(node.run(&inputs::set(n))));
    run_each(node, (0..N_INPUTS).map(inputs::set))
}

fn incr() -> Operation {
    run_each(node(), [Command::new(&["INCR", "counter"])])
}

fn mget() -> Operation {
    run_each(node(), [inputs::mget(16)])
}

fn set_and_commit() -> Operation {
    let mut node = node();
    let mut commands = Cycle::new((0..N_INPUTS).map(inputs::set));
    Box::new(move || {
        for _ in 0..16 {
            assert!(node.run(black_box(commands.next())));
        }
        node.seal();
    })
}

fn record_key() -> Operation {
    let mut keys = Cycle::new(inputs::keys());
    Box::new(move || {
        black_box(RecordKey::new(black_box(keys.next().as_bytes())));
    })
}

fn record() -> Record {
    Record { version: 1 << 56, expiry_ms: None, value: Some(VALUE.to_vec().into()) }
}

fn encode_record() -> Operation {
    let record = record();
    Box::new(move || {
        black_box(black_box(&record).encode());
    })
}

fn decode_record() -> Operation {
    let encoded = record().encode();
    Box::new(move || {
        let record = Record::decode(black_box(&encoded).clone());
        assert!(black_box(record).is_ok());
    })
}

fn chunk() -> Chunk {
    let encoded = record().encode();
    // Each record of its own, as a scan finds them.
    let copy = || Bytes::copy_from_slice(&encoded);
    Chunk::new(
        (0..N_RECORDS).map(|n| (RecordKey::new(inputs::key(n).as_bytes()), copy())).collect(),
    )
}

fn encode_chunk() -> Operation {
    let chunk = chunk();
    Box::new(move || {
        black_box(black_box(&chunk).encode());
    })
}

fn decode_chunk() -> Operation {
    let sent = chunk().encode();
    Box::new(move || assert_eq!(Chunk::n_records(black_box(&sent)), N_RECORDS as usize))
}
