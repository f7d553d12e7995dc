//! Shell. Storage crash tests: real servers whose process is killed, whose power goes, whose files
//! are damaged, and whose system calls fail; and what must be there afterwards.

pub mod book;
pub mod campaign;
pub mod coordinator;
pub mod damage;
pub mod decisions;
pub mod disk;
pub mod facts;
pub mod faults;
pub mod pair;
pub mod progress;
pub mod publisher;
pub mod script;
pub mod solo;
pub mod trace;
pub mod tree;
pub mod writer;

/// What came of a part of the tests.
#[derive(Clone, Debug)]
pub enum Outcome<T> {
    /// It ran to its end.
    Done(T),
    /// It cannot run here, and why.
    Skipped(String),
}
