//! Tests of the whole crate.

mod command;
mod reply;
mod value;
