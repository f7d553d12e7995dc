//! Pure. What holds for any bytes at all, as functions that panic where it does not. The corpus of
//! each is in `corpus/`: the tests go through it, and `cargo xtask fuzz` goes on from it.

mod administration;
mod codec;
mod documents;

/// A target: its name, which is that of its corpus, and what it asks.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 13] = [
    ("administration", administration::requests),
    ("command_decode", codec::command_decode),
    ("command_split", codec::command_split),
    ("decisions_file", kvnode::fuzzing::decisions),
    ("handoff_frames", kvnode::fuzzing::frames),
    ("kvcluster", operator::fuzzing::cluster),
    ("record", kvnode::fuzzing::record),
    ("refusal", router::fuzzing::refusal),
    ("reply_decode", codec::reply_decode),
    ("ring_document", documents::ring),
    ("router_http", router::fuzzing::http),
    ("router_table", router::fuzzing::table),
    ("value_roundtrip", codec::value_roundtrip),
];

#[cfg(test)]
mod tests;
