//! Tests of the whole crate.

mod command;
mod number;
mod reply;
mod value;
